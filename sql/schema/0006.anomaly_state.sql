-- How far the metrics of minutes are judged, and what their detectors remember.
-- depends: 0005.sessions_complete
-- Run by: clickstream db migrate (role clickstream_owner).

-- One row a metric, all at the same minute (the last one judged); moves in the transaction of the anomalies found.
create table clickstream.anomaly_state (
    metric text primary key,
    minute timestamptz not null,
    state jsonb not null
);

-- The rejected share asks for the slices of some minutes of Kafka time; slices come nearly in that order.
create index stream_slices_kafka_time on clickstream.stream_slices using brin (first_kafka_time, last_kafka_time) with (
    pages_per_range = 16, autosummarize = on
);
