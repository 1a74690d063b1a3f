"""The streaming job: `worker` is what happens to a partition slice, `driver` what happens around it."""
