"""What was injected into a window, so that detection can be scored: JSON lines, one file a window.

Lines by ``record``: ``window`` (options and bounds, first), ``anomaly`` (metric, kind, start, end, size),
``bot`` (user_id, kind), ``duplicates`` (minute, count), ``malformed`` (minute, kind, count). Times are RFC 3339.
"""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from clickstream.generator.options import GeneratorOptions
from clickstream.generator.records import Batch
from clickstream.generator.schedule import incidents


class Ledger:
    """Gathers what the batches of one window carry; a re-run of the window gathers the same."""

    def __init__(self, options: GeneratorOptions, start: datetime, end: datetime) -> None:
        self.options, self.start, self.end = options, start.astimezone(UTC), end.astimezone(UTC)
        self.records = 0
        self.duplicates: Counter[int] = Counter()
        self.malformed: Counter[tuple[int, str]] = Counter()
        self.bots: dict[str, str] = {}

    def add(self, batch: Batch) -> None:
        self.records += len(batch)
        self.duplicates.update(batch.duplicates)
        self.malformed.update(batch.malformed)
        self.bots.update(batch.bots)

    def lines(self) -> list[dict[str, Any]]:
        """The ledger's lines in a fixed order."""
        bounds = (int(self.start.timestamp() * 1_000), int(self.end.timestamp() * 1_000))
        window = {"record": "window", "start": self.start, "end": self.end, "records": self.records}
        return [
            window | {"options": self.options.model_dump()},
            *(
                {"record": "anomaly", "metric": incident.kind.metric, "kind": incident.kind.name}
                | {"start": _time(incident.start_ms), "end": _time(incident.end_ms), "size": round(incident.size, 4)}
                for incident in incidents(self.options, *bounds)
            ),
            *({"record": "bot", "user_id": user, "kind": kind} for user, kind in sorted(self.bots.items())),
            *(
                {"record": "duplicates", "minute": _time(minute), "count": count}
                for minute, count in sorted(self.duplicates.items())
            ),
            *(
                {"record": "malformed", "minute": _time(minute), "kind": kind, "count": count}
                for (minute, kind), count in sorted(self.malformed.items())
            ),
        ]

    def write(self, directory: Path) -> Path:
        """Write the ledger of the window, replacing an earlier one at once; the file's path."""
        directory.mkdir(parents=True, exist_ok=True)
        name = f"{self.start:%Y%m%dT%H%M%S.%fZ}_{self.end:%Y%m%dT%H%M%S.%fZ}_seed{self.options.seed}.jsonl"
        path = directory / name.replace(".000000Z", "Z")
        partial = path.with_suffix(".part")
        partial.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in self.lines()))
        partial.replace(path)
        return path


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1_000, UTC)
