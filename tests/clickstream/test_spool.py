"""The spool gives back exactly what was put in, once."""

from pathlib import Path

from clickstream.spool import SpooledRecord, SpoolWriter, spooled

RECORDS = [
    SpooledRecord(b"key", b"\xff\x00value", [("source", b"replay")]),
    SpooledRecord(None, b"", []),
    SpooledRecord(b"", None, [("a", b""), ("a", b"2")]),
]


def written(directory: Path, records: list[SpooledRecord]) -> Path:
    writer = SpoolWriter(directory)
    for record in records:
        writer.add(record)
    writer.close()
    assert writer.records == len(records)
    assert writer.path is not None
    return writer.path


def test_what_is_read_is_what_was_written_and_the_file_goes(tmp_path: Path) -> None:
    path = written(tmp_path, RECORDS)
    with spooled(path) as records:
        assert records is not None
        assert list(records) == RECORDS
        assert path.exists()
    assert not path.exists()
    with spooled(path) as records:
        assert records is None


def test_nothing_spooled_makes_no_file(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path / "spool")
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_the_file_stays_when_sending_fails(tmp_path: Path) -> None:
    path = written(tmp_path, RECORDS)
    try:
        with spooled(path):
            raise RuntimeError("broker gone")
    except RuntimeError:
        pass
    with spooled(path) as records:
        assert records is not None
        assert len(list(records)) == 3


def test_a_file_in_use_is_left_alone(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path)
    writer.add(RECORDS[0])
    assert writer.path is not None
    with spooled(writer.path) as records:
        assert records is None
    writer.close()
    with spooled(writer.path) as first, spooled(writer.path) as second:
        assert first is not None
        assert second is None


def test_a_last_record_that_is_cut_off_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, RECORDS)
    path.write_bytes(path.read_bytes()[:-3])
    with spooled(path) as records:
        assert records is not None
        assert list(records) == RECORDS[:2]
