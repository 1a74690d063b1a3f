"""A frame of `clickstream top`, from the parts of a snapshot (live_page.snapshot)."""

from datetime import UTC, datetime
from typing import Any

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_OLD_SECONDS = 10  # published every second
_BARS = "▁▂▃▄▅▆▇█"
_ANOMALIES = 5
_STEPS = (
    ("sessions", ""),
    ("views", "view_rate"),
    ("carts", "cart_rate"),
    ("checkouts", "checkout_rate"),
    ("purchases", "purchase_rate"),
)


def frame(parts: dict[str, Any]) -> RenderableType:
    """One frame; what is away says so in its place."""
    live, warehouse = parts["live"], parts["warehouse"]
    title = Text.assemble(("clickstream", "bold"), f"  {parts['at']:%Y-%m-%d %H:%M:%S} UTC   ", ("q ends", "dim"))
    if "error" in live:
        away = Text(f"Redis is away: {live['error']}", "red")
        return Group(title, away, Text("clickstream doctor says what helps", "dim"), _stream(warehouse))
    if live["as_of"] is None:
        silent = Text("nobody publishes: nothing within the last 60 s", "red")
        return Group(title, silent, Text("clickstream doctor says why", "dim"), _stream(warehouse))
    boxes = [
        _box("flow", _flow(live["performance"], live["lag"])),
        _box("last batch, ms", _stages(live["stages"])),
        _box("people", _people(live["active_users"], live["conversion"])),
    ]
    return Group(
        title,
        _age(live["as_of"], parts["at"]),
        _stream(warehouse),
        Columns(boxes),
        _box("the last hour, a minute each", _lines(live["series"])),
        _box("the last anomalies", _anomalies(live["anomalies"])),
    )


def _box(title: str, inside: RenderableType) -> Panel:
    return Panel(inside, title=title, title_align="left", expand=False, border_style="dim")


def _age(as_of: str, now: datetime) -> Text:
    age = (now - datetime.fromisoformat(as_of)).total_seconds()
    return Text(f"figures are {max(age, 0):.1f} s old", "red" if age > _OLD_SECONDS else "dim")


def _stream(warehouse: dict[str, Any]) -> Text:
    """Who streams, by PostgreSQL's word."""
    if "error" in warehouse:
        return Text(f"PostgreSQL is away: {warehouse['error']}", "red")
    if warehouse["state"] is None:
        return Text("no driver has taken the lease yet", "red")
    silence = warehouse["state"]["heartbeat_seconds"]
    return Text(
        f"driver of epoch {warehouse['state']['epoch']}, heartbeat {max(silence, 0):.1f} s ago",
        "red" if silence > _OLD_SECONDS else "dim",
    )


def _flow(performance: dict[str, str], lag: dict[str, str]) -> Table:
    table = _figures()
    for name, label in (
        ("events_per_second", "events in, /s"),
        ("stored_per_second", "stored, /s"),
        ("lag_events", "records that wait"),
    ):
        table.add_row(label, _number(performance.get(name)))
    for partition, waiting in sorted(lag.items(), key=lambda item: int(item[0])):
        table.add_row(f"  partition {partition}", _number(waiting))
    for share in ("p50", "p95", "p99"):
        table.add_row(f"latency {share}, ms", _number(performance.get(f"latency_{share}_ms")))
    table.add_row("page load p75, ms", _number(performance.get("page_load_p75_ms")))
    return table


def _stages(stages: dict[str, str]) -> Table:
    """Longest first, with bars against the longest."""
    table = _figures()
    table.add_column()
    longest = max(map(float, stages.values()), default=0.0) or 1.0
    for stage, ms in sorted(stages.items(), key=lambda item: -float(item[1])):
        table.add_row(stage, _number(ms), Text("█" * round(12 * float(ms) / longest), "cyan"))
    return table


def _people(active: dict[str, str], conversion: dict[str, str]) -> Table:
    table = _figures()
    table.add_column(justify="right")
    table.add_row("active, 5 min", _number(active.get("5m")), "")
    table.add_row("active, 30 min", _number(active.get("30m")), "")
    for step, rate in _STEPS:
        table.add_row(f"{step}, 1 h", _number(conversion.get(step)), _share(conversion.get(rate)) if rate else "")
    table.add_row("conversion, 1 h", _share(conversion.get("conversion_rate")), "")
    table.add_row("revenue, 1 h", _number(conversion.get("revenue")), "")
    return table


def _lines(series: list[dict[str, Any]]) -> Table:
    table = _figures()
    table.add_column(no_wrap=True)
    for name, label in (("events", "events"), ("active_users", "active users"), ("revenue", "revenue")):
        values = [float(minute[name]) for minute in series]
        table.add_row(label, _number(values[-1] if values else None), Text(spark_line(values), "cyan"))
    return table


def spark_line(values: list[float]) -> str:
    """One character a value, from zero to the greatest."""
    greatest = max(values, default=0.0) or 1.0
    return "".join(_BARS[round((len(_BARS) - 1) * max(value, 0.0) / greatest)] for value in values)


def _anomalies(anomalies: list[dict[str, Any]]) -> RenderableType:
    if not anomalies:
        return Text("none within 24 hours", "dim")
    table = _figures()
    table.add_column(overflow="fold")
    for one in anomalies[:_ANOMALIES]:
        minute = datetime.fromisoformat(one["minute"]).astimezone(UTC)
        table.add_row(f"{minute:%H:%M} {escape(one['metric'])}", _number(one["value"]), escape(one["reason"]))
    return table


def _figures() -> Table:
    """A name and a figure."""
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    return table


def _number(value: str | float | None) -> str:
    if value is None:
        return "-"
    figure = float(value)
    return f"{figure:,.0f}" if figure.is_integer() or abs(figure) >= 100 else f"{figure:,.1f}"


def _share(value: str | None) -> str:
    return "-" if value is None else f"{float(value):.1%}"
