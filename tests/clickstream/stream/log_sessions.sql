-- Sessions straight from an Apache combined log, without any of our code. Parameter: the file.
with lines as (
    select line
    from read_csv($1, columns = {'line': 'varchar'}, header = false, delim = '\x01', quote = '', escape = '')
),

requests as (
    select
        regexp_extract(line, '^(\S+) \S+ \S+ \[([^\]]+)\] "(.*)" \d+ \S+ "(.*)" "(.*)"$', ['ip', 'at', 'request', 'referrer', 'agent']) as part
    from lines
    where regexp_matches(line, '^(\S+) \S+ \S+ \[([^\]]+)\] "(.*)" \d+ \S+ "(.*)" "(.*)"$')
),

visits as (
    select
        part.ip || ' ' || part.agent as visitor,
        epoch_ms(strptime(part.at, '%d/%b/%Y:%H:%M:%S %z')) as at_ms
    from requests
),

numbered as (
    select
        visitor,
        at_ms,
        sum(starts) over (partition by visitor order by at_ms rows unbounded preceding) as visit
    from (
        select
            visitor,
            at_ms,
            case when at_ms - lag(at_ms) over (partition by visitor order by at_ms) <= 1800000 then 0 else 1 end
                as starts
        from visits
    )
)

select min(at_ms) as started_ms, max(at_ms) as ended_ms, count(*) as events
from numbered
group by visitor, visit
order by started_ms, ended_ms, events
