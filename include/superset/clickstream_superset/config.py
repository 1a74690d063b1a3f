"""Superset's configuration. Addresses and secrets come from the environment; nothing else is read from outside.

Required: ``SUPERSET_SECRET_KEY`` and ``SUPERSET_METADATA_URI`` (an SQLAlchemy URL). ``SUPERSET_READER_URI`` is read by
``clickstream_superset.setup``, as is ``CLICKSTREAM_AIRFLOW_URL``; ``CLICKSTREAM_REDIS_URL`` by the live dialect.
"""

import os
import time
from datetime import timedelta

from superset.config import THEME_DARK as _DARK
from superset.config import THEME_DEFAULT as _LIGHT
from superset.superset_typing import CacheConfig


def _required(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"{name} is not set: load the platform's environment first (`set -a; . .local/env`)")
    return value


# Relative time ranges ("last hour") are computed from the local clock and compared with UTC columns.
os.environ["TZ"] = "UTC"
time.tzset()

SECRET_KEY = _required("SUPERSET_SECRET_KEY")
SQLALCHEMY_DATABASE_URI = _required("SUPERSET_METADATA_URI")
SQLALCHEMY_ENGINE_OPTIONS = {"pool_size": 8, "pool_pre_ping": True, "connect_args": {"connect_timeout": 5}}
# Migrations leave the log level alone.
ALEMBIC_SKIP_LOG_CONFIG = True
LOG_LEVEL = os.environ.get("SUPERSET_LOG_LEVEL", "WARNING")
# Unused features that would otherwise keep published default secrets.
GUEST_TOKEN_JWT_SECRET = SECRET_KEY
GLOBAL_ASYNC_QUERIES_JWT_SECRET = SECRET_KEY

# Every refresh asks the cache first: a few seconds spare the databases the same query for each viewer, and keep
# a ten-second refresh fresh. In this process rather than in Redis: warehouse charts go on when Redis is away.
CACHE_CONFIG: CacheConfig = {"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": 1_000, "CACHE_DEFAULT_TIMEOUT": 300}
DATA_CACHE_CONFIG: CacheConfig = {"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": 500, "CACHE_DEFAULT_TIMEOUT": 5}
DASHBOARD_AUTO_REFRESH_MODE = "fetch"

FEATURE_FLAGS = {
    "ALERT_REPORTS": False,
    "DASHBOARD_VIRTUALIZATION": False,  # charts below the fold load at once, and screenshots are complete
    "DRILL_BY": True,
    "DRILL_TO_DETAIL": True,
    # The SQL of the journeys takes the filters into the function that it calls (`where_in` quotes what is chosen).
    "ENABLE_TEMPLATE_PROCESSING": True,
    "ESCAPE_MARKDOWN_HTML": True,
}

# Relative ranges end now, not at the last midnight.
DEFAULT_RELATIVE_START_TIME = "now"
DEFAULT_RELATIVE_END_TIME = "now"
SQLGLOT_DIALECTS_EXTENSIONS = {"clickstreamlive": "sqlite"}
ROW_LIMIT = 5_000
SQLLAB_TIMEOUT = 30
SUPERSET_WEBSERVER_TIMEOUT = 60

WTF_CSRF_ENABLED = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
# Loopback speaks http; behind a TLS proxy set SUPERSET_HTTPS=1.
SESSION_COOKIE_SECURE = os.environ.get("SUPERSET_HTTPS") == "1"
PERMANENT_SESSION_LIFETIME = timedelta(days=7)
AUTH_RATE_LIMITED = True
RATELIMIT_ENABLED = True
RATELIMIT_STORAGE_URI = "memory://"
RATELIMIT_APPLICATION = "1000 per second"  # one page load asks for a hundred files at once
HTML_SANITIZATION = True
ENABLE_CORS = False
PREVENT_UNSAFE_DB_CONNECTIONS = True
DATASET_IMPORT_ALLOWED_DATA_URLS: list[str] = []
THEME_FONT_URL_ALLOWED_DOMAINS: list[str] = []

TALISMAN_ENABLED = True
CONTENT_SECURITY_POLICY_WARNING = False
# Nothing is loaded from, or told to, another host: no fonts, map tiles or usage pixels.
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "connect-src": ["'self'"],
        "font-src": ["'self'", "data:"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "object-src": "'none'",
        "script-src": ["'self'", "'strict-dynamic'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "worker-src": ["'self'", "blob:"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": SESSION_COOKIE_SECURE,
}

# Okabe and Ito's palette, whose colours stay apart for the colour-blind, its yellow darkened for a white ground.
EXTRA_CATEGORICAL_COLOR_SCHEMES = [
    {
        "id": "clickstream",
        "description": "Okabe-Ito: readable for the colour-blind",
        "label": "Clickstream",
        "isDefault": True,
        "colors": ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C7300", "#666666"],
    },
    {
        "id": "clickstream_steps",
        "description": "Shades of one blue, light enough for dark labels: the steps of a funnel",
        "label": "Clickstream steps",
        "isDefault": False,
        "colors": ["#7DB8E0", "#99C8E7", "#B3D6EE", "#CCE4F4", "#E1EFF9", "#EEF6FB"],
    },
]

# A journey's end stands beside the next step's pages, not in a column of its own; and labels keep apart.
_CHARTS = {"sankey_v2": {"series": {"nodeAlign": "left", "nodeGap": 14}}}
THEME_DEFAULT = {**_LIGHT, "echartsOptionsOverridesByChartType": _CHARTS}
THEME_DARK = {**_DARK, "echartsOptionsOverridesByChartType": _CHARTS}
