"""The front door: ``clickstream --help``."""

import typer

from clickstream.cli import anomalies, bench, contract, dead_letters, platform, traffic

app = typer.Typer(
    name="clickstream",
    help="Clickstream platform: generate, stream, look at and repair events.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals may hold secrets
    rich_markup_mode="rich",
)

platform.register(app)
traffic.register(app)
contract.register(app)
dead_letters.register(app)
bench.register(app)
anomalies.register(app)
