"""A declared funnel as bound parameters: marks, kinds and rules."""

import json
import re
from pathlib import Path

import pytest
import yaml

from clickstream.funnels.compile import INDEXED, parameters
from clickstream.funnels.config import load_funnels

CONSIDERED = 1 << 30
SQL = Path(__file__).parents[3] / "sql"


def bound(tmp_path: Path, **fields: object) -> dict[str, object]:
    file = tmp_path / "funnels.yaml"
    file.write_text(
        yaml.safe_dump({"f": {"scope": "user", "window": "1 day", "steps": ["a", "b"], **fields}}, sort_keys=False)
    )
    return parameters("f", load_funnels(file)["f"])


def test_types_alone_need_no_rule(tmp_path: Path) -> None:
    given = bound(tmp_path, steps=["a", {"event": ["b", "a"]}], exclusions=["x"])
    assert given["types"] == ["a", "b", "x"]
    assert json.loads(str(given["kinds"])) == [
        {"event_type": "a", "marks": 0b11, "asks": False},
        {"event_type": "b", "marks": 0b10, "asks": False},
        {"event_type": "x", "marks": 1 << 15, "asks": False},
        {"event_type": None, "marks": 0, "asks": False},
    ]
    assert given["rules"] == "[]"


def test_strict_reads_every_type_unless_told(tmp_path: Path) -> None:
    assert bound(tmp_path, order="strict")["types"] is None
    given = bound(tmp_path, order="strict", considers=["a", "b", "y"], exclusions=["x"])
    assert given["types"] == ["a", "b", "x", "y"]
    marks = {kind["event_type"]: kind["marks"] for kind in json.loads(str(given["kinds"]))}
    assert marks == {"a": CONSIDERED | 1, "b": CONSIDERED | 2, "y": CONSIDERED, "x": 1 << 15, None: 0}


@pytest.mark.parametrize("file", ["schema/0014.declared_funnels.sql", "models/funnel_users/query.sql"])
def test_the_index_and_who_uses_it_name_the_same_types(file: str) -> None:
    lists = re.findall(r"event_type in \(([^)]*)\)", (SQL / file).read_text())
    assert lists
    assert all(set(re.findall(r"'(\w+)'", types)) == INDEXED for types in lists)


def test_only_funnels_of_indexed_types_use_the_index(tmp_path: Path) -> None:
    for steps, considers, in_index in (
        (["search", "login"], None, True),
        (["search", "click"], None, False),
        (["search", {"page": "/a"}], None, False),
        (["search", "login"], ["search", "login"], True),
        (["search", "login"], ["search", "login", "scroll"], False),
    ):
        order = {"order": "strict", "considers": considers} if considers else {}
        assert bound(tmp_path, steps=steps, **order)["in_index"] == in_index
    assert bound(tmp_path, steps=["search", "login"], order="strict")["in_index"] is False


def test_exclusions_mark_the_gaps_that_they_spoil(tmp_path: Path) -> None:
    given = bound(tmp_path, steps=list("abcd"), exclusions=["x", {"event": "y", "between": [2, 3]}])
    marks = {kind["event_type"]: kind["marks"] >> 15 for kind in json.loads(str(given["kinds"]))}
    assert (marks["x"], marks["y"]) == (0b111, 0b010)


@pytest.mark.parametrize(
    ("pattern", "regex"),
    [
        ("/a.b/*", r"^\/a\.b\/.*$"),
        ({"glob": "/?"}, r"^\/.$"),
        ({"regex": r"/p/\d+|/q"}, r"^(?:/p/\d+|/q)$"),
        ("/été*", r"^\/été.*$"),
    ],
)
def test_patterns_fit_the_whole_text(tmp_path: Path, pattern: object, regex: str) -> None:
    [rule] = json.loads(str(bound(tmp_path, steps=["a", {"page": pattern}])["rules"]))
    assert rule == {"marks": 2, "types": None, "page": regex, "url": None, "conditions": []}


def test_conditions_keep_names_and_values_apart_from_sql(tmp_path: Path) -> None:
    wanted = {"it's": "1; drop", "n": {">": 1, "<": 3}, "k": {"in": ["x", 7]}, "e": {"exists": False}}
    [rule] = json.loads(str(bound(tmp_path, steps=["a", {"event": "b", "properties": wanted}])["rules"]))
    assert rule["conditions"] == [
        {"name": "it's", "test": "equals", "value": "1; drop"},
        {"name": "n", "test": ">", "value": 1.0},
        {"name": "n", "test": "<", "value": 3.0},
        {"name": "k", "test": "in", "value": ["x", 7]},
        {"name": "e", "test": "exists", "value": False},
    ]


def test_window_and_attribution(tmp_path: Path) -> None:
    assert [bound(tmp_path)[name] for name in ("within", "same_day")] == ["86400 seconds", False]
    assert [bound(tmp_path, window="same day")[name] for name in ("within", "same_day")] == [None, True]
    given = bound(tmp_path, breakdown=["device"], attribution=2)
    assert [given[name] for name in ("breakdown", "attribution", "attribution_step")] == [["device"], "step", 2]
