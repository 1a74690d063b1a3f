"""Ctrl-C and SIGTERM as a flag: work ends at a safe point instead of in the middle."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(Exception):
    """The work was asked to end by a signal, and did so cleanly. ``exit_code`` is the shell's for that signal."""

    def __init__(self, signum: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signum


class StopFlag:
    """Set by the first SIGINT or SIGTERM; ``signum`` says which, 0 while there was none."""

    signum = 0

    def __bool__(self) -> bool:
        return self.signum != 0


@contextmanager
def stop_flag() -> Iterator[StopFlag]:
    """A flag that SIGINT and SIGTERM set. A second signal has its usual effect.

    Signals can be caught in the main thread only; in another the flag is never set.
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def stop(signum: int, _frame: FrameType | None) -> None:
        flag.signum = signum
        restore()

    for number in before:
        signal.signal(number, stop)
    try:
        yield flag
    finally:
        restore()
