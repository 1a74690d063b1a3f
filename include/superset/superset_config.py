"""Superset imports a module of this name for its configuration; ours lives in the package."""

from clickstream_superset.config import *  # noqa: F403
