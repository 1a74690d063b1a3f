"""A real access log, replayed twice into an empty platform, against sessions that DuckDB makes from the log itself."""

import gzip
import os
from pathlib import Path

import duckdb
import psycopg
import pytest
from typer.testing import CliRunner

from clickstream.cli import app
from clickstream.settings import Settings
from waiting import wait_until

from .conftest import ROOT, Stream

DATA = Path(os.environ.get("CLICKSTREAM_TEST_DATA", ROOT.parent / "shared" / "data"))
LOG = DATA / "semicomplete-access.log.gz"
SESSIONS = """
select (extract(epoch from started_at) * 1000)::bigint as started_ms,
       (extract(epoch from ended_at) * 1000)::bigint as ended_ms, events
from sessions order by 1, 2, 3
"""
TOTALS = "select sum(read)::int, sum(accepted)::int, sum(duplicate)::int, sum(rejected)::int from stream_slices"


@pytest.mark.timeout(420)
def test_a_real_log_is_stored_once_and_its_sessions_equal_duckdbs(
    platform: Settings, start_stream: Stream, reader: psycopg.Connection, tmp_path: Path
) -> None:
    assert LOG.exists(), f"{LOG} is missing: set CLICKSTREAM_TEST_DATA to the folder of the tests' data"
    assert platform.topic
    job = start_stream()
    first = CliRunner().invoke(app, ["replay", str(LOG)])
    assert first.exit_code == 0, first.output
    wait_until(lambda: reader.execute(TOTALS).fetchone() == (9_999, 9_999, 0, 0), "9,999 events", alive=job.running)
    stored = reader.execute(SESSIONS).fetchall()
    plain = tmp_path / "access.log"
    plain.write_bytes(gzip.decompress(LOG.read_bytes()))
    with duckdb.connect() as connection:
        sql = Path(__file__).with_name("log_sessions.sql").read_text()
        expected = connection.execute(sql, [str(plain)]).fetchall()
    assert sum(events for _, _, events in expected) == 9_999
    assert stored == expected

    counts = "select sum(events)::int from traffic_minute union all select count(*)::int from events"
    assert reader.execute(counts).fetchall() == [(9_999,), (9_999,)]
    again = CliRunner().invoke(app, ["replay", str(LOG)])
    assert again.exit_code == 0, again.output
    wait_until(
        lambda: reader.execute(TOTALS).fetchone() == (19_998, 9_999, 9_999, 0), "9,999 repeats", alive=job.running
    )
    assert reader.execute(SESSIONS).fetchall() == stored
    assert reader.execute(counts).fetchall() == [(9_999,), (9_999,)]
    # History is old but not late, and no address is stored.
    assert reader.execute("select sum(late)::int, sum(history)::int from stream_slices").fetchone() == (0, 9_999)
    assert reader.execute("select count(*) from events where user_id like '%.%'").fetchone() == (0,)
