"""The simulated shop into Kafka, window by window: live at the pace of the clock, history as fast as it goes."""

import gc
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import numpy as np

from clickstream.delivery import (
    BACKFILL,
    DeliveryIncomplete,
    KafkaUnavailable,
    ProduceReport,
    ProducerOptions,
    Sender,
    ensure_topic,
)
from clickstream.generator import Batch, GeneratorOptions, generate
from clickstream.generator.ledger import Ledger
from clickstream.settings import settings
from clickstream.stopping import StopFlag, Stopped, stop_flag

__all__ = [
    "DeliveryIncomplete",
    "KafkaUnavailable",
    "ProduceReport",
    "ProducerOptions",
    "Sender",
    "Stopped",
    "ensure_topic",
    "produce_window",
    "run_window",
]

log = logging.getLogger(__name__)
_LOG_EVERY_S = 30
_PACE_S = 0.02  # live records are sent in handfuls of so long

# Called after each batch with how many records it had, and the time (Unix ms) up to which the window is done.
Progress = Callable[[int, int], None]


def run_window(
    config: dict[str, Any],
    start: datetime,
    end: datetime,
    *,
    options: GeneratorOptions | None = None,
    now: Callable[[], float] = time.time,
    progress: Progress | None = None,
) -> ProduceReport:
    """Produce the records sent in [start, end) to the platform's topic, after what earlier runs left in the spool.

    ``config`` is confluent-kafka's, at least ``bootstrap.servers``. A window that is over goes out as fast as it
    can with the header ``source: backfill``; one that is not, at the pace of the clock ``now`` (Unix s).
    Raises DeliveryIncomplete (the rest is spooled), KafkaUnavailable (nothing was sent) or Stopped (by a signal).
    """
    platform, options = settings(), options or GeneratorOptions()
    ensure_topic(config, platform)
    producer_options, spool = ProducerOptions(), platform.state_dir / "spool"
    with stop_flag() as stop, Sender(config, platform.topic, spool, producer_options) as sender:
        sender.send_spool(stop)
        ledger = Ledger(options, start, end)
        live = end.timestamp() > now()
        produce_window(sender, options, ledger, stop, now if live else None, progress)
        if not stop:
            log.info("ledger of what was injected: %s", ledger.write(platform.state_dir / "generator" / "ledger"))
        report = sender.settle(stop)
    log.info("%s to %s: %s", start.isoformat(), end.isoformat(), report)
    return report


def produce_window(
    sender: Sender,
    options: GeneratorOptions,
    ledger: Ledger,
    stop: StopFlag,
    clock: Callable[[], float] | None,
    progress: Progress | None = None,
) -> None:
    """Generate the ledger's window into the sender: paced by ``clock`` (Unix s), or at once when there is none."""
    logged = time.monotonic()
    with _few_collections():
        for batch in generate(options, ledger.start, ledger.end):
            if clock:
                _send_paced(sender, batch, clock, stop)
            else:
                sender.send(zip(batch.keys, batch.values, strict=True), BACKFILL)
            if stop:
                return
            ledger.add(batch)
            if progress:
                progress(len(batch), int(batch.emit_ms[-1]))
            if time.monotonic() - logged > _LOG_EVERY_S:
                logged = time.monotonic()
                log.info("%s", sender.report())


def _send_paced(sender: Sender, batch: Batch, clock: Callable[[], float], stop: StopFlag) -> None:
    """Send each record when its time has come; ends early when asked to stop."""
    done = 0
    while done < len(batch) and not stop:
        due = int(np.searchsorted(batch.emit_ms, int(clock() * 1_000), side="right"))
        if due > done:
            sender.send(zip(batch.keys[done:due], batch.values[done:due], strict=True))
            done = due
            sender.wait(_PACE_S)
        else:
            ahead = batch.emit_ms[done] / 1_000 - clock()
            sender.wait(min(max(ahead, _PACE_S), 0.5))


@contextmanager
def _few_collections() -> Iterator[None]:
    """Millions of short-lived objects, none in cycles: collecting so often would find nothing."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
