"""What runs of maintenance did, for people to look up: table `maintenance_runs`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from clickstream.warehouse.frames import statement


@contextmanager
def noted(connection: psycopg.Connection, operation: str, dry_run: bool = False) -> Iterator[dict[str, int]]:
    """A run: what the block puts into the counts is stored at its end; one that fails keeps no end.

    ``connection`` commits by itself (autocommit). The row is there from the beginning.
    """
    bound: dict[str, object] = {"operation": operation, "dry_run": dry_run}
    row = connection.execute(statement("maintenance/begin.sql"), bound).fetchone()
    assert row is not None  # noqa: S101 - an insert returns its row
    counts: dict[str, int] = {}
    yield counts
    connection.execute(statement("maintenance/finish.sql"), {"run": row[0], "counts": json.dumps(counts)})
