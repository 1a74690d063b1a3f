"""`clickstream sessions`, `journeys` and `validate` over files, as a user calls them."""

import gzip
import json
import random
import uuid
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from builders import encoded, event
from clickstream.cli import app

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def rows(*arguments: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(*arguments, "--json").stdout)
    return found


def spans(*arguments: object) -> list[tuple[str, str, int]]:
    """User, start and number of events of each session."""
    return [(row["user_id"], row["started_at"][:19], row["events"]) for row in rows("sessions", *arguments)]


def view(number: int, seconds: float, path: str, user: str = "ann", **fields: Any) -> dict[str, Any]:
    return event(number, seconds, user, page_url=f"https://shop.example{path}", **fields)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Write events (or raw lines) to a file of the test."""

    def write(*events: dict[str, Any] | bytes, name: str = "events.jsonl") -> Path:
        lines = [item if isinstance(item, bytes) else encoded(item) for item in events]
        path = tmp_path / name
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        return path

    return write


def test_a_session_has_every_field(write: Any) -> None:
    landed = "/?utm_source=newsletter&utm_medium=email&utm_campaign=june"
    sold = {"product_id": "p1", "price": 19.99, "quantity": 2, "order_id": "o1"}
    events = [
        view(1, 0, landed, user_agent=CHROME, session_id="b"),
        view(2, 5, "/search", kind="search", session_id="a"),
        view(3, 5.25, "/search"),
        view(4, 6, "/search/"),
        view(5, 8, "/cart", kind="add_to_cart", properties=sold),
        view(6, 9.5, "/thanks", kind="purchase", properties=sold),
        view(7, 10, "/thanks"),
    ]
    random.Random(1).shuffle(events)
    found = rows("sessions", write(*events))

    assert uuid.UUID(found[0].pop("session_id")).version == 8
    assert found == [
        {
            "user_id": "ann",
            "started_at": "2026-06-01T12:00:00.000Z",
            "ended_at": "2026-06-01T12:00:10.000Z",
            "events": 7,
            "page_views": 4,
            "clicks": 0,
            "scrolls": 0,
            "searches": 1,
            "item_views": 0,
            "cart_adds": 1,
            "cart_removals": 0,
            "checkouts": 0,
            "payment_infos": 0,
            "purchases": 1,
            "sign_ups": 0,
            "logins": 0,
            "revenue": 39.98,
            "entry_page": "/",
            "exit_page": "/thanks",
            "path": ["/", "/search", "/thanks"],
            "engaged": True,
            "bounce": False,
            "converted": True,
            "quarantined": False,
            "bot": None,
            "referrer_medium": "email",
            "device": "desktop",
            "browser": "Chrome",
            "source": "newsletter",
            "medium": "email",
            "campaign": "june",
            "channel": "Email",
            "os": "Windows",
            "browser_version": "131",
            "client_session_min": "a",
            "client_session_max": "b",
            "first_search_at": "2026-06-01T12:00:05.000Z",
            "first_item_view_at": None,
            "first_cart_add_at": "2026-06-01T12:00:08.000Z",
            "first_checkout_at": None,
            "first_payment_info_at": None,
            "first_purchase_at": "2026-06-01T12:00:09.500Z",
            "first_sign_up_at": None,
        }
    ]


def test_a_pause_of_the_gap_stays_and_a_second_more_splits(write: Any) -> None:
    file = write(event(1, 0, "ann"), event(2, 1_800, "ann"), event(3, 0, "bob"), event(4, 1_801, "bob"))

    assert spans(file) == [
        ("ann", "2026-06-01T12:00:00", 2),
        ("bob", "2026-06-01T12:00:00", 1),
        ("bob", "2026-06-01T12:30:01", 1),
    ]
    assert spans("--gap", 1_801, file) == [("ann", "2026-06-01T12:00:00", 2), ("bob", "2026-06-01T12:00:00", 2)]
    assert len(spans("--gap", 1_799, file)) == 4


def test_a_session_is_not_cut_at_midnight(write: Any) -> None:
    eleven_hours = 11 * 3_600 + 59 * 60
    assert spans(write(event(1, eleven_hours), event(2, eleven_hours + 120))) == [("ann", "2026-06-01T23:59:00", 2)]


def test_events_of_one_millisecond_are_ordered_by_id(write: Any) -> None:
    assert rows("sessions", write(view(3, 0, "/c"), view(1, 0, "/a"), view(2, 0, "/b")))[0]["path"] == [
        "/a",
        "/b",
        "/c",
    ]


def test_a_session_without_page_views_has_an_empty_path(write: Any) -> None:
    found = rows("sessions", write(event(1, kind="login")))[0]
    assert (found["path"], found["entry_page"], found["exit_page"], found["logins"]) == ([], None, None, 1)
    assert (found["engaged"], found["bounce"]) == (False, True)


def test_repeats_count_once_and_what_is_refused_is_left_out_and_told(write: Any) -> None:
    first = event(1, 0, properties={"price": 1, "quantity": 2})
    again = {**first, "properties": {"quantity": 2, "price": 1}}  # the same, written otherwise
    file = write(first, again, event(1, 60), b"{", first, event(2, 30))
    result = run("sessions", "--json", file)

    assert [row["events"] for row in json.loads(result.stdout)] == [2]
    told = "6 lines read: 2 accepted, 2 repeated, 2 refused (conflict 1, not_json 1); clickstream validate tells which"
    assert " ".join(result.stderr.split()) == told


def test_validate_says_line_reason_and_detail(write: Any) -> None:
    huge = encoded(event(9, properties={"note": "x" * 5_000_000}))
    file = write(
        event(1),
        {**event(2), "user_id": ""},
        huge,
        event(1, 1),
        event(1),
        b"",
        b" \t\r",
        {**event(3), "event_time": "2099-01-01T00:00:00Z"},
        {**event(4), "event_time": "1999-12-31T23:59:59Z"},
        b"\xff{}",
        event(5),
    )
    found = json.loads(run("validate", "--json", file, code=1).stdout)

    refused = found.pop("refused")
    assert found == {
        "read": 9,
        "accepted": 2,
        "duplicate": 1,
        "rejected": 6,
        "reasons": {"conflict": 1, "contract": 1, "future": 1, "not_json": 1, "too_large": 1, "too_old": 1},
    }
    assert {row.pop("file") for row in refused} == {str(file)}
    assert [(row["line"], row["reason"]) for row in refused] == [
        (2, "contract"), (3, "too_large"), (4, "conflict"), (8, "future"), (9, "too_old"),
        (10, "not_json"),
    ]  # fmt: skip
    assert refused[0]["detail"] == "Expected `str` of length >= 1 - at `$.user_id`"
    assert refused[1]["detail"] == f"{len(huge):,} bytes, at most 65,536"
    assert refused[2]["detail"] == "another event with other content has this event_id - at `$.event_id`"


@pytest.mark.parametrize(("now", "refused"), [("2026-06-01T11:55:00Z", 0), ("2026-06-01T13:54:59+02:00", 1)])
def test_the_future_is_judged_against_a_time_that_can_be_named(write: Any, now: str, refused: int) -> None:
    file = write(event(1))  # at noon

    assert json.loads(run("validate", "--now", now, "--json", file, code=refused).stdout)["rejected"] == refused
    assert len(rows("sessions", "--now", now, file)) == len(rows("journeys", "--now", now, file)) == 1 - refused
    assert "'soon' is no time" in run("validate", "--now", "soon", file, code=2).stderr


def test_a_byte_order_mark_begins_a_file_and_nothing_else(write: Any) -> None:
    mark = b"\xef\xbb\xbf"
    one, other = write(mark + encoded(event(1)), name="one.jsonl"), write(mark, mark + b"{}", name="other.jsonl")

    found = json.loads(run("validate", "--json", one, other, code=1).stdout)

    assert (found["read"], found["accepted"]) == (2, 1)
    assert [(row["file"], row["line"], row["reason"]) for row in found["refused"]] == [(str(other), 2, "not_json")]


def test_validate_is_content_when_every_line_is_accepted_or_repeated(write: Any) -> None:
    file = write(event(1), event(1), event(2, kind="my_own_type"))

    assert run("validate", file).stdout == "3 lines read: 2 accepted, 1 repeated, 0 refused\n"
    assert json.loads(run("validate", "--json", file).stdout) == {
        "read": 3, "accepted": 2, "duplicate": 1, "rejected": 0, "reasons": {}, "refused": [],
    }  # fmt: skip


def test_the_table_of_refused_lines_is_cut_and_harmless(write: Any) -> None:
    file = write({"\x1b[31mred": 1}, b"{", b"[1]")
    found = run("validate", "--limit", 2, file, code=1).stdout

    assert found.splitlines()[0] == "3 lines read: 0 accepted, 0 repeated, 3 refused (contract 2, not_json 1)"
    assert found.splitlines()[-1] == "2 of 3 refused lines; more by --limit, all by --json"
    assert len(found.splitlines()) == 5
    assert "\x1b" not in found


def test_plain_gzip_and_windows_line_ends_are_the_same(write: Any, tmp_path: Path) -> None:
    plain = write(event(1), event(2, 60), event(3, 4_000))
    packed, windows, cut = tmp_path / "packed", tmp_path / "windows.jsonl", tmp_path / "cut.jsonl"
    packed.write_bytes(gzip.compress(plain.read_bytes()[:300]) + gzip.compress(plain.read_bytes()[300:]))
    windows.write_bytes(plain.read_bytes().replace(b"\n", b"\r\n"))
    cut.write_bytes(plain.read_bytes().rstrip(b"\n"))

    expected = [("ann", "2026-06-01T12:00:00", 2), ("ann", "2026-06-01T13:06:40", 1)]
    for file in (plain, packed, windows, cut):
        assert spans(file) == expected
        assert run("validate", file).stdout.startswith("3 lines read: 3 accepted,")


def test_several_files_are_one(write: Any) -> None:
    one, other = write(event(1), b"{", name="one.jsonl"), write(event(2, 60), event(1), b"[]", name="other.jsonl")

    assert spans(one, other) == [("ann", "2026-06-01T12:00:00", 2)]
    found = json.loads(run("validate", "--json", one, write(name="none.jsonl"), other, code=1).stdout)
    assert (found["read"], found["accepted"], found["duplicate"], found["rejected"]) == (5, 2, 1, 2)
    assert [(row["file"], row["line"]) for row in found["refused"]] == [(str(one), 2), (str(other), 3)]


def test_an_empty_file_has_nothing(write: Any) -> None:
    file = write()

    assert rows("sessions", file) == rows("journeys", file) == []
    assert run("validate", file).stdout == "0 lines read: 0 accepted, 0 repeated, 0 refused\n"
    assert run("sessions", file).exit_code == 0


def test_a_file_that_cannot_be_used_is_told_plainly(tmp_path: Path) -> None:
    (tmp_path / "plain.jsonl.gz").write_bytes(encoded(event(1)))
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(encoded(event(1)) * 1_000)[:-20])
    for name, why in {
        "missing.jsonl": "No such file",
        ".": "directory",
        "plain.jsonl.gz": "is not gzip",
        "cut.jsonl.gz": "end-of-stream",
    }.items():
        for command in ("sessions", "journeys", "validate"):
            found = " ".join(run(command, tmp_path / name, code=2).stderr.split())
            assert str(tmp_path / name) in found
            assert why in found


def test_wrong_settings_are_told_plainly(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from clickstream.settings import settings

    monkeypatch.setenv("CLICKSTREAM_SESSION_GAP_SECONDS", "soon")
    settings.cache_clear()
    try:
        assert "session_gap_seconds" in run("sessions", write(event(1)), code=2).stderr
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_journeys_count_people_by_label_and_day(write: Any) -> None:
    day = 86_400
    file = write(
        view(1, 0, "/", "ann"), view(2, 1, "/", "ann"), view(3, 2, "/cart", "ann"), view(4, 3, "/x", "ann"),
        view(5, 0, "/", "bob"), view(6, 5, "/x", "bob"),
        view(7, 0, "/y", "cat"),
        view(8, 0, "/", "crawler", user_agent=GOOGLEBOT),
        view(9, day, "/", "ann"),
    )  # fmt: skip
    first: dict[str, Any] = {"day": "2026-06-01"}
    second: dict[str, Any] = {"day": "2026-06-02"}

    def link(step: int, source: str, target: str, sessions: int, *shares: float) -> dict[str, Any]:
        names = ("share_of_source", "share_of_step", "share_of_all")
        return {"step": step, "source": source, "target": target, "sessions": sessions} | dict(
            zip(names, shares, strict=True)
        )

    assert rows("journeys", file) == [
        link(1, "/y", "(exit)", 1, 1.0, 0.25, 0.25),
        link(1, "Home", "(exit)", 1, 0.333333, 0.25, 0.25),
        link(1, "Home", "/x", 1, 0.333333, 0.25, 0.25),
        link(1, "Home", "Cart", 1, 0.333333, 0.25, 0.25),
        link(2, "/x", "(exit)", 1, 1.0, 0.5, 0.25),
        link(2, "Cart", "/x", 1, 1.0, 0.5, 0.25),
        link(3, "/x", "(exit)", 1, 1.0, 1.0, 0.25),
    ]
    assert rows("journeys", "--by-day", file) == [
        first | link(1, "/y", "(exit)", 1, 1.0, 0.333333, 0.333333),
        first | link(1, "Home", "/x", 1, 0.5, 0.333333, 0.333333),
        first | link(1, "Home", "Cart", 1, 0.5, 0.333333, 0.333333),
        first | link(2, "/x", "(exit)", 1, 1.0, 0.5, 0.333333),
        first | link(2, "Cart", "/x", 1, 1.0, 0.5, 0.333333),
        first | link(3, "/x", "(exit)", 1, 1.0, 1.0, 0.333333),
        second | link(1, "Home", "(exit)", 1, 1.0, 1.0, 1.0),
    ]
    cut = rows("journeys", "--top", 1, "--by-day", file)
    assert [row["source"] for row in cut if row["step"] == 1] == ["(other)", "Home", "Home", "Home"]
    assert run("journeys", file).stdout.split()[:2] == ["step", "source"]
    assert run("journeys", "--by-day", file).stdout.split()[:2] == ["day", "step"]
    assert {row["source"] for row in rows("journeys", "--paths", file)} == {"/", "/cart", "/x", "/y"}


def test_every_label_is_shown_when_asked(write: Any) -> None:
    file = write(*[view(number, 0, f"/page{number}", f"user{number}") for number in range(25)])

    cut = rows("journeys", file)[0]
    assert (cut["source"], cut["sessions"]) == ("(other)", 5)
    assert {row["source"] for row in rows("journeys", "--full", file)} == {f"/page{number}" for number in range(25)}


def test_the_table_shows_the_first_sessions_and_how_many_there_are(write: Any) -> None:
    file = write(*[event(number, 0, f"user{number:02}") for number in range(25)])
    lines = run("sessions", file).stdout.splitlines()

    assert len(lines) == 22
    assert lines[1].split() == [
        "user00", "2026-06-01T12:00:00.000Z", "0", "1", "1", "/", "bounce", "0.00", "Direct", "other",
    ]  # fmt: skip
    assert lines[-1] == "20 of 25 sessions; more by --limit, all by --json"
    assert len(run("sessions", "--limit", 25, file).stdout.splitlines()) == 26
    assert len(rows("sessions", "--limit", 3, file)) == 3


def test_a_paths_immediate_repeats_are_collapsed_and_later_ones_not(write: Any) -> None:
    paths = ["/a", "/a", "/b", "/a", "/a", "/c", "/c"]
    found = rows("sessions", write(*[view(number, number, path) for number, path in enumerate(paths)]))[0]

    assert found["path"] == [path for path, _ in groupby(paths)]
    assert found["page_views"] == 7
