"""Alerts on funnel steps: a rate that falls out of its expected band becomes an anomaly, and a webhook hears of it."""

import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
from psycopg.types.json import Jsonb
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from clickstream.anomalies.detector import Detector, Verdict
from clickstream.funnels.config import Alert, Funnel, Step, load_funnels, seconds
from clickstream.settings import settings
from clickstream.warehouse.frames import statement

log = logging.getLogger(__name__)

_PERIODS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
_FIRST_LOOK = timedelta(days=90)  # how far back a new rule learns
_ANSWER_SECONDS = 10
_TRIES = 4


class WebhookError(RuntimeError):
    """A webhook that did not take an alert; it is kept and sent again by the next call of `deliver`."""


def run() -> None:
    """The task `funnel_alerts` of clickstream_models: judge, then deliver. Raises WebhookError, psycopg's errors."""
    with psycopg.connect(settings().postgres_writer.get_secret_value(), autocommit=True) as connection:
        for line in judge(connection, load_funnels(), datetime.now(UTC)):
            log.warning("%s", line)
        log.info("%d alerts delivered", deliver(connection))


def judge(connection: psycopg.Connection[Any], funnels: Mapping[str, Funnel], now: datetime) -> list[str]:
    """Judge every step with an alert for the periods that are settled at `now`, each period once.

    Writes `anomalies`, and `funnel_alerts` where a webhook is declared; one transaction a rule. Returns a line for each
    alert raised.
    """
    raised = []
    for name, funnel in funnels.items():
        for number, step in enumerate(funnel.all_steps(), 1):
            if step.alert:
                with connection.transaction():
                    raised += _judge_step(connection, name, number, step, step.alert, now)
    return raised


def deliver(connection: psycopg.Connection[Any], environment: Mapping[str, str] = os.environ, wait: float = 1) -> int:
    """POST each alert that is not delivered as JSON to its webhook, at least once each; the number delivered.

    An address is the value of the environment variable that the declaration names; `wait`: seconds before the second
    try, doubled each time. Raises WebhookError after all were tried, naming those that were not taken.
    """
    waiting = connection.execute(
        "select metric, period, webhook, message from clickstream.funnel_alerts"
        " where delivered_at is null order by period, metric"
    ).fetchall()
    failed = []
    for metric, period, webhook, message in waiting:
        try:
            _post(environment, webhook, message, wait)
        except (httpx.HTTPError, httpx.InvalidURL, WebhookError) as error:
            failed.append(f"{metric} of {period:%Y-%m-%d %H:%M}: {webhook}: {error}")
            continue
        with connection.transaction():
            connection.execute(
                "update clickstream.funnel_alerts set delivered_at = now() where metric = %s and period = %s",
                [metric, period],
            )
    if failed:
        raise WebhookError("; ".join(failed))
    return len(waiting)


def _judge_step(
    connection: psycopg.Connection[Any], funnel: str, number: int, step: Step, alert: Alert, now: datetime
) -> list[str]:
    metric = f"funnel {funnel}: step {number} {step.title} of {alert.of} by {alert.per}"
    connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [metric])
    length, within = _PERIODS[alert.per], timedelta(seconds=seconds(alert.within))
    until = _floor(now - within, length)
    known = connection.execute(
        "select judged_until, detector from clickstream.funnel_alert_state where metric = %s", [metric]
    ).fetchone()
    since, detector = (known[0], Detector.from_state(known[1])) if known else (until - _FIRST_LOOK, Detector())
    if since >= until:
        return []
    rates = connection.execute(
        statement("funnels/rates.sql"),
        {
            "funnel": funnel, "step": number, "of_first": alert.of == "first", "per": alert.per, "within": within,
            "since": since, "until": until,
        },
    ).fetchall()  # fmt: skip
    raised = []
    for period, could, came in rates:
        rate = came / could if could else 0.0
        verdict = detector.observe(period.astimezone(UTC), rate, count=could, share=True)
        if verdict.alarm and rate < verdict.expected:
            raised.append(_raise(connection, metric, funnel, number, step, alert, period, rate, verdict))
    connection.execute(
        "insert into clickstream.funnel_alert_state (metric, judged_until, detector) values (%s, %s, %s)"
        " on conflict (metric) do update set judged_until = excluded.judged_until, detector = excluded.detector",
        [metric, until, Jsonb(detector.state())],
    )
    return raised


def _raise(
    connection: psycopg.Connection[Any], metric: str, funnel: str, number: int, step: Step, alert: Alert,
    period: datetime, rate: float, verdict: Verdict,
) -> str:  # fmt: skip
    connection.execute(
        "insert into clickstream.anomalies"
        " (metric, minute, value, expected, lower_bound, upper_bound, score, reason)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict (metric, minute) do nothing",
        [metric, period, rate, verdict.expected, verdict.lower, verdict.upper, verdict.score, verdict.reason],
    )
    if alert.webhook:
        message = {
            "kind": "funnel_step", "funnel": funnel, "step": number, "name": step.title, "of": alert.of,
            "per": alert.per, "period": period.astimezone(UTC).isoformat(), "value": rate,
            "expected": verdict.expected, "lower_bound": verdict.lower, "upper_bound": verdict.upper,
            "score": verdict.score, "reason": verdict.reason,
        }  # fmt: skip
        connection.execute(
            "insert into clickstream.funnel_alerts (metric, period, webhook, message) values (%s, %s, %s, %s)"
            " on conflict (metric, period) do nothing",
            [metric, period, alert.webhook, Jsonb(message)],
        )
    return f"{metric}, {period:%Y-%m-%d %H:%M}: {rate:.1%}, expected {verdict.expected:.1%}: {verdict.reason}"


def _post(environment: Mapping[str, str], webhook: str, message: dict[str, Any], wait: float) -> None:
    address = environment.get(webhook)
    if not address:
        raise WebhookError("this environment variable is not set: it holds the webhook's address")
    for attempt in Retrying(
        retry=retry_if_exception_type(httpx.HTTPError),
        wait=wait_exponential(multiplier=wait, max=30),
        stop=stop_after_attempt(_TRIES),
        reraise=True,
    ):
        with attempt:
            httpx.post(address, json=message, timeout=_ANSWER_SECONDS).raise_for_status()


def _floor(time: datetime, length: timedelta) -> datetime:
    """The beginning of the UTC hour or day that a time lies in."""
    start = datetime(2000, 1, 1, tzinfo=UTC)
    return start + (time - start) // length * length
