-- Stop the run when a check of severity `fail` did not pass; name what failed and what is only a warning.
-- Parameters: interval_end (timestamptz). Grain: one row.
-- Usage: the SQLCheckOperator of clickstream_models, whose every value must be true in Python's sense.
select
    bool_and(passed) filter (where severity = 'fail') as passed,
    concat_ws(
        '; ',
        format('%%s checks, %%s failed', count(*), count(*) filter (where not passed)),
        string_agg(format('%%s - %%s: %%s, expected %%s', severity, check_name, observed, expected), '; ')
        filter (where not passed)
    ) as summary
from clickstream.check_results
where interval_end = %(interval_end)s::timestamptz;
