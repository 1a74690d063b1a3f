"""The story's database, with an audit of its own: which transaction raised the lease's epoch."""

from typing import Any

import psycopg

from clickstream.warehouse.migrations import migrate
from clickstream.warehouse.roles import OWNER, READER, WRITER, create_warehouse
from local.postgres import Postgres

# A trigger of the test's, made as superuser; with PostgreSQL's commit times it is what I5 is read from.
AUDIT = """
create schema faults;
create table faults.epochs (epoch bigint not null);
grant usage on schema faults to public;
grant select on faults.epochs to public;
create function faults.note_epoch() returns trigger language plpgsql security definer as
'begin insert into faults.epochs values (new.epoch); return null; end';
create trigger note_epoch after insert or update of epoch on clickstream.stream_lease
for each row execute function faults.note_epoch();
"""
# The days of the traffic: a worker that makes one itself would wait for a test's lock at another place.
DAYS = """
select clickstream.ensure_event_partitions(
    array(select current_date + day from generate_series(-5, 1) as day)
)
"""
WAITING = """
select 1 from pg_stat_activity
where application_name like 'clickstream-stream:%%' and datname = current_database()
    and wait_event_type = 'Lock' and wait_event = any(%s)
"""
# A transaction that a worker has open.
OPEN = """
select 1 from pg_stat_activity
where application_name like 'clickstream-stream:%' and datname = current_database()
    and xact_start is not null and query not like '%stream_lease%'
"""


class Warehouse:
    """A fresh migrated database on a server that may be away now and then."""

    def __init__(self, server: Postgres, name: str, schema: Any) -> None:
        self._server, self._name = server, name
        passwords = dict.fromkeys((OWNER, WRITER, READER), "test-faults")
        create_warehouse(server.admin_dsn(), passwords, name)
        dsn = {role: server.dsn(name, role, password) for role, password in passwords.items()}
        migrate(dsn[OWNER], schema)
        self.writer, self._reader = dsn[WRITER], dsn[READER]
        with self.admin() as admin:
            admin.execute(AUDIT)
            admin.execute(DAYS)

    def admin(self) -> psycopg.Connection:
        """A superuser's connection."""
        return psycopg.connect(self._server.admin_dsn(self._name), options="-c search_path=clickstream")

    def reader(self) -> psycopg.Connection:
        """A connection of the role that may only read."""
        return psycopg.connect(self._reader, autocommit=True, options="-c search_path=clickstream")

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self.admin() as admin:
            return admin.execute(query, values or None).fetchall()

    def epoch(self) -> int:
        """The lease's epoch; 0 before the first."""
        return int(self.rows("select coalesce(max(epoch), 0) from stream_lease")[0][0])

    def next_offsets(self, topic: str) -> dict[int, int]:
        """The ledger: partition → next offset."""
        return dict(self.rows("select partition, next_offset from stream_offsets where topic = %s", topic))

    def transactions(self) -> int:
        """How many transactions workers have open."""
        return len(self.rows(OPEN))

    def waiting(self, *events: str) -> bool:
        """Whether a connection of the job waits for a lock: `relation`, or `transactionid` and `tuple` for a row."""
        return bool(self.rows(WAITING, list(events)))
