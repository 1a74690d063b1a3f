"""The commands `generate` and `replay` as a user calls them."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from clickstream.cli import app
from clickstream.settings import Settings, settings
from kafka_topic import records
from local.server import free_port

DATA = Path(os.environ.get("CLICKSTREAM_TEST_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))


@pytest.fixture
def broker(platform: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CLICKSTREAM_USER_HASH_KEY", "key" * 30)
    return platform.kafka_bootstrap


def run(*arguments: str) -> Result:
    settings.cache_clear()
    return CliRunner().invoke(app, list(arguments))


def values(broker: str, topic: str) -> list[tuple[bytes | None, bytes, object]]:
    """(key, value, headers) of every record."""
    return [(record.key, record.value, record.headers) for record in records(broker, topic)]


def test_replaying_the_real_log_twice_sends_the_same_records(broker: str, topic: str, tmp_path: Path) -> None:
    source = DATA / "semicomplete-access.log.gz"
    if not source.exists():
        pytest.fail(f"{source} is not there: set CLICKSTREAM_TEST_DATA to the directory of the shared data")
    log = tmp_path / source.name
    log.write_bytes(source.read_bytes())
    first = run("replay", str(log))
    assert first.exit_code == 0, first.output
    assert "read 10,000, sent 9,999, refused 1" in first.output
    once = values(broker, topic)
    assert len(once) == len({value for _, value, _ in once}) == 9_999
    assert all(headers == [("source", b"replay")] for *_, headers in once)
    number, reason, line = (tmp_path / f"{log.name}.rejected").read_text().rstrip("\n").split("\t")
    assert (number, reason) == ("8899", "a quoted field does not end; is the line cut off?")
    assert line.startswith("[address] - - [20/May/2015:12:05:17 +0000]")
    assert run("replay", str(log)).exit_code == 0
    assert sorted(values(broker, topic), key=str) == sorted(once * 2, key=str)


def test_replay_without_a_key_sends_nothing(broker: str, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_USER_HASH_KEY", "")
    result = run("replay", __file__)
    assert result.exit_code == 1
    assert "CLICKSTREAM_USER_HASH_KEY is empty" in result.output
    assert values(broker, topic) == []


def test_replay_sends_nothing_when_it_cannot_know_who_was_erased(
    broker: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLICKSTREAM_POSTGRES_WRITER", f"host=127.0.0.1 port={free_port()} dbname=none")
    result = run("replay", __file__)
    assert result.exit_code == 1
    assert "cannot ask PostgreSQL who was erased, so nothing is sent" in result.output
    assert values(broker, topic) == []


def test_generate_makes_history(broker: str, topic: str) -> None:
    window = ("generate", "--from", "2026-11-19T09:00Z", "--to", "2026-11-19T09:02", "--rate", "20", "--seed", "7")
    result = run(*window)
    assert result.exit_code == 0, result.output
    found = values(broker, topic)
    assert f"{len(found):,} sent" in result.output
    assert all(headers == [("source", b"backfill")] for *_, headers in found)
    assert run(*window).exit_code == 0
    assert sorted(values(broker, topic), key=str) == sorted(found * 2, key=str)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("generate", "--from", "yesterday", "--to", "2026-01-01"), 2, "'yesterday' is no time"),
        (("generate", "--from", "2026-01-02", "--to", "2026-01-01"), 2, "the end is not after the beginning"),
        (("generate", "--from", "2026-01-01", "--to", "2996-01-01"), 2, "lies in the future"),
        (("generate", "--from", "2026-01-01", "--to", "2026-01-02", "--rate", "0"), 2, "rate: Input should be greater"),
        (("replay", "/nowhere/access.log"), 1, "cannot read /nowhere/access.log"),
        (("replay", "--site", "example.org", __file__), 2, "is not like https://example.org"),
    ],
)
def test_wrong_input_is_told_plainly(arguments: tuple[str, ...], code: int, told: str) -> None:
    result = run(*arguments)
    assert result.exit_code == code
    assert told in result.output


@pytest.mark.parametrize("command", ["generate", "replay"])
def test_help_has_examples(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"clickstream {command}" in result.output and "Examples:" in result.output
