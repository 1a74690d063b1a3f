"""Progress on a terminal: what is done now, and how long it took. Standard library only; threads may share one."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Steps:
    """Prints one line when a step starts and one when it ends, each with the seconds since the beginning."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Print a line with the time."""
        with self._lock:
            print(f"{time.monotonic() - self._begin:6.1f} s  {text}", flush=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Announce `name`, run the body, tell how long it took or that it failed."""
        begin = time.monotonic()
        self.say(f"{name} ...")
        try:
            yield
        except BaseException:
            self.say(f"{name}: failed")
            raise
        self.say(f"{name}: done in {time.monotonic() - begin:.1f} s")
