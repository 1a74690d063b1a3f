"""Replaying files: every line is accounted for, and again it is the same."""

import gzip
import json
import os
from pathlib import Path

import pytest

from clickstream.contract import Accepted, decode
from clickstream.replay import Outcome, RejectedFile, ReplayError, Rules, guess_site, opened, outcomes

RULES = Rules("http://semicomplete.com", b"key", 1_800_000_000_000, 300_000)
DATA = Path(os.environ.get("CLICKSTREAM_TEST_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
LINE = b'203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/7.1"\n'
EVENT = {
    "event_id": "00000000-0000-4000-8000-000000000001",
    "event_type": "page_view",
    "event_time": "2024-02-29T12:00:00.500Z",
    "user_id": "u-1",
    "page_url": "https://shop.example.com/",
}


@pytest.fixture
def real_log() -> Path:
    path = DATA / "semicomplete-access.log.gz"
    if not path.exists():
        pytest.fail(f"{path} is not there: set CLICKSTREAM_TEST_DATA to the directory of the shared data")
    return path


def replayed(path: Path, rules: Rules = RULES) -> list[Outcome]:
    with opened(path) as (lines, _):
        return list(outcomes(lines, rules))


def test_the_real_log_is_read_whole_and_one_line_is_refused(real_log: Path) -> None:
    found = replayed(real_log)
    refused = [(outcome.number, outcome.reason) for outcome in found if outcome.reason]
    assert len(found) == 10_000
    assert refused == [(8899, "a quoted field does not end; is the line cut off?")]
    ids = {decode(outcome.value).event.event_id for outcome in found if outcome.value}  # type: ignore[union-attr]
    assert len(ids) == 9_999
    assert {event_id.version for event_id in ids} == {8}
    assert replayed(real_log) == found


def test_no_address_of_the_real_log_is_in_any_output(real_log: Path, tmp_path: Path) -> None:
    addresses = {line.split(b" ", 1)[0] for line in gzip.decompress(real_log.read_bytes()).splitlines()}
    rejected_lines = []
    for outcome in replayed(real_log):
        if outcome.value:
            fields = json.loads(outcome.value)
            # Log lines also name addresses of others, in what was asked for; the visitor's own goes nowhere.
            assert fields["user_id"].encode() not in addresses
            assert set(fields) <= {*EVENT, "referrer", "user_agent", "properties"}
        else:
            rejected_lines.append(outcome)
    with RejectedFile(tmp_path / "x.log", tmp_path) as rejected:
        for outcome in rejected_lines:
            rejected.add(outcome)
    assert not any(address in rejected.path.read_bytes() for address in addresses)


def test_the_site_of_the_real_log_is_found(real_log: Path) -> None:
    with opened(real_log) as (lines, _):
        assert guess_site(lines) in ("http://www.semicomplete.com", "http://semicomplete.com")


def test_equal_lines_are_counted_and_each_kept(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(LINE * 3 + LINE.replace(b"200 12", b"200 13") + LINE.rstrip() + b"\r\n")
    ids = [json.loads(outcome.value or b"{}")["event_id"] for outcome in replayed(path)]
    assert len(set(ids)) == 5
    path.write_bytes(LINE)
    assert json.loads(replayed(path)[0].value or b"{}")["event_id"] == ids[0]


def test_json_lines_keep_their_bytes_and_bad_ones_are_refused(tmp_path: Path) -> None:
    good = json.dumps(EVENT).encode()
    future = json.dumps(EVENT | {"event_time": "2099-01-01T00:00:00Z"}).encode()
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join([good, b'{"event_id":1}', future, b'{"cut', b"\xff\xfe"]) + b"\n"))
    found = replayed(path)
    assert [(o.key, o.value) for o in found] == [(b"u-1", good)] + [(None, None)] * 4
    reasons = [o.reason or "" for o in found]
    assert [reason.split(":")[0] for reason in reasons] == [
        "", "contract", "future", "not_json", "0 quoted fields instead of 3 (request, referrer, agent)",
    ]  # fmt: skip
    assert isinstance(decode(found[0].value), Accepted)


def test_a_cut_gzip_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(LINE * 1_000)[:-20])
    with pytest.raises(ReplayError, match=r"cannot read .*cut\.gz"):
        replayed(path)
    with pytest.raises(ReplayError, match="No such file"):
        replayed(tmp_path / "absent.log")


def test_the_rejected_file_is_of_the_last_replay(tmp_path: Path) -> None:
    source = tmp_path / "access.log"
    with RejectedFile(source, tmp_path / "state") as rejected:
        rejected.add(Outcome(7, "198.51.100.7 broken", None, None, "why"))
    assert rejected.path == tmp_path / "access.log.rejected"
    assert rejected.path.read_text() == "7\twhy\t[address] broken\n"
    with RejectedFile(source, tmp_path / "state") as rejected:
        pass
    assert not rejected.path.exists()
