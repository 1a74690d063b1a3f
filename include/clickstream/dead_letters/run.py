"""A replay of dead letters as an operator's run: counts instead of a line a letter."""

from collections import Counter
from contextlib import ExitStack

import psycopg

from clickstream.dead_letters.letters import Filter
from clickstream.dead_letters.mend import Mends
from clickstream.dead_letters.replay import Delivery, mended_letters, replay
from clickstream.dead_letters.store import Store
from clickstream.delivery import ProducerOptions, Sender, ensure_topic
from clickstream.maintenance import noted
from clickstream.settings import Settings
from clickstream.stopping import Stopped, stop_flag


def replay_letters(settings: Settings, wanted: Filter, dry_run: bool) -> dict[str, int]:
    """Send back, as they are, the letters that a filter names and that the contract accepts by now.

    How many were (in a dry run: would be) ``sent``, and how many ``refused`` again, by reason; also in table
    `maintenance_runs`. What Kafka does not take stays unmarked for the next run. Raises Stopped on SIGTERM,
    DeliveryIncomplete, and the servers' errors.
    """
    dsn = settings.postgres_writer.get_secret_value()
    with (
        psycopg.connect(dsn, autocommit=True, connect_timeout=10, keepalives_idle=10) as connection,
        noted(connection, "replay", dry_run) as counts,
    ):
        counts |= _replay(settings, dsn, wanted, dry_run)
    return counts


def _replay(settings: Settings, dsn: str, wanted: Filter, dry_run: bool) -> dict[str, int]:
    counts: Counter[str] = Counter(sent=0)
    with ExitStack() as stack:
        stop = stack.enter_context(stop_flag())
        store = stack.enter_context(Store(dsn))
        pages = mended_letters(store, wanted, None, Mends.parse([], [], []))
        delivery = None
        if not dry_run:
            connection = {"bootstrap.servers": settings.kafka_bootstrap}
            ensure_topic(connection, settings)
            spool = settings.state_dir / "spool"
            sender = stack.enter_context(Sender(connection, settings.topic, spool, ProducerOptions()))
            sender.send_spool(stop)
            delivery = Delivery(sender, store)
        tolerance_ms = settings.future_tolerance_seconds * 1_000
        for outcomes in replay(pages, delivery, tolerance_ms, False, stop, store.oldest_ms()):
            counts.update(f"refused: {o.reason}" if o.state == "refused" else o.state for o in outcomes)
        if stop:
            raise Stopped(stop.signum, "stopped by a signal")
        if delivery is not None:
            delivery.sender.settle(stop)
    return dict(counts)
