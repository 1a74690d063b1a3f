"""The page "Clickstream" in Airflow: what flows, how each part is, what was found. Airflow's plugin serves it."""

from clickstream.live_page.app import application

__all__ = ["application"]
