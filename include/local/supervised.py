"""Where this checkout's supervisord is found. Standard library only."""

import hashlib
import os
import tempfile
from pathlib import Path

from local.layout import Layout

# The variable that marks every process of a platform with the state directory it belongs to.
MARK = "CLICKSTREAM_PLATFORM"
# A Unix socket's path may have 107 bytes, and supervisord first binds one with its pid appended.
LONGEST_SOCKET = 90


def config_file(layout: Layout) -> Path:
    """supervisord's configuration."""
    return layout.state / "supervisord.conf"


def pid_file(layout: Layout) -> Path:
    """Where supervisord writes its process id."""
    return layout.state / "run" / "supervisord.pid"


def socket_file(layout: Layout) -> Path:
    """supervisord's socket: in the checkout, or, where its path is too deep for one, in a directory of our own.

    Raises:
        PermissionError: that directory belongs to somebody else.
    """
    inside = layout.state / "run" / "supervisor.sock"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET:
        return inside
    name = hashlib.sha256(os.fsencode(layout.state)).hexdigest()[:16]
    directory = Path(tempfile.gettempdir()) / f"clickstream-{os.getuid()}-{name}"
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{directory} belongs to another user or is open to others: remove it")
    return directory / "supervisor.sock"


def is_running(layout: Layout) -> bool:
    """Is this checkout's supervisord alive?"""
    return supervisor_pid(layout) is not None


def supervisor_pid(layout: Layout) -> int | None:
    """Its process id, or None; a pid that another program got meanwhile does not count."""
    try:
        pid = int(pid_file(layout).read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    command = Path(f"/proc/{pid}/cmdline")
    if command.exists() and os.fsencode(config_file(layout)) not in command.read_bytes():
        return None
    return pid
