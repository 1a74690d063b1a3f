"""Gunicorn settings: ``gunicorn --config python:clickstream_superset.web --bind ADDRESS "superset.app:create_app()"``.

One process with threads: a second worker costs another 300 MB, and chart queries wait on PostgreSQL and Redis,
not on Python. Without preload the supervising process stays small.
"""

workers = 1
worker_class = "gthread"
threads = 8
timeout = 120  # the first request after a start loads what Superset imports lazily
graceful_timeout = 5
keepalive = 30
accesslog = None
control_socket_disable = True
