"""Anomalies: of metric series as they arrive, and the benchmark that judges the detector."""
