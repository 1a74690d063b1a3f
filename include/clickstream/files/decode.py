"""Lines through the contract, in processes of their own when there are many of them."""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import chain, islice
from multiprocessing import get_context, parent_process

import numpy as np
import polars as pl

from clickstream.files.lines import Block, Span
from clickstream.slice import DEAD_LETTERS_SCHEMA, EVENTS_SCHEMA, Decoded, Records, decode_slice

EVENT_KEYS = ("event_id", "kafka_offset", "content_hash")
_NOT_IN_SESSIONS = ("kafka_ms", "history", "page_group", "properties", "product_id", "category", "page_load_ms")
SESSION_COLUMNS = tuple(name for name in EVENTS_SCHEMA if name not in _NOT_IN_SESSIONS)
REFUSAL = tuple(name for name in DEAD_LETTERS_SCHEMA if name not in ("payload", "kafka_ms"))
_FEW_BLOCKS = 4  # are decoded before processes of their own would have started


@dataclass(frozen=True)
class Reading:
    """How lines are read: `now_ms` (Unix) stands for their Kafka time, `columns` are the events' to keep."""

    now_ms: int
    future_tolerance_ms: int
    columns: Sequence[str]

    def decode(self, content: bytes, first: int) -> Decoded:
        """One record a line; `kafka_offset` is the number of the line, counted from `first`. Lines of white space
        alone are none."""
        lines = content.removesuffix(b"\n").split(b"\n")
        offsets = np.arange(first, first + len(lines), dtype=np.int64)
        if not all(map(bytes.strip, lines)):
            offsets = offsets[[bool(line.strip()) for line in lines]]
            lines = [line for line in lines if line.strip()]
        if b"\r\n" in content or content.endswith(b"\r"):
            lines = [line.removesuffix(b"\r") for line in lines]
        records = Records(
            # pyarrow's own way would import pandas; the newest form of an array is not copied once more
            values=pl.Series(lines, dtype=pl.Binary).to_arrow(compat_level=pl.CompatLevel.newest()),
            offsets=offsets,
            kafka_ms=np.full(len(lines), self.now_ms, dtype=np.int64),
            history=np.zeros(len(lines), dtype=np.bool_),
        )
        decoded = decode_slice(records, self.future_tolerance_ms)
        return Decoded(decoded.events.select(self.columns), decoded.dead_letters.select(REFUSAL))


def decoded(blocks: Iterator[Block], reading: Reading) -> Iterator[tuple[Block, Decoded]]:
    """Each block with what is in it, in order; decoded on all cores when there are more than a few blocks."""
    few = list(islice(blocks, _FEW_BLOCKS))
    workers = len(os.sched_getaffinity(0)) - 1
    if len(few) < _FEW_BLOCKS or workers == 0:
        for block in chain(few, blocks):
            yield block, reading.decode(block.content, block.first)
    else:
        yield from _decoded_apart(chain(few, blocks), reading, workers)


def _decoded_apart(blocks: Iterator[Block], reading: Reading, workers: int) -> Iterator[tuple[Block, Decoded]]:
    """This process decodes too while its workers are busy: what it decodes need not be carried over."""
    # Spawned, not forked: the threads of Arrow and Polars do not survive a fork.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start_worker)
    found: deque[tuple[Block, Future[_Packed] | Decoded]] = deque()
    under_way: set[Future[_Packed]] = set()
    try:
        for block in blocks:
            under_way = {future for future in under_way if not future.done()}
            if len(under_way) < 2 * workers:
                future = _submitted(pool, reading, block)
                under_way.add(future)
                found.append((block, future))
            else:
                found.append((block, reading.decode(block.content, block.first)))
            while found and _is_ready(found[0][1]):
                yield _taken(*found.popleft())
        while found:
            yield _taken(*found.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _submitted(pool: ProcessPoolExecutor, reading: Reading, block: Block) -> "Future[_Packed]":
    with _fit_for_workers():  # submitting starts them
        return pool.submit(_decode_packed, reading, block.span or block.content, block.first)


@contextmanager
def _fit_for_workers() -> Iterator[None]:
    """What a process that is started now inherits: one thread of Polars, as there is a worker for each core; no
    Ctrl-C, which is for their parent, who ends them; and no file of a main module, which would be imported again."""
    main, environment = vars(sys.modules["__main__"]), dict(os.environ)
    file = main.pop("__file__", None)
    os.environ["POLARS_MAX_THREADS"] = "1"
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if file is not None:
            main["__file__"] = file
        os.environ.pop("POLARS_MAX_THREADS")
        os.environ.update(environment)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _is_ready(found: "Future[_Packed] | Decoded") -> bool:
    return isinstance(found, Decoded) or found.done()


def _taken(block: Block, found: "Future[_Packed] | Decoded") -> tuple[Block, Decoded]:
    return block, found if isinstance(found, Decoded) else Decoded(*map(pl.read_ipc, found.result()))


_Packed = tuple[bytes, bytes]  # Arrow IPC: pickled frames take three times as long


def _decode_packed(reading: Reading, source: bytes | Span, first: int) -> _Packed:
    found = reading.decode(source.read() if isinstance(source, Span) else source, first)
    return _packed(found.events), _packed(found.dead_letters)


def _packed(frame: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    frame.write_ipc(buffer)
    return buffer.getvalue()


def _start_worker() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that is killed cannot end its workers."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
