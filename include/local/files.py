"""Files that only we may read, and files that are replaced whole. Standard library only."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace `path` in one step with `text`, readable by its owner only (mode 0600)."""
    _replace(path, text, 0o600)


def write_program(path: Path, text: str) -> None:
    """Replace `path` in one step with a script that its owner may run (mode 0755)."""
    _replace(path, text, 0o755)


def _replace(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        os.fchmod(descriptor, mode)  # the umask may have taken bits away, an old file may have more
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
