-- Checks of pages against the stream where nothing came since the run began. Parameters: run_id, interval_end.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
with checks (check_name, severity, passed, observed, expected) as (
    select
        'every viewed page is known',
        'fail',
        count(*) = 0,
        count(*) || ' pages are not',
        '0 pages are not'
    from (
        select distinct viewed.page_path
        from clickstream.quiet_hours as quiet
        inner join clickstream.page_minute as viewed
            on quiet.hour <= viewed.minute and quiet.hour + interval '1 hour' > viewed.minute
        where quiet.run_id = %(run_id)s
        except
        select page_path
        from clickstream.pages
    ) as unknown
)

select
    check_name,
    severity,
    observed,
    expected,
    clickstream.keep_check(
        %(interval_end)s::timestamptz, 'pages: ' || check_name, severity, passed, observed, expected
    ) as passed
from checks;
