"""Waiting for a condition, with an end."""

import time
from collections.abc import Callable
from typing import Any


def wait_until(
    condition: Callable[[], Any], what: str, seconds: float = 180, alive: Callable[[], bool] | None = None
) -> Any:
    """Poll until the condition gives something true; fails naming what was waited for."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if result := condition():
            return result
        assert alive is None or alive(), f"the job ended while waiting for {what}"
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {what}")
