"""NAB's scoring rules on cases small enough for a pencil, and its folder format."""

import json
import math
from pathlib import Path

import pytest

from clickstream.anomalies.nab import LABELS, NabError, Tally, probation, read_folder, scaled_sigmoid, tally, total

LEFT_EDGE = 2 / (1 + math.exp(-5)) - 1


def flags(rows: int, *at: int) -> list[bool]:
    """No detection but at these rows."""
    return [row in at for row in range(rows)]


@pytest.mark.parametrize(
    ("position", "worth"),
    # The figures of the comment in NAB's own scorer.
    [(-1.0, 0.98661), (-0.5, 0.84828), (0.0, 0.0), (1.0, -0.98661), (3.0, -1.0), (7.0, -1.0)],
)
def test_a_detection_is_worth_less_the_later_it_comes(position: float, worth: float) -> None:
    assert scaled_sigmoid(position) == pytest.approx(worth, abs=5e-6)


@pytest.mark.parametrize(
    ("rows", "first"), [(0, 0), (6, 0), (7, 1), (100, 15), (4_032, 604), (5_000, 750), (22_695, 750)]
)
def test_probation_is_fifteen_percent_and_750_rows_at_most(rows: int, first: int) -> None:
    assert probation(rows) == first


def test_nothing_detected_is_zero() -> None:
    found = tally(flags(100), [(40, 49), (80, 89)])

    assert found == Tally(1, 2, 0, 0, -2.0, -2.0, 2.0)
    assert found.score == 0.0


def test_the_first_row_of_each_window_is_a_hundred() -> None:
    assert tally(flags(100, 40, 80), [(40, 49), (80, 89)]).score == pytest.approx(100.0)


def test_only_the_earliest_detection_of_a_window_counts() -> None:
    # Row 45 of 40..49: -(49 - 45 + 1) / 10 = -0.5 of the window is left.
    alone, repeated = tally(flags(100, 45), [(40, 49)]), tally(flags(100, 45, 46, 49), [(40, 49)])

    assert alone == repeated
    assert alone.raw == pytest.approx(0.84828 / 0.98661, abs=1e-5)
    assert alone.score == pytest.approx(100 * (0.85979 + 1) / 2, abs=1e-3)


def test_the_last_row_of_a_window_is_still_worth_a_little() -> None:
    assert tally(flags(100, 49), [(40, 49)]).raw == pytest.approx((2 / (1 + math.exp(-0.5)) - 1) / LEFT_EDGE)


def test_a_false_alarm_costs_in_full_before_any_window_and_far_behind_one() -> None:
    windows = [(40, 49)]

    assert tally(flags(100, 20), windows).raw == pytest.approx(-1 - 0.11)
    assert tally(flags(100, 76), windows).raw == pytest.approx(-1 - 0.11)  # (76 - 49) / 9 = 3 widths


def test_a_false_alarm_close_behind_a_window_costs_less() -> None:
    found = tally(flags(100, 51), [(40, 49)])  # (51 - 49) / (10 - 1)

    assert found.raw == pytest.approx(-1 + 0.11 * (2 / (1 + math.exp(5 * 2 / 9)) - 1))
    assert found.false_alarms == 1


def test_false_alarms_add_up_and_can_go_below_zero() -> None:
    found = tally([True] * 40 + [False] * 60, [(60, 69)])

    assert found.false_alarms == 25  # rows 15 to 39
    assert found.score == pytest.approx(100 * (-0.11 * 25) / 2)


def test_probation_neither_rewards_nor_punishes() -> None:
    assert tally(flags(100, 0, 7, 14), [(40, 49)]).raw == -1.0
    # A window over the edge of probation can be found in its scored part only.
    assert tally(flags(100, 12), [(10, 19)]).found == 0
    assert tally(flags(100, 12, 15), [(10, 19)]).raw == pytest.approx(scaled_sigmoid(-0.5) / LEFT_EDGE)
    # One that ends in it is not asked for.
    assert tally(flags(100), [(5, 9)]) == Tally(1, 0, 0, 0, 0.0, 0.0, 0.0)


def test_scores_are_normalised_over_the_series_given() -> None:
    good, bad = tally(flags(100, 40), [(40, 49)]), tally(flags(100), [(40, 49), (60, 69), (80, 89)])

    assert total([good, bad]).score == pytest.approx(25.0)
    assert total([]).score is None
    assert tally(flags(100, 50), []).score is None


def nab(folder: Path, rows: list[str], labels: object) -> Path:
    """A folder in NAB's format with one series."""
    (folder / "data" / "own").mkdir(parents=True)
    (folder / "labels").mkdir()
    (folder / "data" / "own" / "one.csv").write_text("\n".join(rows) + "\n")
    (folder / LABELS).write_text(json.dumps(labels))
    return folder


HOURS = ["timestamp,value", *(f"2026-01-01 {hour:02}:00:00,{hour}.5" for hour in range(10))]


def test_a_folder_is_read(tmp_path: Path) -> None:
    window = ["2026-01-01 03:00:00.000000", "2026-01-01 05:00:00.000000"]

    (series,) = read_folder(nab(tmp_path, HOURS, {"own/one.csv": [window], "own/absent.csv": []}))

    assert (series.name, series.family, series.windows) == ("own/one.csv", "own", [(3, 5)])
    assert series.values == [hour + 0.5 for hour in range(10)]


@pytest.mark.parametrize(
    ("rows", "labels", "told"),
    [
        (HOURS, {}, "has no entry for own/one.csv"),
        (HOURS, [], "must be an object"),
        (HOURS, {"own/one.csv": [["2027-01-01 00:00:00", "2027-01-02 00:00:00"]]}, "no row of the series lies in"),
        (HOURS, {"own/one.csv": ["2026-01-01"]}, "is not a \\[start, end\\] pair"),
        (["time,value"], {"own/one.csv": []}, "one.csv:1: the header must be timestamp,value"),
        ([*HOURS, "2026-01-02 00:00:00,high"], {"own/one.csv": []}, "one.csv:12: expected a time and a number"),
    ],
)
def test_a_wrong_folder_is_refused_saying_where(tmp_path: Path, rows: list[str], labels: object, told: str) -> None:
    with pytest.raises(NabError, match=told):
        read_folder(nab(tmp_path, rows, labels))


def test_a_byte_order_mark_and_blank_lines_are_no_rows(tmp_path: Path) -> None:
    folder = nab(tmp_path, ["\ufeff" + HOURS[0], HOURS[1], "", "  ", *HOURS[2:], ""], {"own/one.csv": []})
    assert len(read_folder(folder)[0].values) == 10


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("timestamp,value\n2026-01-01 00:00:00,1\n".encode("utf-16"), r"one\.csv is not UTF-8: invalid start byte"),
        (b"timestamp,value\n2026-01-01 00:00:00,\xe9\n", r"one\.csv is not UTF-8: invalid continuation byte, 0xe9"),
        (b"timestamp,value\n2026-01-01 00:00:00," + b"1" * 140_000, r"one\.csv:2: field larger than field limit"),
    ],
)
def test_what_is_no_csv_is_refused_saying_where(tmp_path: Path, content: bytes, told: str) -> None:
    folder = nab(tmp_path, HOURS, {"own/one.csv": []})
    (folder / "data" / "own" / "one.csv").write_bytes(content)
    with pytest.raises(NabError, match=told):
        read_folder(folder)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(NabError, match="is not a folder"):
        read_folder(tmp_path / "absent")
    with pytest.raises(NabError, match=r"combined_windows\.json is missing"):
        read_folder(tmp_path)
    (tmp_path / "labels").mkdir()
    (tmp_path / LABELS).write_text("{}")
    with pytest.raises(NabError, match=r"has no <family>/<series>\.csv"):
        read_folder(tmp_path)
