"""The unprivileged account that PostgreSQL runs under when we are root (it refuses to run as root).

Not every machine has an account named postgres; `nobody` is everywhere. A checkout below a directory that the
account may not enter (root's home, 0700) is served too: the program then keeps the one capability to pass it.
"""

import os
import pwd
import shutil
from pathlib import Path

# Linux capability numbers; a container may have the second only.
_PASS_DIRECTORIES = (("dac_read_search", 2), ("dac_override", 1))


class AccountError(RuntimeError):
    """No account can be used; the message says what is missing."""


def account_of(directory: Path) -> pwd.struct_passwd | None:
    """The account for a server whose data lie in `directory`: its owner, else `postgres`, else `nobody`.

    Returns:
        None when we are not root: the server then runs as we do.
    """
    if os.geteuid() != 0:
        return None
    if directory.exists() and directory.stat().st_uid != 0:
        return pwd.getpwuid(directory.stat().st_uid)
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AccountError("PostgreSQL refuses to run as root, and there is no account postgres or nobody: add one")


def run_as(account: pwd.struct_passwd | None, *needed: Path) -> list[str]:
    """The words to put before a command, so that it runs as `account` and can reach all of `needed`.

    Raises:
        AccountError: when setpriv (util-linux) is missing, or a directory cannot be passed.
    """
    if account is None:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise AccountError("running as root needs setpriv: install util-linux, or run as another user")
    words = [setpriv, f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    closed = [path for path in needed if not _reachable(account, path)]
    if closed:
        capability = _own_capability()
        if capability is None:
            raise AccountError(
                f"account {account.pw_name} may not enter {closed[0]}: chmod o+x its parent directories, "
                "move the checkout, or run as another user than root"
            )
        words += [f"--inh-caps=-all,+{capability}", f"--ambient-caps=-all,+{capability}"]
    return words


def _reachable(account: pwd.struct_passwd, path: Path) -> bool:
    """May the account search every directory above `path`?"""
    for directory in path.resolve().parents:
        if not directory.exists():
            continue  # ours to make, and made open
        found = directory.stat()
        if found.st_uid == account.pw_uid:
            bit = 0o100
        elif found.st_gid == account.pw_gid:
            bit = 0o010
        else:
            bit = 0o001
        if not found.st_mode & bit:
            return False
    return True


def _own_capability() -> str | None:
    """The first capability of ours that lets a program pass closed directories."""
    lines = Path("/proc/self/status").read_text().splitlines()
    effective = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    return next((name for name, bit in _PASS_DIRECTORIES if effective >> bit & 1), None)
