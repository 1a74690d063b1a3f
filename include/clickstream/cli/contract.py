"""`clickstream schema`: the event contract as a JSON Schema."""

import json
from pathlib import Path
from typing import Annotated

import typer

from clickstream.contract import json_schema


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(schema)


def schema(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of the screen.")] = None,
) -> None:
    """Print the event contract as a JSON Schema.

    [bold]Example:[/bold] clickstream schema -o docs/event.schema.json
    """
    text = json.dumps(json_schema(), indent=2) + "\n"
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text)
