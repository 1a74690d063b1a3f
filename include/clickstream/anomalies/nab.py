"""The Numenta Anomaly Benchmark: its folder format and its published scoring rules, standard profile.

Lavin and Ahmad 2015, "Evaluating Real-time Anomaly Detection Algorithms": the first 15 % of a series (at most 750
rows) are probation; in each labelled window only the earliest detection counts, the earlier the more; a window
without one costs 1; a detection outside costs up to 0.11, less when it follows a window closely.
"""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

TRUE_POSITIVE = 1.0
FALSE_POSITIVE = 0.11
FALSE_NEGATIVE = 1.0
_FAR = 3.0  # window widths behind a window from which a false alarm costs in full
_PROBATION_SHARE = 0.15
_PROBATION_ROWS = 5_000  # rows beyond these lengthen the probation no more: 750 at most
LABELS = Path("labels") / "combined_windows.json"


class NabError(ValueError):
    """A folder that is not in NAB's format; the message says what is wrong, where and how to mend it."""


@dataclass(frozen=True)
class Series:
    """One labelled series. ``times`` and ``values`` have one entry a row; ``windows`` are row numbers, both inclusive.

    ``name`` is the path below data/, as the labels have it; its folder is the family.
    """

    name: str
    times: list[datetime]
    values: list[float]
    windows: list[tuple[int, int]]

    @property
    def family(self) -> str:
        """The folder below data/."""
        return self.name.split("/")[0]


@dataclass(frozen=True)
class Tally:
    """What detections earned: adds up over series. ``perfect`` and ``null`` are what the best and no detector earn."""

    series: int = 0
    windows: int = 0
    found: int = 0
    false_alarms: int = 0
    raw: float = 0.0
    null: float = 0.0
    perfect: float = 0.0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.series + other.series,
            self.windows + other.windows,
            self.found + other.found,
            self.false_alarms + other.false_alarms,
            self.raw + other.raw,
            self.null + other.null,
            self.perfect + other.perfect,
        )

    @property
    def score(self) -> float | None:
        """(raw - null) / (perfect - null) x 100: 0 detects nothing, 100 is perfect; None without any window."""
        if self.perfect == self.null:
            return None
        return 100.0 * (self.raw - self.null) / (self.perfect - self.null)


def scaled_sigmoid(position: float) -> float:
    """What a detection is worth: ``position`` -1 is a window's left edge, 0 its right edge, 1 one width behind it."""
    if position >= _FAR:
        return -1.0
    return 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def probation(rows: int) -> int:
    """How many first rows of a series are neither rewarded nor punished."""
    return min(math.floor(_PROBATION_SHARE * rows), math.floor(_PROBATION_SHARE * _PROBATION_ROWS))


def tally(detected: Sequence[bool] | npt.NDArray[np.bool_], windows: Sequence[tuple[int, int]]) -> Tally:
    """Score one series: ``detected`` has one flag a row; ``windows`` are row numbers, inclusive, apart, in order."""
    rows = len(detected)
    first = probation(rows)
    # A window that ends in probation has no row that can be scored.
    scored = [(start, end) for start, end in windows if end >= first]
    raw, found, false_alarms = 0.0, 0, 0
    inside = np.zeros(rows, dtype=bool)
    flags = np.asarray(detected, dtype=bool)
    for start, end in windows:
        inside[start : end + 1] = True
    for start, end in scored:
        begin = max(start, first)
        hits = np.flatnonzero(flags[begin : end + 1])
        if len(hits):
            position = -(end - (begin + int(hits[0])) + 1) / (end - start + 1)
            raw += TRUE_POSITIVE * scaled_sigmoid(position) / scaled_sigmoid(-1.0)
            found += 1
        else:
            raw -= FALSE_NEGATIVE
    for row in np.flatnonzero(flags & ~inside):
        if row >= first:
            raw += FALSE_POSITIVE * scaled_sigmoid(_behind(int(row), windows))
            false_alarms += 1
    null = -FALSE_NEGATIVE * len(scored)
    return Tally(1, len(scored), found, false_alarms, raw, null, TRUE_POSITIVE * len(scored))


def _behind(row: int, windows: Sequence[tuple[int, int]]) -> float:
    """How many widths of the last window before it a row lies behind that window."""
    before = [(start, end) for start, end in windows if end < row]
    if not before:
        return _FAR
    start, end = before[-1]
    return (row - end) / max(end - start, 1)


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum: scores of families and of all are normalised over the series that are given."""
    return sum(tallies, Tally())


def read_folder(folder: Path) -> list[Series]:
    """Every data/<family>/<file>.csv with its windows, by name. Raises NabError."""
    if not folder.is_dir():
        raise NabError(f"{folder} is not a folder; give one that holds data/ and {LABELS}")
    labels = _labels(folder / LABELS)
    files = sorted((folder / "data").glob("*/*.csv"))
    if not files:
        raise NabError(f"{folder / 'data'} has no <family>/<series>.csv; NAB keeps its series there")
    names = [file.relative_to(folder / "data").as_posix() for file in files]
    unknown = [name for name in names if name not in labels]
    if unknown:
        raise NabError(f"{folder / LABELS} has no entry for {unknown[0]}; add it, [] when nothing is labelled")
    return [_series(file, name, labels[name]) for file, name in zip(files, names, strict=True)]


def _labels(path: Path) -> dict[str, list[Any]]:
    try:
        labels = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NabError(f"{path} is missing; it maps each series to its [start, end] windows") from None
    except (OSError, ValueError) as error:
        raise NabError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(labels, dict) or not all(isinstance(windows, list) for windows in labels.values()):
        raise NabError(f"{path} must be an object of series name to a list of [start, end]")
    return labels


def _series(path: Path, name: str, labelled: list[Any]) -> Series:
    times: list[datetime] = []
    values: list[float] = []
    for line, row in _rows(path):
        try:
            stamp, value = row
            times.append(datetime.fromisoformat(stamp))
            values.append(float(value) if value else math.nan)
        except ValueError:
            raise NabError(f"{path}:{line}: expected a time and a number, found {','.join(row)!r}") from None
    return Series(name, times, values, sorted(_window(name, times, window) for window in labelled))


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header with their lines; blank lines are none."""
    with path.open(newline="", encoding="utf-8-sig") as lines:
        rows = csv.reader(lines)
        try:
            if next(rows, None) != ["timestamp", "value"]:
                raise NabError(f"{path}:1: the header must be timestamp,value")
            yield from ((rows.line_num, row) for row in rows if any(cell.strip() for cell in row))
        except UnicodeDecodeError as error:
            raise NabError(f"{path} is not UTF-8: {error.reason}, {error.object[error.start]:#04x}") from None
        except csv.Error as error:
            raise NabError(f"{path}:{rows.line_num}: {error}") from None


def _window(name: str, times: list[datetime], window: Any) -> tuple[int, int]:
    """A window's first and last row."""
    try:
        start, end = (datetime.fromisoformat(edge) for edge in window)
        inside = [row for row, time in enumerate(times) if start <= time <= end]
    except (TypeError, ValueError):
        raise NabError(
            f"{LABELS}: {name}: {window!r} is not a [start, end] pair of times like those of the series"
        ) from None
    if not inside:
        raise NabError(f"{LABELS}: {name}: no row of the series lies in {window!r}")
    return inside[0], inside[-1]
