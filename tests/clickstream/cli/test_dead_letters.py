"""`clickstream dead-letters` as a user calls it, against a real PostgreSQL and Kafka."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from typer.testing import CliRunner, Result

from builders import encoded, event, event_id
from clickstream.cli import app
from clickstream.dead_letters.letters import Place
from clickstream.settings import Settings, settings
from kafka_topic import records
from letters import letter, marks, store
from local.server import free_port

GOOD = event(1, properties={"price": 9.5})
HOSTILE = b'{"user_id": "[red]\x1b[2J\xe2\x80\xae"'


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["dead-letters", *arguments], input=stdin)


def sent(platform: Settings) -> list[dict[str, Any]]:
    """The events in the topic, in the order of their ids; each is keyed by its user and marked as a replay."""
    found = records(platform.kafka_bootstrap, platform.topic)
    for record in found:
        assert record.headers == [("source", b"replay")]
        assert record.key == json.loads(record.value)["user_id"].encode()
    return sorted((json.loads(record.value) for record in found), key=lambda document: document["event_id"])


@pytest.fixture
def writer(platform: Settings) -> str:
    """The DSN of a warehouse with five letters: offsets 0 to 4, the first two mendable by user_id."""
    dsn = platform.postgres_writer.get_secret_value()
    store(
        dsn,
        letter(encoded({**GOOD, "user_id": 7}), 0),
        letter(encoded({**event(2), "user_id": None}), 1),
        letter(HOSTILE, 2),
        letter(encoded(event(3)), 3, reason="future"),
        letter(encoded(event(4)), 4, reason="conflict"),
    )
    return dsn


@pytest.mark.usefixtures("writer")
def test_list_shows_the_newest_first_and_nothing_that_a_terminal_obeys() -> None:
    result = run("list")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert [line[0] for line in lines if line and line[0].startswith("events/")] == [
        "events/0/4", "events/0/3", "events/0/2", "events/0/1", "events/0/0",
    ]  # fmt: skip
    assert ["contract", "2", "0", "2026-06-01", "12:00:00.000Z", "2026-06-01", "12:00:01.000Z"] in lines
    assert "[red]\\u001b[2J\\u202e" in result.stdout
    assert all(line.isprintable() for line in result.stdout.splitlines())


@pytest.mark.usefixtures("writer")
def test_list_filters_limits_and_says_what_is_left_out() -> None:
    result = run("list", "--reason", "contract", "--reason", "future", "--limit", "1")
    assert "events/0/3" in result.stdout
    assert "events/0/1" not in result.stdout
    assert "the newest 1 of 3; more by --limit" in result.stdout
    assert run("list", "--since", "2026-06-02").stdout == "no dead letters match\n"
    between = run("list", "--json", "--since", "2026-06-01T14:00:01+02:00", "--until", "2026-06-01T12:00:03Z")
    assert [one["offset"] for one in json.loads(between.stdout)] == [2, 1]
    assert json.loads(run("list", "--json", "--contains", "nowhere").stdout) == []


@pytest.mark.usefixtures("writer")
def test_json_and_export_hold_the_payloads(tmp_path: Path) -> None:
    listed = json.loads(run("list", "--json").stdout)
    assert [one["payload"] for one in listed] == [
        event(4), event(3), HOSTILE.decode(), {**event(2), "user_id": None}, {**GOOD, "user_id": 7},
    ]  # fmt: skip
    file = tmp_path / "letters.jsonl"
    assert run("list", "--export", str(file)).exit_code == 0
    assert [json.loads(line) for line in file.read_text().splitlines()] == listed
    assert file.stat().st_mode & 0o777 == 0o600
    assert run("list", "--export", "-").stdout == file.read_text()


@pytest.mark.usefixtures("writer")
def test_show_prints_all_of_one_letter() -> None:
    shown = run("show", "events/0/0").stdout
    assert "2026-06-01 12:00:00.000Z" in shown
    assert "Expected `str`, got `int` - at `$.user_id`" in shown
    assert json.dumps({**GOOD, "user_id": 7}, indent=2) in shown
    assert run("show", "events/0/2", "--raw").stdout_bytes == HOSTILE
    assert json.loads(run("show", "events/0/2", "--json").stdout)["payload"] == HOSTILE.decode()
    assert all(line.isprintable() for line in run("show", "events/0/2").stdout.splitlines())
    missing = run("show", "events/0/99")
    assert (missing.exit_code, "there is no dead letter at events/0/99" in missing.output) == (1, True)


def test_replay_sends_what_is_mended_and_marks_it(writer: str, platform: Settings) -> None:
    before = marks(writer)
    dry = run("replay", "--set", 'user_id="ann"', "--dry-run")
    assert dry.exit_code == 1
    assert "3 would be sent, 2 refused (conflict 1, not_json 1)" in dry.stdout
    assert (sent(platform), marks(writer)) == ([], before)

    real = run("replay", "--set", 'user_id="ann"')
    assert real.exit_code == 1
    assert "3 sent, 2 refused (conflict 1, not_json 1)" in real.stdout
    assert sent(platform) == [GOOD, event(2), event(3)]
    assert marks(writer) == {0: event_id(1), 1: event_id(2), 3: event_id(3), 2: None, 4: None}

    second = run("replay", "--set", 'user_id="ann"')
    assert "0 sent, 2 refused" in second.stdout
    assert len(sent(platform)) == 3
    again = run("replay", "--set", 'user_id="ann"', "--again", "--reason", "contract")
    assert (again.exit_code, "2 sent, 0 refused" in again.stdout) == (0, True), again.output
    assert sent(platform) == [GOOD, GOOD, event(2), event(2), event(3)]

    conflict = run("replay", "--reason", "conflict", "--unset", "event_id", "--json")
    own = str(Place("events", 0, 4).event_id)
    assert json.loads(conflict.stdout) == {
        "name": "events/0/4", "state": "sent", "event_id": own, "reason": None, "detail": None,
    }  # fmt: skip
    assert conflict.exit_code == 0
    assert {**event(4), "event_id": own} in sent(platform)
    assert "no dead letters to send back" in run("replay", "--reason", "conflict").stdout
    pending = json.loads(run("list", "--pending", "--json").stdout)
    assert [one["offset"] for one in pending] == [2]


def test_an_export_is_edited_and_sent_back(writer: str, platform: Settings, tmp_path: Path) -> None:
    file = tmp_path / "letters.jsonl"
    run("list", "--reason", "contract", "--reason", "not_json", "--export", str(file))
    first, second, third = (json.loads(line) for line in file.read_text().splitlines())
    assert (first["offset"], second["offset"], third["offset"]) == (2, 1, 0)
    first["payload"] = json.dumps(event(9))
    second["payload"]["user_id"] = "bob"
    unknown = {**second, "offset": 99}
    lines = [json.dumps(one) for one in (first, second, third, unknown, first)] + ["", "{", '{"topic": "events"}']
    file.write_text("\n".join(lines) + "\n")
    result = run("replay", "--from", str(file), "--json")
    assert result.exit_code == 1
    outcomes = [(o["name"], o["state"], o["reason"]) for o in map(json.loads, result.stdout.splitlines())]
    assert outcomes == [
        ("events/0/2", "sent", None),
        ("events/0/1", "sent", None),
        ("events/0/0", "refused", "contract"),
        ("events/0/99", "refused", "unknown"),
        ("events/0/2", "refused", "bad_line"),
        ("line 7", "refused", "bad_line"),
        ("line 8", "refused", "bad_line"),
    ]
    assert sent(platform) == [{**event(2), "user_id": "bob"}, event(9)]
    assert marks(writer) == {0: None, 1: event_id(2), 2: event_id(9), 3: None, 4: None}
    piped = run("replay", "--from", "-", stdin=json.dumps(second) + "\n")
    assert (piped.exit_code, "1 skipped (sent back before" in piped.stdout) == (0, True), piped.output
    assert len(sent(platform)) == 2


def test_bytes_that_are_no_text_come_back_as_they_were(platform: Settings) -> None:
    dsn = platform.postgres_writer.get_secret_value()
    value = encoded(GOOD).replace(b"shop.example", b"caf\xe9.example")
    store(dsn, letter(value, 0))
    exported = run("list", "--export", "-").stdout
    assert "payload_base64" in json.loads(exported)
    result = run("replay", "--from", "-", stdin=exported)
    assert (result.exit_code, "1 refused (not_json 1)" in result.stdout) == (1, True), result.output
    mended = json.loads(exported)
    del mended["payload_base64"]
    mended["payload"] = value.decode("latin-1")
    assert run("replay", "--from", "-", stdin=json.dumps(mended)).exit_code == 0
    assert [document["page_url"] for document in sent(platform)] == ["https://café.example/"]


def test_when_kafka_is_away_nothing_is_marked(writer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_KAFKA_BOOTSTRAP", f"127.0.0.1:{free_port()}")
    monkeypatch.setattr("clickstream.delivery._ADMIN_TIMEOUT_S", 1)
    settings.cache_clear()
    result = run("replay", "--reason", "future")
    assert result.exit_code == 1
    assert "Is Kafka up there?" in result.output
    assert set(marks(writer).values()) == {None}


def test_what_kafka_does_not_take_is_spooled_and_not_marked(
    writer: str, platform: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker answers, but refuses every record: each is larger than the topic allows."""
    admin = AdminClient({"bootstrap.servers": platform.kafka_bootstrap})

    def allow(size: str) -> None:
        entry = ConfigEntry("max.message.bytes", size, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, platform.topic, incremental_configs=[entry])
        admin.incremental_alter_configs([resource])[resource].result(30)

    allow("10")
    monkeypatch.setenv("CLICKSTREAM_PRODUCER_COMPRESSION", "none")
    result = run("replay", "--reason", "future")
    assert result.exit_code == 1
    assert "1 spooled" in result.output
    assert set(marks(writer).values()) == {None}
    allow("1000000")
    result = run("replay", "--reason", "future")
    assert result.exit_code == 0, result.output
    assert sent(platform) == [event(3), event(3)]  # of the spool, and anew: the stream counts a duplicate
    assert marks(writer)[3] == event_id(3)


def test_ctrl_c_ends_between_pages_and_a_second_run_sends_the_rest(platform: Settings) -> None:
    """What is marked was sent; what is not marked is sent by the next run."""
    dsn = platform.postgres_writer.get_secret_value()
    count = 6_000  # their outcomes fill the pipe many times: the child waits for this test to read on
    store(dsn, *(letter(encoded(event(n)), n, reason="future") for n in range(count)))
    command = [sys.executable, "-c", "from clickstream.cli import app; app()", "dead-letters", "replay", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    marked = {offset for offset, became in marks(dsn).items() if became}
    found = {document["event_id"] for document in sent(platform)}
    assert 0 < len(marked) < count
    assert {event_id(offset) for offset in marked} <= found
    result = run("replay")
    assert (result.exit_code, f"{count - len(marked):,} sent" in result.stdout) == (0, True), result.output
    assert {document["event_id"] for document in sent(platform)} == {event_id(n) for n in range(count)}
    assert None not in marks(dsn).values()


def test_an_older_schema_is_told(platform: Settings) -> None:
    with psycopg.connect(platform.postgres_owner.get_secret_value()) as connection:
        connection.execute("alter table clickstream.dead_letters drop column replayed_at cascade")
    result = run("list")
    assert (result.exit_code, "clickstream db migrate" in result.output) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("list", "--reason", "bad"), "Invalid value"),
        (("list", "--since", "yesterday"), "'yesterday' is no time"),
        (("list", "--limit", "0"), "Invalid value"),
        (("list", "--json", "--export", "-"), "leave --json out"),
        (("show", "events"), "is no place"),
        (("replay", "--set", "user_id=ann"), "text needs quotes"),
        (("replay", "--from", "/nowhere"), "No such file or directory"),
        (("replay", "--from", __file__, "--reason", "future"), "no filters or changes beside it"),
        (("replay", "--from", __file__, "--unset", "a"), "no filters or changes beside it"),
    ],
)
def test_wrong_usage_is_told_plainly(arguments: tuple[str, ...], told: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert told in " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize("command", ["list", "show", "replay"])
def test_help_has_examples(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"clickstream dead-letters {command}" in " ".join(result.output.split())
