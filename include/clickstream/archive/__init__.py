"""The archive: every record of the topic as it came, in a Delta table from which any day can be recomputed."""
