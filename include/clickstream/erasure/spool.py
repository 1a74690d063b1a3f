"""A user out of the spool: records that Kafka had not taken."""

from contextlib import suppress
from pathlib import Path

from clickstream.erasure.records import is_theirs
from clickstream.spool import SpooledRecord, SpoolWriter, spooled


class _Untouched(Exception):
    """Leaves a spool file as it is: it goes only when its block ends well."""


def erase_spooled(directory: Path, user_id: str, dry_run: bool) -> int:
    """How many records of a spool, of any topic, are the user's; unless dry, their files are written anew without them.

    A file that another run is sending is left to it: what it sends meets the tombstone.
    """
    found = 0
    for path in sorted(directory.rglob("*.spool")):
        with suppress(_Untouched), spooled(path) as held:
            records = list(held or ())
            kept = [record for record in records if not _is_theirs(record, user_id)]
            found += len(records) - len(kept)
            if dry_run or len(kept) == len(records):
                raise _Untouched
            writer = SpoolWriter(path.parent)
            for record in kept:
                writer.add(record)
            writer.close()
    return found


def _is_theirs(record: SpooledRecord, user_id: str) -> bool:
    return record.key == user_id.encode() or is_theirs(record.value, user_id)
