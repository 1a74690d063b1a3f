"""A shop's export through the stream's fold and the models, against DuckDB over the same events."""

import json
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from shop_export import shop_events
from sql_warehouse import ROOT, Warehouse

DAYS = """
select days.day, days.events, coalesce(begun.sessions, 0), coalesce(begun.users, 0), coalesce(begun.engaged, 0),
       coalesce(begun.converted, 0)
from (select event_time::date as day, count(*) as events from events group by all) as days
left join (
    select started_at::date as day, count(*) as sessions, count(distinct user_id) as users,
           count(*) filter (engaged) as engaged, count(*) filter (converted) as converted
    from visits group by all
) as begun using (day)
order by day
"""
LINKS = """
select started_at::date as day, step, label, next_label, count(*)
from steps join visits using (user_id, visit) where step <= 5 group by all order by all
"""
BACKWARD = """
select last.label, steps.step_back, steps.label_before, steps.label, count(*)
from steps join steps as last using (user_id, visit)
where last.step_back = 1 and steps.step_back <= 5 group by all order by all
"""
RETENTION = """
select first.week, weeks.week, count(*)
from weeks join (select user_id, min(week) as week from weeks group by all) as first using (user_id)
group by all order by all
"""


def test_sessions_links_and_cohorts_equal_duckdbs(warehouse: Warehouse) -> None:
    events = shop_events()
    half = len(events) // 2
    for run, piece in enumerate((events[half:], events[:half])):
        times = [datetime.fromisoformat(event["event_time"]).astimezone(UTC) for event in piece]
        warehouse.apply([json.dumps(event).encode() for event in piece], times)
        warehouse.build(f"run {run}")
    with duckdb.connect() as apart:
        apart.execute("set timezone = 'UTC'")
        fields = ("event_id", "event_type", "event_time", "user_id", "page_url")
        table = pa.table({name: [event[name] for event in events] for name in fields})
        apart.register("given", table)
        apart.execute(
            "create table events as select * replace (event_time::timestamptz::timestamp as event_time) from given"
        )
        apart.execute((ROOT / "tests" / "sql" / "shop_models.sql").read_text())
        days, links, backward, retention = (
            apart.execute(query).fetchall() for query in (DAYS, LINKS, BACKWARD, RETENTION)
        )
    assert sum(day[2] for day in days) == 3_605
    stored = warehouse.rows
    assert (
        stored("select day, events, sessions, users, engaged, converted from clickstream.traffic_daily order by day")
        == days
    )
    assert sorted(stored("select * from clickstream.journey_links where sessions > 0")) == sorted(links)
    for direction, first, expected in (
        ("forward", "(hour at time zone 'UTC')::date", links),
        ("backward", "anchor", backward),
    ):
        flows = stored(
            f"select {first}, step, source, target, sum(sessions)::bigint from clickstream.journey_flows"
            f" where direction = '{direction}' group by 1, 2, 3, 4"
        )
        assert sorted(flows) == sorted(expected), direction
    assert stored("select cohort_week, week, users from clickstream.retention_weekly order by 1, 2") == retention
