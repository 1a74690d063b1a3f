"""A search for one user in everything that is stored: by id, by the ids of their events and sessions, by their key."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import redis
from psycopg import sql

from clickstream.archive.columns import user_key
from clickstream.settings import Settings

_TABLES = """
select relname from pg_class
where relnamespace = 'clickstream'::regnamespace and relkind in ('r', 'p') and not relispartition
"""


@dataclass(frozen=True)
class Traces:
    """What tells the user `user`; `ids` are of their events and sessions."""

    user: str
    ids: tuple[str, ...] = ()

    def everywhere(self, platform: Settings, *places: Path) -> set[str]:
        """The tables, Redis keys and kinds of file (below `places`) that name the user."""
        return self.tables(platform) | self.redis(platform) | self.files(places)

    def tables(self, platform: Settings) -> set[str]:
        """Tables with such a row, whatever the column; bytes are shown in hex."""
        patterns = [f"%{text}%" for told in self._told() for text in (told, told.encode().hex())]
        dsn = platform.postgres_writer.get_secret_value()
        found = set()
        with psycopg.connect(dsn, options="-c search_path=clickstream") as connection:
            for (table,) in connection.execute(_TABLES).fetchall():
                query = sql.SQL("select from {} as named where named::text like any(%s) limit 1")
                if connection.execute(query.format(sql.Identifier(table)), [patterns]).rowcount:
                    found.add(table)
        return found

    def redis(self, platform: Settings) -> set[str]:
        """Keys whose value, of any type, names the user."""
        with redis.Redis.from_url(platform.redis_url.get_secret_value()) as client:
            return {key.decode() for key in client.scan_iter() if self._in(key + _value(client, key))}

    def files(self, places: Iterable[Path]) -> set[str]:
        """The suffixes of such files; of Parquet, what it tells of itself and its values are looked at."""
        paths = [path for place in places for path in (place.rglob("*") if place.is_dir() else [place])]
        return {path.suffix for path in paths if path.is_file() and self._in(_content(path))}

    def _told(self) -> tuple[str, ...]:
        return (self.user, json.dumps(self.user)[1:-1], *self.ids, str(user_key(self.user)))

    def _in(self, content: bytes) -> bool:
        return any(told.encode() in content for told in self._told())


def _value(client: redis.Redis, key: bytes) -> bytes:
    reads = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"zset": lambda name: client.zrange(name, 0, -1, withscores=True),
        b"list": lambda name: client.lrange(name, 0, -1),
    }
    kind = client.type(key)
    return b"" if kind == b"none" else repr(reads[kind](key)).encode()


def _content(path: Path) -> bytes:
    raw = path.read_bytes()
    if path.suffix != ".parquet":
        return raw
    file = pq.ParquetFile(path)
    return raw + repr([file.metadata.to_dict(), file.read().to_pylist()]).encode()
