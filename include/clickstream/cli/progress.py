"""How far a command is, on a terminal's stderr, once there was something to wait for. stdout is the figures' alone."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.filesize import decimal
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.spinner import Spinner
from rich.text import Text

PATIENCE_SECONDS = 2.0  # what takes longer shows how far it is
BYTES = "bytes"


class Bar:
    """What is done, in units of one's own; shown when it takes longer than `PATIENCE_SECONDS`."""

    def __init__(self, progress: Progress, what: str, total: float | None) -> None:
        self._progress = progress
        self._task = progress.add_task(what, total=total)
        self._shown_at = time.monotonic() + PATIENCE_SECONDS

    def add(self, more: float) -> None:
        """So much more is done."""
        self._progress.update(self._task, advance=more)
        self._show()

    def to(self, done: float, total: float | None = None) -> None:
        """So much is done in all; `total`, where it is known better by now."""
        self._progress.update(self._task, completed=done, total=total)
        self._show()

    def name(self, what: str) -> None:
        """What is done now."""
        self._progress.update(self._task, description=what)

    def _show(self) -> None:
        terminal = self._progress.console.is_terminal
        if terminal and not self._progress.live.is_started and time.monotonic() >= self._shown_at:
            self._progress.start()


@contextmanager
def progress(what: str, total: float | None, unit: str) -> Iterator[Bar]:
    """A bar with count, rate and time left, gone at the end.

    `total`: None when nobody knows it; `unit`: BYTES, or the word for what is counted.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), _Count(unit), _Rate(unit), TimeRemainingColumn())
    shown = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
    try:
        yield Bar(shown, what, total)
    finally:
        if shown.live.is_started:
            shown.stop()


@contextmanager
def status(what: str) -> Iterator[None]:
    """A spinner while something is done that cannot tell how far it is."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    # Not Console.status, which would take what is printed to stdout for the terminal's.
    with Live(Spinner("dots", f"{what} …"), console=console, transient=True, redirect_stdout=False):
        yield


class _Count(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        shown = [_size(number, self._unit) for number in (task.completed, task.total) if number is not None]
        return Text(" of ".join(shown) + ("" if self._unit == BYTES else f" {self._unit}"))


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if speed is None:
            return Text("-")
        return Text(_size(speed, self._unit) + ("/s" if self._unit == BYTES else f" {self._unit}/s"))


def _size(number: float, unit: str) -> str:
    return decimal(int(number)) if unit == BYTES else f"{number:,.0f}"
