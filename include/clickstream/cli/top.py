"""`clickstream top`: what flows, in a terminal."""

import contextlib
import os
import sys
import termios
import time
import tty
from collections.abc import Iterator
from select import select
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

console = Console()
errors = Console(stderr=True)


def register(app: typer.Typer) -> None:
    """Add the command of this module to the front door."""
    app.command()(top)


def top(
    once: Annotated[bool, typer.Option("--once", help="print one frame and end; exit code 1: Redis is away")] = False,
    every: Annotated[float, typer.Option(help="seconds between two frames", min=0.2, max=60)] = 1.0,
) -> None:
    """Watch the stream: events a second, lag, stages, latencies, people, their funnel, the last anomalies.

    Figures are those of docs/live-metrics.md, read from Redis. q or Ctrl-C ends it.

    Examples: [bold]clickstream top[/], [bold]clickstream top --every 5[/], [bold]clickstream top --once[/]
    """
    from clickstream.cli.top_view import frame
    from clickstream.live_page.snapshot import Snapshots
    from clickstream.settings import settings

    snapshots = Snapshots(settings(), {})
    if once:
        parts = snapshots.read()
        console.print(frame(parts))
        raise typer.Exit(1 if "error" in parts["live"] else 0)
    if not console.is_terminal:
        errors.print("this is no terminal: clickstream top --once prints one frame")
        raise typer.Exit(2)
    screen = Live(console=console, screen=True, auto_refresh=False)
    with contextlib.suppress(KeyboardInterrupt), _keys(), screen:
        while True:
            screen.update(frame(snapshots.read()), refresh=True)
            if _q_within(every):
                break


@contextlib.contextmanager
def _keys() -> Iterator[None]:
    """Keys at once and unseen, where there is a keyboard; Ctrl-C stays what it is."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _q_within(seconds: float) -> bool:
    """Wait so long for a q."""
    if not sys.stdin.isatty():
        time.sleep(seconds)
        return False
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select([sys.stdin], [], [], left)[0] and os.read(sys.stdin.fileno(), 1) in (b"q", b"Q", b""):
            return True
    return False
