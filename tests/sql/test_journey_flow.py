"""The function journey_flow: a range of days as a Sankey chart shows it."""

from datetime import date

import pytest

from sql_warehouse import Event, Warehouse

# Of four sessions two begin at /a and go on to /b or /z, one stays at /a, one comes by /b to /a a day later.
EVENTS = [
    "u pv 05 10:00:00 desktop page=/a",
    "u pv 05 10:01:00 desktop page=/b",
    "v pv 05 10:00:00 desktop page=/a",
    "v pv 05 10:01:00 desktop page=/z",
    "w pv 05 10:00:00 desktop page=/a",
    "x pv 06 10:00:00 desktop page=/b",
    "x pv 06 10:01:00 desktop page=/a",
]


@pytest.fixture
def built(warehouse: Warehouse) -> Warehouse:
    warehouse.store(map(Event.parse, EVENTS))
    warehouse.build()
    return warehouse


def flow(warehouse: Warehouse, arguments: str) -> list[str]:
    """Source node, target node, sessions, share of the step and of all; in the order of the text."""
    rows = warehouse.rows(
        "select source_node, target_node, sessions, share_of_step, share_of_all"
        f" from clickstream.journey_flow({arguments})"
    )
    return sorted(f"{source} > {target}: {count} {step:g} {all_:g}" for source, target, count, step, all_ in rows)


def test_forwards_from_every_start(built: Warehouse) -> None:
    assert flow(built, "'2026-01-05', '2026-01-06'") == [
        "1 /a > 2 (exit): 1 0.25 0.25",
        "1 /a > 2 /b: 1 0.25 0.25",
        "1 /a > 2 /z: 1 0.25 0.25",
        "1 /b > 2 /a: 1 0.25 0.25",
        "2 /a > 3 (exit): 1 0.333333 0.25",
        "2 /b > 3 (exit): 1 0.333333 0.25",
        "2 /z > 3 (exit): 1 0.333333 0.25",
    ]


def test_a_range_of_days_and_a_chosen_start(built: Warehouse) -> None:
    one_day = flow(built, "'2026-01-06', '2026-01-06'")
    assert one_day == ["1 /b > 2 /a: 1 1 1", "2 /a > 3 (exit): 1 1 1"]
    assert flow(built, "'2026-01-05', '2026-01-06', anchor => '/b'") == one_day


def test_backwards_from_an_end(built: Warehouse) -> None:
    assert flow(built, "'2026-01-05', '2026-01-06', 'backward', '/a'") == [
        "-1 (entrance) > 0 /a: 1 0.5 0.5",
        "-1 /b > 0 /a: 1 0.5 0.5",
        "-2 (entrance) > -1 /b: 1 1 0.5",
    ]
    everywhere = flow(built, "'2026-01-05', '2026-01-06', 'backward'")
    assert sum(int(line.split(": ")[1].split()[0]) for line in everywhere if " > 0 " in line) == 4


def test_rare_labels_are_others(built: Warehouse) -> None:
    assert flow(built, "'2026-01-05', '2026-01-06', labels => 1") == [
        "1 (other) > 2 /a: 1 0.25 0.25",
        "1 /a > 2 (exit): 1 0.25 0.25",
        "1 /a > 2 (other): 2 0.5 0.5",
        "2 (other) > 3 (exit): 2 0.666667 0.5",
        "2 /a > 3 (exit): 1 0.333333 0.25",
    ]


def test_links_in_are_links_out_whatever_is_folded(built: Warehouse) -> None:
    for labels in (1, 2, 20):
        rows = built.rows(
            "select source_node, target_node, sessions"
            f" from clickstream.journey_flow('2026-01-05', '2026-01-06', labels => {labels})"
        )
        into: dict[str, int] = {}
        out: dict[str, int] = {}
        for source, target, count in rows:
            out[source] = out.get(source, 0) + count
            if not target.endswith("(exit)"):
                into[target] = into.get(target, 0) + count
        assert into == {node: count for node, count in out.items() if not node.startswith("1 ")}


def test_an_empty_range_has_no_rows(built: Warehouse) -> None:
    assert flow(built, "'2026-01-07', '2026-01-09'") == []
    assert built.rows("select max(day) from clickstream.journey_links") == [(date(2026, 1, 6),)]
