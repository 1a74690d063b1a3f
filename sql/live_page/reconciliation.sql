-- What was read, partition by partition, and where it went; as of the last run of clickstream_models.
-- Parameters: none. Grain: one row a partition.
select
    topic,
    partition,
    read,
    accepted,
    duplicate,
    rejected,
    agrees,
    updated_at
from clickstream.reconciliation
order by topic, partition
