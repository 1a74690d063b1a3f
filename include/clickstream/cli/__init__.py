"""The front door: ``clickstream --help``."""

import typer

from clickstream.cli import (
    anomalies,
    bench,
    bots,
    contract,
    dead_letters,
    doctor,
    files,
    funnel,
    models,
    platform,
    top,
    traffic,
)

app = typer.Typer(
    name="clickstream",
    help="Clickstream platform: generate, stream, look at and repair events.",
    epilog="Examples: [bold]clickstream up[/], [bold]clickstream status[/], [bold]clickstream COMMAND --help[/]",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals may hold secrets
    rich_markup_mode="rich",
)

platform.register(app)
doctor.register(app)
top.register(app)
traffic.register(app)
contract.register(app)
dead_letters.register(app)
bench.register(app)
anomalies.register(app)
bots.register(app)
files.register(app)
models.register(app)
funnel.register(app)
