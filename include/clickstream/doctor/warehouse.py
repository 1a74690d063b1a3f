"""PostgreSQL: migrations, who streams and how far, and what makes a dashboard slow."""

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from clickstream.doctor.finding import Finding
from clickstream.settings import Settings
from clickstream.warehouse.frames import statement

_CONNECT_SECONDS = 5
_OPTIONS = "-c statement_timeout=5s -c default_transaction_read_only=on"
_SLOW_SECONDS = 1.0
_BLOAT = {"dead": 100_000, "share": 0.3}
_CACHED_SHARE = 0.9
_ENOUGH_PAGES = 1_000_000  # 8 GB read: fewer say nothing about the cache, only that it was cold
_MODELS_SECONDS = 1_200  # they are built every five minutes

Row = dict[str, Any]


@dataclass(frozen=True)
class Warehouse:
    """What PostgreSQL says. `lease` and `models` are None before the first of each; rows are those of sql/doctor."""

    clock_ahead: float
    pending: list[str]
    lease: Row | None
    offsets: list[Row]
    flow: Row
    models: Row | None
    running: list[Row]
    bloat: list[Row]
    cache: Row


def read(settings: Settings) -> Warehouse:
    """Ask as the reader, and as the owner for the migrations. Raises psycopg.Error when it cannot be asked."""
    pending = _pending(settings)
    with _connect(settings.postgres_reader.get_secret_value()) as connection:
        before = time.time()
        clock = connection.execute("select extract(epoch from clock_timestamp())::float8 as now").fetchone()
        between = (before + time.time()) / 2

        def rows(name: str, **values: object) -> list[Row]:
            # A table that a migration has yet to make: `pending` tells.
            with suppress(psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
                return connection.execute(statement(f"doctor/{name}.sql"), values).fetchall()
            return []

        return Warehouse(
            clock_ahead=(clock["now"] if clock else between) - between,
            pending=pending,
            lease=next(iter(rows("lease")), None),
            offsets=rows("offsets", topic=settings.topic),
            flow=next(iter(rows("stream", topic=settings.topic)), {"slices": 0, "delay": None, "delay_before": None}),
            models=next((row for row in rows("models") if row["age"] is not None), None),
            running=rows("running", seconds=_SLOW_SECONDS),
            bloat=rows("bloat", **_BLOAT),
            cache=rows("cache")[0],
        )


def judge(warehouse: Warehouse) -> list[Finding]:
    """The schema and the dashboards; the stream is judged with Kafka's and Redis' word."""
    if warehouse.pending:
        return [
            Finding("postgres", "answers"),
            Finding("migrations", "not applied: " + ", ".join(warehouse.pending), "clickstream db migrate"),
        ]
    dashboards = [*_running(warehouse), *_models(warehouse), *_bloat(warehouse), *_cache(warehouse)]
    return [
        Finding("postgres", "answers"),
        Finding("migrations", "all applied"),
        *(dashboards or [Finding("dashboards", "no slow query, models built, tables lean, cache warm")]),
    ]


def _running(warehouse: Warehouse) -> list[Finding]:
    if not warehouse.running:
        return []
    slowest = warehouse.running[0]
    return [
        Finding(
            "dashboards",
            f"slow: {len(warehouse.running)} queries run, one for {slowest['seconds']:.0f} s (waits for"
            f" {slowest['waits_for']}): {slowest['query']}",
            "narrow the dashboard's time range or refresh it less often"
            if slowest["waits_for"] != "Lock"
            else "a migration or a backfill's swap holds the table: wait for it, or end it in Airflow",
        )
    ]


def _models(warehouse: Warehouse) -> list[Finding]:
    look = "look at the newest run of the DAG clickstream_models in Airflow, or unpause it"
    if warehouse.models is None:
        never = "empty: the models were never built"
        return [Finding("dashboards", never, look)] if warehouse.lease else []
    if warehouse.models["age"] > _MODELS_SECONDS:
        return [Finding("dashboards", f"stale: models built {warehouse.models['age'] / 60:.0f} min ago", look)]
    if failed := warehouse.models["failed"]:
        return [Finding("dashboards", f"checks of the models fail: {', '.join(failed)}", look)]
    return []


def _bloat(warehouse: Warehouse) -> list[Finding]:
    if not warehouse.bloat:
        return []
    tables = ", ".join(f"{row['table_name']} ({row['dead']:,} of {row['live']:,})" for row in warehouse.bloat[:3])
    names = ", ".join(f"clickstream.{row['table_name']}" for row in warehouse.bloat[:3])
    return [
        Finding(
            "dashboards",
            f"slow: dead rows not cleared away in {tables}",
            f"as clickstream_owner: vacuum (analyze) {names}; if they stay, end the transaction that is open for long",
        )
    ]


def _cache(warehouse: Warehouse) -> list[Finding]:
    hit, read = warehouse.cache["hit"], warehouse.cache["read"]
    if read < _ENOUGH_PAGES or hit / (hit + read) >= _CACHED_SHARE:
        return []
    return [
        Finding(
            "dashboards",
            f"slow: only {hit / (hit + read):.0%} of the pages were in PostgreSQL's cache",
            "raise CLICKSTREAM_POSTGRES_SHARED_BUFFERS in .env, then make down and make up",
        )
    ]


def _pending(settings: Settings) -> list[str]:
    """Migrations of sql/schema that were not applied, in order."""
    known = sorted(file.stem for file in (settings.home / "sql" / "schema").glob("*.sql"))
    with _connect(settings.postgres_owner.get_secret_value()) as connection:
        try:
            applied = {row["migration_id"] for row in connection.execute(statement("doctor/migrations.sql"))}
        except psycopg.errors.UndefinedTable:
            return known
    return [name for name in known if name not in applied]


def _connect(dsn: str) -> psycopg.Connection[Row]:
    return psycopg.connect(
        dsn,
        autocommit=True,
        connect_timeout=_CONNECT_SECONDS,
        options=_OPTIONS,
        row_factory=dict_row,
    )
