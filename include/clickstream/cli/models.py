"""`clickstream models`: the page about the SQL models."""

from pathlib import Path
from typing import Annotated

import typer

from clickstream.models import ModelError, as_markdown, read_models


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(models)


def models(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of the screen.")] = None,
) -> None:
    """Print what the tables of the SQL models hold, from their schema.yaml files, as Markdown.

    [bold]Example:[/bold] clickstream models -o docs/models.md
    """
    try:
        text = as_markdown(read_models())
    except ModelError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text)
