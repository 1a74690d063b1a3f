"""What Superset needs to know about the live dialect."""

from typing import Any, ClassVar

from superset.db_engine_specs.base import DatabaseCategory
from superset.db_engine_specs.sqlite import SqliteEngineSpec


class LiveEngineSpec(SqliteEngineSpec):
    """SQLite's SQL over the live metrics in Redis."""

    engine = "clickstreamlive"
    engine_name = "Clickstream live metrics"
    drivers: ClassVar[dict[str, str]] = {"apsw": "SQLite driver"}
    default_driver = "apsw"
    sqlalchemy_uri_placeholder = "clickstreamlive://"
    supports_file_upload = False
    metadata: ClassVar[dict[str, Any]] = {
        "description": "The live metrics that the stream publishes to Redis, as tables.",
        "categories": [DatabaseCategory.OTHER],
        "pypi_packages": [],
        "connection_string": "clickstreamlive://",
    }
