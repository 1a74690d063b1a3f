"""Funnels: their declaration, what the SQL binds for one, alerts on their steps, and runs without a platform."""
