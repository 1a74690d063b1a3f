"""Make Superset ready: its schema, roles, the admin, and the dashboards of the bundle.

Run again it does nothing, in well under a second, unless the bundle, an address, the admin's password or the version
has changed, or somebody deleted an object of the bundle. Objects that left the bundle are removed; what users made
themselves is left alone.
"""

import argparse
import io
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import version
from pathlib import Path

from sqlalchemy.exc import SAWarning, SQLAlchemyError

from clickstream_superset import state
from clickstream_superset.bundle import Bundle, BundleError, fingerprint, read_bundle, removed

BUNDLE = Path(__file__).parents[1] / "bundle"
REQUIRED = ("SUPERSET_SECRET_KEY", "SUPERSET_METADATA_URI", "SUPERSET_READER_URI", "SUPERSET_ADMIN_PASSWORD")
EXAMPLES = """examples:
  python -m clickstream_superset.setup
  python -m clickstream_superset.setup --force
  python -m clickstream_superset.setup --bundle my/bundle
"""


class SetupError(Exception):
    """The setup cannot go on; the message says why and what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; 0 when Superset is ready, 1 with a message on stderr when not."""
    parser = argparse.ArgumentParser(
        prog="python -m clickstream_superset.setup",
        description=__doc__,
        epilog=EXAMPLES + f"environment: {', '.join(REQUIRED)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bundle", type=Path, default=BUNDLE, help="directory of the YAML files")
    parser.add_argument("--force", action="store_true", help="apply everything even if nothing has changed")
    options = parser.parse_args(arguments)
    try:
        run(options.bundle, options.force)
    except (SetupError, BundleError) as error:
        print(f"superset: {error}", file=sys.stderr)
        return 1
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip()
        print(f"superset: its metadata database (SUPERSET_METADATA_URI) does not answer: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("superset: stopped; run the setup again", file=sys.stderr)
        return 130
    return 0


def run(directory: Path, force: bool) -> None:
    """Apply the bundle in `directory`. Raises SetupError, BundleError and SQLAlchemy's errors."""
    if missing := [name for name in REQUIRED if not os.environ.get(name)]:
        raise SetupError(f"{', '.join(missing)} not set in the environment: load .local/env first")
    bundle = read_bundle(directory, os.environ)
    wanted = fingerprint(
        bundle, os.environ["SUPERSET_SECRET_KEY"], os.environ["SUPERSET_ADMIN_PASSWORD"], version("apache-superset"),
        *(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))),
    )  # fmt: skip
    with state.locked(os.environ["SUPERSET_METADATA_URI"]) as connection:
        applied = state.read(connection)
        unchanged = applied is not None and applied.fingerprint == wanted
        if unchanged and not force and state.is_complete(connection, bundle.owned):
            print("superset: nothing has changed", flush=True)
            return
        stale = removed(applied.owned if applied else {}, bundle.owned)
        _apply(bundle, stale)
        state.write(connection, state.Applied(wanted, bundle.owned))


def _apply(bundle: Bundle, stale: dict[str, list[str]]) -> None:
    # SQLAlchemy's remarks on how Superset's own importers use it.
    warnings.filterwarnings("ignore", category=SAWarning)
    with _step("load Superset"):
        from superset.app import create_app

        app = create_app()
    with app.app_context():
        from clickstream_superset import assets

        password = os.environ["SUPERSET_ADMIN_PASSWORD"]
        steps: list[tuple[str, Callable[[], object]]] = [
            ("migrate its schema", assets.migrate_schema),
            ("create roles and permissions", assets.sync_roles),
            ("set the admin's password", lambda: assets.ensure_admin(password)),
            (f"import {_summary(bundle)}", lambda: assets.import_bundle(bundle)),
        ]
        for name, action in steps:
            with _step(name):
                _explained(action)
        if any(stale.values()):
            with _step("remove what left the bundle"):
                lines = assets.remove(stale)
            for line in lines:
                print(f"superset:   {line}", flush=True)


def _explained(action: Callable[[], object]) -> None:
    """Superset's own exceptions name the file or field only in their details."""
    from superset.commands.exceptions import CommandException, CommandInvalidError

    try:
        action()
    except CommandException as error:
        cause = error.__cause__ or error.exception
        if isinstance(cause, CommandInvalidError):
            raise SetupError(f"the bundle is refused: {cause.normalized_messages()}") from error
        raise SetupError(f"{error}: {cause or ''}") from error


def _summary(bundle: Bundle) -> str:
    return ", ".join(f"{len(uuids)} {kind}" for kind, uuids in bundle.owned.items())


@contextmanager
def _step(name: str) -> Iterator[None]:
    started, chatter = time.monotonic(), io.StringIO()
    try:
        with redirect_stdout(chatter):  # Superset's migrations print what only matters when one fails
            yield
    except BaseException:
        print(chatter.getvalue(), file=sys.stderr)
        raise
    print(f"superset: {name} ({time.monotonic() - started:.1f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
