"""The funnel from a campaign to a sign-up over simulated days, against DuckDB over the records themselves."""

from datetime import UTC, datetime, timedelta

import duckdb

import independent
from clickstream.funnels.compile import parameters
from clickstream.funnels.config import load_funnels
from clickstream.generator import GeneratorOptions, generate
from sql_warehouse import Warehouse

# For each user and day: the first landing, and of the best start of the day (the earliest with a sign-up, else the
# first of all) its own time and that of its sign-up; in Unix ms.
CAMPAIGN = r"""
with people as (
    from once as e
    anti join (from visits where bot is not null or quarantined) as v
        on e.user_id = v.user_id and e.event_ms between v.started_ms and v.ended_ms
),

starts as (
    select
        user_id,
        event_ms,
        (
            select min(later.event_ms) from people as later
            where
                later.user_id = landing.user_id
                and later.event_type = 'sign_up'
                and later.event_ms between landing.event_ms and landing.event_ms + 86400000
        ) as sign_up_ms
    from people as landing
    where event_type = 'page_view' and regexp_full_match(page_url, '.*[?&]utm_campaign=.+')
)

select
    epoch_ms(event_ms)::date as day,
    user_id,
    min(event_ms),
    coalesce(
        arg_min([event_ms, sign_up_ms], event_ms) filter (sign_up_ms is not null),
        [min(event_ms)]
    ) as step_at
from starts
group by all
order by all
"""
STORED = """
select
    day,
    user_id,
    (1000 * extract(epoch from entered_at))::bigint,
    array(select (1000 * extract(epoch from at))::bigint from unnest(step_at) as at)
from clickstream.funnel_users
order by day, user_id collate "C"
"""


def test_the_campaign_funnel_equals_duckdbs(warehouse: Warehouse) -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    options = GeneratorOptions(rate=0.3, users=2_000, malformed_share=0)
    records = [record for batch in generate(options, start, start + timedelta(days=3)) for record in batch]
    times = [datetime.fromtimestamp(record.emit_ms / 1_000, UTC) for record in records]
    name = "campaign_to_sign_up"
    warehouse.parameters = parameters(name, load_funnels()[name])
    for run, part in enumerate((slice(1, None, 2), slice(0, None, 2))):  # what comes second changes days of the first
        warehouse.apply([record.value for record in records[part]], times[part])
        for path in ("scope/claim.sql", "funnel_users/query.sql", "scope/release.sql"):
            warehouse.run(path, f"run {run}")
    with duckdb.connect() as apart:
        raw = [independent.Raw(record.value, 0, offset, record.emit_ms) for offset, record in enumerate(records)]
        independent.recompute(apart, raw)
        expected = apart.execute(CAMPAIGN).fetchall()
    assert sum(len(step_at) == 2 for *_, step_at in expected) > 10
    assert warehouse.rows(STORED) == expected
