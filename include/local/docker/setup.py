"""The one-off container `setup`: roles, databases, schema, Airflow's metadata and its admin's password."""

import json
import os
import subprocess

from clickstream.settings import settings
from clickstream.warehouse.migrations import migrate
from clickstream.warehouse.roles import OWNER, READER, WRITER, create_service_database, create_warehouse
from local.files import write_private


def main() -> None:
    """Run again, it changes nothing; a variable that is missing is a KeyError with its name."""
    admin = os.environ["CLICKSTREAM_POSTGRES_ADMIN"]
    roles = {OWNER: "OWNER", WRITER: "WRITER", READER: "READER"}
    create_warehouse(admin, {role: os.environ[f"CLICKSTREAM_PASSWORD_{name}"] for role, name in roles.items()})
    for service in ("airflow", "superset"):
        create_service_database(admin, service, os.environ[f"CLICKSTREAM_PASSWORD_{service.upper()}"])
    migrate(settings().postgres_owner.get_secret_value(), settings().home / "sql" / "schema")
    password = {"admin": os.environ["AIRFLOW_ADMIN_PASSWORD"]}
    write_private(settings().state_dir / "airflow" / "passwords.json", json.dumps(password) + "\n")
    subprocess.run(["airflow", "db", "migrate"], check=True)
    pool = ["clickstream_batch", "1", "Spark jobs beside the stream: one at a time"]
    subprocess.run(["airflow", "pools", "set", *pool], check=True)


if __name__ == "__main__":
    main()
