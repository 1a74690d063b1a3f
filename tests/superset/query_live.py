"""Run in Superset's environment: the rows of one query through the live dialect, or its error, as JSON."""

import json
import sys

from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

engine = create_engine("clickstreamlive://", poolclass=NullPool, future=True)
with engine.connect() as connection:
    try:
        if sys.argv[1] == "tables":
            found = {name: {column["name"]: str(column["type"]) for column in inspect(engine).get_columns(name)}
                     for name in inspect(engine).get_table_names()}  # fmt: skip
        else:
            found = [list(row) for row in connection.exec_driver_sql(sys.argv[1])]
    except DBAPIError as error:
        found = [type(error).__name__, str(error.orig)]
print(json.dumps(found, default=str))
