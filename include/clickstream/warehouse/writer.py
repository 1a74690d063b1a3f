"""A worker's connection to the warehouse: what outlives a slice, and what is tried again.

An unreachable server, a deadlock or two slices meeting in one event id are waited out: no event becomes a dead
letter because PostgreSQL was away.
"""

import logging
from dataclasses import replace
from datetime import date

import psycopg
from psycopg import errors
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from clickstream.slice import Decoded, collector_rests, decode_slice, event_days
from clickstream.warehouse import adapt
from clickstream.warehouse.apply import Applied, Rules, Slice, Stopwatch, apply_slice
from clickstream.warehouse.ledger import APPLICATION

log = logging.getLogger(__name__)

# Every read of a slice is by key. Without these the planner, which cannot know how long an array is, may scan.
_PLANNER = "-c jit=off -c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off -c work_mem=64MB"
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError)  # deadlocks are operational errors too
_MEETINGS = 20  # how often two slices may meet in one event id before it is something else


class Writer:
    """Applies slices under one lease epoch, reconnecting as needed. Not for several threads."""

    def __init__(self, dsn: str, epoch: int, rules: Rules, patience_seconds: float = 300) -> None:
        self._dsn = dsn
        self._epoch = epoch
        self._rules = rules
        self._patience = patience_seconds
        self._connection: psycopg.Connection | None = None
        self._partitions_made: set[date] = set()
        self._met = 0

    def apply(self, piece: Slice) -> Applied | None:
        """Apply a slice once; None when it was applied before.

        Raises LeaseLostError, OffsetGapError, LedgerError, or psycopg's error when patience is over.
        """
        self._met = 0
        with collector_rests():
            watch = Stopwatch()
            decoded = decode_slice(piece.records, self._rules.future_tolerance_ms)
            watch.lap("decode")
            for attempt in Retrying(
                retry=retry_if_exception_type((*_AWAY, errors.UniqueViolation)),
                wait=wait_random_exponential(multiplier=0.05, max=1),
                stop=self._enough,
                before_sleep=_say,
                reraise=True,
            ):
                with attempt:
                    applied = self._apply(piece, decoded)
                    return applied and replace(applied, stage_ms=watch.stage_ms | applied.stage_ms)
            raise AssertionError("unreachable: the last attempt re-raises")

    def _enough(self, state: RetryCallState) -> bool:
        met = state.outcome is not None and isinstance(state.outcome.exception(), errors.UniqueViolation)
        self._met += met
        return self._met >= _MEETINGS if met else stop_after_delay(self._patience)(state)

    def _apply(self, piece: Slice, decoded: Decoded) -> Applied | None:
        connection = self._connected()
        try:
            self._ensure_partitions(connection, event_days(decoded.events))
            return apply_slice(connection, piece, decoded, self._epoch, self._rules)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self.close()
            raise

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._dsn,
                autocommit=True,
                connect_timeout=5,
                application_name=f"{APPLICATION}:{self._epoch}",
                options=_PLANNER,
                keepalives_idle=10,
            )
            adapt.register(self._connection)
        return self._connection

    def _ensure_partitions(self, connection: psycopg.Connection, days: set[date]) -> None:
        """Daily partitions are made apart from the slice: their lock on the table must not wait for its commit."""
        missing = days - self._partitions_made
        if missing:
            connection.execute("select clickstream.ensure_event_partitions(%s::date[])", [sorted(missing)])
            self._partitions_made |= missing

    def close(self) -> None:
        """Give the connection back; the next slice makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _say(state: RetryCallState) -> None:
    """Why a slice is tried again; not PostgreSQL's detail, which quotes the event's id."""
    error = state.outcome.exception() if state.outcome else None
    said = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    log.warning("a slice is tried again: %s: %s", type(error).__name__, said or error)
