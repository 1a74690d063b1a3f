"""The ledger of a window is the same however often the window is made, and says what is in it."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clickstream.generator import GeneratorOptions, generate
from clickstream.generator.ledger import Ledger
from clickstream.generator.schedule import incidents_of_day

OPTIONS = GeneratorOptions(rate=20, seed=9)
DAY = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp()) // 86_400
INCIDENT = incidents_of_day(9, DAY, 3)[0]
START = datetime.fromtimestamp(INCIDENT.start_ms / 1_000, UTC)
END = START + timedelta(minutes=5)


def written(directory: Path) -> Path:
    ledger = Ledger(OPTIONS, START, END)
    for batch in generate(OPTIONS, START, END):
        ledger.add(batch)
    return ledger.write(directory)


def test_a_rerun_writes_the_same_file(tmp_path: Path) -> None:
    first = written(tmp_path)
    content = first.read_bytes()
    assert written(tmp_path) == first
    assert first.read_bytes() == content
    assert list(tmp_path.iterdir()) == [first]
    assert first.name == f"{START:%Y%m%dT%H%M%SZ}_{END:%Y%m%dT%H%M%SZ}_seed9.jsonl"


def test_the_lines_add_up_to_what_was_sent(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in written(tmp_path).read_text().splitlines()]
    batches = list(generate(OPTIONS, START, END))
    sums = Counter({"duplicates": 0, "malformed": 0})
    for line in lines:
        if "count" in line:
            sums[line["record"]] += line["count"]
    assert lines[0]["record"] == "window"
    assert lines[0]["records"] == sum(map(len, batches))
    assert sums["malformed"] == sum(sum(batch.malformed.values()) for batch in batches) > 0
    assert sums["duplicates"] == sum(sum(batch.duplicates.values()) for batch in batches) > 0
    bots = {line["user_id"]: line["kind"] for line in lines if line["record"] == "bot"}
    assert set(bots.values()) == {"declared", "behavioural"}
    assert set(bots) <= {key.decode() for batch in batches for key in batch.keys}
    anomalies = [line for line in lines if line["record"] == "anomaly"]
    assert [(line["metric"], line["kind"]) for line in anomalies] == [(INCIDENT.kind.metric, INCIDENT.kind.name)]
    assert datetime.fromisoformat(anomalies[0]["start"]) == START
