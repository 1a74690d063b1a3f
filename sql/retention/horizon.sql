-- The first UTC date whose events are kept. Parameters: none. Grain: one row, or none when nothing was taken away.
select horizon
from clickstream.retention
