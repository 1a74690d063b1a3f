"""Is the stream delayed, and why? Judged from what all parts said; a part that is away is None."""

from dataclasses import dataclass

from clickstream.doctor.broker import Broker
from clickstream.doctor.finding import Finding
from clickstream.doctor.live_view import LiveView
from clickstream.doctor.machine import Machine
from clickstream.doctor.warehouse import Warehouse
from clickstream.settings import Settings
from clickstream.warehouse.ledger import LedgerError, check_place

DAG = "clickstream_stream"
_SILENCE_SECONDS = 30.0  # the driver beats every second
_DELAY_SECONDS = 10.0
_GROWTH_SECONDS = 5.0
_SLOW_BATCH_MS = 5_000.0

_STAGES = {
    "read": "Kafka's disk or the network: look at its log (make logs ARGS=kafka)",
    "decode": "cores: stop other work on them, or give the topic more partitions and Spark more cores",
    "deduplicate": "PostgreSQL's disk and cache: raise CLICKSTREAM_POSTGRES_SHARED_BUFFERS in .env",
    "store": "PostgreSQL's disk: put its data on a faster one",
    "sessions": "PostgreSQL and cores: stop other work on them; raise CLICKSTREAM_POSTGRES_SHARED_BUFFERS in .env",
    "counts": "PostgreSQL and cores: stop other work on them",
    "commit": "PostgreSQL's disk is slow to sync, or something else writes to it",
    "spark": "cores: tasks wait for one. Stop other work, or give Spark more of them (connection clickstream_spark)",
    "publish": "the live queries or Redis: vacuum (analyze) clickstream.sessions, and look at Redis' log",
}


@dataclass(frozen=True)
class Scheduled:
    """What Airflow says of the stream's DAG: whether it is paused, and the state of its newest run (None: no run)."""

    paused: bool
    state: str | None


def judge(
    settings: Settings,
    broker: Broker | None,
    warehouse: Warehouse | None,
    live: LiveView | None,
    machine: Machine | None,
    scheduled: Scheduled | None,
) -> list[Finding]:
    """One finding: the first reason that holds, from the outermost in."""
    if warehouse is None:
        return [Finding("stream", "delayed: PostgreSQL is away, nothing can be stored", "mend `postgres` first")]
    if broker is None:
        return [Finding("stream", "delayed: Kafka is away, nothing can be read", "mend `kafka` first")]
    if warehouse.lease is None or warehouse.lease["silence"] >= _SILENCE_SECONDS:
        return [_ledger(broker, warehouse) or _stopped(warehouse, scheduled)]
    return [_delay(settings, broker, warehouse, live, machine)]


def _stopped(warehouse: Warehouse, scheduled: Scheduled | None) -> Finding:
    """Nobody streams."""
    if warehouse.lease is None:
        found = "does not run: no driver has taken the lease yet"
    else:
        found = f"does not run: epoch {warehouse.lease['epoch']} was last heard {warehouse.lease['silence']:,.0f} s ago"
    if scheduled is not None and scheduled.paused:
        return Finding("stream", f"{found}; the DAG {DAG} is paused", f"airflow dags unpause {DAG}")
    state = f"; its newest run is {scheduled.state or 'none'}" if scheduled else ""
    return Finding("stream", found + state, f"open the newest run of the DAG {DAG} in Airflow: the log says why")


def _ledger(broker: Broker, warehouse: Warehouse) -> Finding | None:
    """The ledger does not fit the topic: the driver's own rules, and their own words of what helps."""
    if broker.topic is None:
        return None
    for row in warehouse.offsets:
        try:
            check_place(broker.topic, row["partition"], row["topic_id"], row["next_offset"])
        except LedgerError as error:
            what, _, remedy = str(error).rpartition(". ")
            return Finding("stream", what or remedy, remedy if what else "see docs/operations.md, Lost records")
    return None


def _delay(
    settings: Settings,
    broker: Broker,
    warehouse: Warehouse,
    live: LiveView | None,
    machine: Machine | None,
) -> Finding:
    """A driver is heard: how far behind it is."""
    ends = broker.topic.end if broker.topic else {}
    applied = {row["partition"]: row["next_offset"] for row in warehouse.offsets}
    lag = sum(max(end - applied.get(partition, end), 0) for partition, end in ends.items())
    delay, before = warehouse.flow["delay"], warehouse.flow["delay_before"]
    waiting = f"{lag:,} records wait"
    if lag and not warehouse.flow["slices"]:
        return Finding(
            "stream",
            f"stuck: {waiting}, none stored within a minute, though its driver is heard",
            f"look at the log of the DAG {DAG}; clear its task to start a new driver",
        )
    if delay is None or (delay < _DELAY_SECONDS and (live is None or live.batch_ms < _SLOW_BATCH_MS)):
        told = "nothing stored within 15 s" if delay is None else f"{delay:.1f} s behind"
        return Finding("stream", f"runs, {waiting}, {told}")
    trend = "" if before is None else " and growing" if delay > before + _GROWTH_SECONDS else " and not growing"
    load = f", load {machine.load:.0f} on {machine.cores} cores" if machine else ""
    stage, remedy = _slowest(settings, live)
    return Finding("stream", f"delayed by {delay:,.1f} s{trend}: {waiting}{stage}{load}", remedy)


def _slowest(settings: Settings, live: LiveView | None) -> tuple[str, str]:
    """The stage of the last batch that took longest, and what helps against it."""
    if live is None or not live.stages:
        return "", "Redis knows where the time goes: mend `redis` first"
    stage = max(live.stages, key=live.stages.__getitem__)
    batch = f", the last batch took {live.batch_ms:,.0f} ms, most of it `{stage}` ({live.stages[stage]:,.0f} ms)"
    trigger = settings.stream_trigger_ms
    if max(live.stages[stage], live.batch_ms) < max(trigger, 1):
        return batch, f"batches wait for their trigger: lower CLICKSTREAM_STREAM_TRIGGER_MS ({trigger})"
    return batch, _STAGES.get(stage, "look at the driver's log in Airflow")
