"""`python3 -m local.bootstrap`: set up this checkout with nothing but a system Python. See --help.

This file is read by whatever Python is there, so its syntax stays old and it imports nothing newer before the check.
"""

import sys


def main():  # type: ignore[no-untyped-def]
    """Check the version of Python, then hand over to `local.install`."""
    if sys.version_info[:2] != (3, 11):
        sys.exit(
            "Python 3.11 is needed, this is %d.%d (%s).\n" % (sys.version_info[0], sys.version_info[1], sys.executable)  # noqa: UP031
            + "Install it (Debian 12, Ubuntu: sudo apt-get install python3.11 python3.11-venv; others: pyenv or\n"
            + "https://www.python.org/downloads/) and run: make up PYTHON=/path/to/python3.11"
        )
    from local.install import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()  # type: ignore[no-untyped-call]
