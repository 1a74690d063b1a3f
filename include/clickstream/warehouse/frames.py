"""Polars frames in and out of PostgreSQL: binary COPY, and SQL kept in files."""

from functools import cache

import pgpq
import polars as pl
import psycopg
from psycopg import sql

from clickstream.settings import settings

_ROWS = 1_000  # what is encoded and sent at once stays in the core's cache


@cache
def statement(path: str) -> str:
    """The text of `sql/<path>`, read once."""
    return (settings().home / "sql" / path).read_text()


def copy_frame(cursor: psycopg.Cursor, table: str, frame: pl.DataFrame, schema: str = "clickstream") -> None:
    """COPY a frame into a table; its column names and types must be the table's own.

    A Binary column of 16 bytes fits uuid, one with a leading 1 byte jsonb; naive Datetime (UTC) timestamptz.
    """
    if frame.is_empty():
        return
    pieces = (piece.to_arrow(compat_level=pl.CompatLevel.oldest()) for piece in frame.iter_slices(_ROWS))
    into = sql.SQL("copy {} ({}) from stdin with (format binary)").format(
        sql.Identifier(schema, table), sql.SQL(", ").join(map(sql.Identifier, frame.columns))
    )
    with cursor.copy(into) as copy:
        for number, piece in enumerate(pieces):
            if number == 0:
                encoder = pgpq.ArrowToPostgresBinaryEncoder(piece.schema)
                copy.write(encoder.write_header())
            for batch in piece.to_batches():
                copy.write(encoder.write_batch(batch))
        copy.write(encoder.finish())


def time_of(milliseconds: str) -> pl.Expr:
    """A column of Unix milliseconds as a timestamp."""
    return pl.col(milliseconds).cast(pl.Datetime("ms"))


def jsonb(column: str) -> pl.Expr:
    """A Binary column of JSON text in jsonb's wire format (version 1)."""
    return (pl.lit(b"\x01") + pl.col(column)).alias(column)
