"""Funnels as data: a declaration and events in, who got how far out, by the SQL of the models on a real PostgreSQL."""

import json
import re
from datetime import UTC, datetime, timedelta
from itertools import count, groupby, pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from builders import event_id
from clickstream.funnels.config import Funnel, load_funnels
from clickstream.funnels.scratch import Scratch
from sql_warehouse import AGENTS, BOT

CASES = yaml.safe_load(Path(__file__).with_name("funnel_cases.yaml").read_text())
NOUGHT = datetime(2026, 1, 5, 10, tzinfo=UTC)
DEFAULTS = {"scope": "user", "window": "1 hour", "steps": ["a", "b", "c"]}
UNITS = {"": 1, "min": 60, "h": 3_600, "d": 86_400}
EVENT = re.compile(r"(\w+)@([^\s(]+)(?:\(([^)]*)\))?")


def test_there_are_many_and_each_has_its_name() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES) >= 60


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case: dict[str, Any], migrated: str, tmp_path: Path) -> None:
    funnel = declared(case, tmp_path)
    events = tmp_path / "events.jsonl"
    events.write_text("\n".join(map(json.dumps, written(case["events"]))))
    with psycopg.connect(migrated, autocommit=True) as connection:
        scratch = Scratch(connection)
        loaded = scratch.load(events)
        assert (loaded.refused, loaded.duplicates) == ([], 0)
        scratch.build("tried", funnel)
        users, days, whole = scratch.users("tried"), scratch.days("tried"), scratch.over_all_days("tried", funnel)
    assert listed(users) == {user: rows if isinstance(rows, list) else [rows] for user, rows in case["expect"].items()}
    if "steps" in case:
        assert counted(whole) == case["steps"]
    check_counts_are_lists(users, days)


def declared(case: dict[str, Any], folder: Path) -> Funnel:
    file = folder / "funnels.yaml"
    fields = {name: value for name, value in {**DEFAULTS, **case.get("funnel", {})}.items() if value is not None}
    file.write_text(yaml.safe_dump({"tried": fields}))
    return load_funnels(file)["tried"]


def written(events: dict[str, str]) -> list[dict[str, Any]]:
    """The events of a case as the contract has them."""
    numbers = count(1)
    return [
        event(next(numbers), user, kind, seconds(time), keys or "")
        for user, line in events.items()
        for kind, time, keys in EVENT.findall(line)
    ]


def event(number: int, user: str, kind: str, at: float, keys: str) -> dict[str, Any]:
    words: dict[str, Any] = dict(pair.split("=", 1) for pair in keys.split())
    page, device, campaign = (words.pop(name, None) for name in ("page", "device", "campaign"))
    query = f"?utm_source=news&utm_medium=email&utm_campaign={campaign}" if campaign else ""
    return {
        "event_id": event_id(number),
        "event_type": kind,
        "event_time": (NOUGHT + timedelta(milliseconds=round(at * 1_000))).isoformat(timespec="milliseconds"),
        "user_id": user,
        "page_url": f"https://shop.example{page or '/'}{query}",
        "user_agent": BOT if device == "bot" else AGENTS[device or "desktop"],
        "properties": {name: value_of(value) for name, value in words.items()},
    }


def value_of(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def seconds(text: str) -> float:
    parts = (re.fullmatch(r"([\d.]+)(\w*)", part) for part in text.split("+"))
    return sum(float(part[1]) * UNITS[part[2]] for part in parts if part)


def shown(time: datetime) -> str:
    return f"{round((time - NOUGHT).total_seconds(), 3):.10g}"


def listed(users: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The rows of funnel_users as a case writes them."""
    lines: dict[str, list[str]] = {}
    for row in sorted(users, key=lambda row: (row["user_id"], row["entered_at"])):
        entry = "" if row["entered_at"] == row["step_at"][0] else f"entry {shown(row['entered_at'])}; "
        of = " ".join(f"{key}={value}" for key, value in sorted(row["breakdown"].items()))
        assert row["reached"] == len(row["step_at"])
        line = f"{entry}{' '.join(map(shown, row['step_at']))}{' | ' if of else ''}{of}"
        lines.setdefault(row["user_id"], []).append(line)
    return lines


def counted(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Users by step, as a case writes them."""
    parts = groupby(rows, key=lambda row: (row["breakdown"], row["value"]))
    return {
        "(all)" if name == "(all)" else f"{name}={value}": " ".join(str(row["users"]) for row in of)
        for (name, value), of in parts
    }


def check_counts_are_lists(users: list[dict[str, Any]], days: list[dict[str, Any]]) -> None:
    """Each count is the length of its list, and no step has more than the one before."""
    for row in days:
        of = [
            user
            for user in users
            if user["day"] == row["day"]
            and user["reached"] >= row["step"]
            and (row["breakdown"] == "(all)" or user["breakdown"][row["breakdown"]] == row["value"])
        ]
        assert row["users"] == len(of), row
    for before, row in pairwise(days):
        assert row["step"] == 1 or row["users"] <= before["users"]
