"""Random numbers that depend on a key alone, never on what else is computed beside them.

A cell of time has its own Philox generator. Whatever lies below it (a session's pages, an event's delay) hashes
its own 64-bit key, so that any subset of sessions can be worked out with the same result. Shapes other than
uniform come from tables of quantiles: integer lookups give the same bits on every machine and in every order.
"""

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

TABLE_BITS = 14
TABLE_SIZE = 1 << TABLE_BITS
# Midpoints of TABLE_SIZE equal slices of probability, and the standard normal's quantiles at them.
MIDPOINTS: F64 = (np.arange(TABLE_SIZE) + 0.5) / TABLE_SIZE
NORMAL: F64 = np.array([NormalDist().inv_cdf(float(p)) for p in MIDPOINTS])

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint8).reshape(256, 2)
_UUID_TEXT = np.array([*range(8), *range(9, 13), *range(14, 18), *range(19, 23), *range(24, 36)])


def cell_generator(seed: int, stream: int, cell: int) -> np.random.Generator:
    """The generator of one cell: ``stream`` tells purposes apart, ``cell`` counts (negative before 1970)."""
    key = np.array([(seed ^ (stream * _GOLDEN)) & _MASK, cell & _MASK], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def mix(keys: U64, channel: int | I64) -> U64:
    """Hash ``keys`` (uint64, any shape) for a channel (an int or one for each key): splitmix64's finaliser."""
    if isinstance(channel, int):
        z = keys + np.uint64((channel + 1) * _GOLDEN & _MASK)
    else:
        z = keys + (channel.astype(np.uint64) + np.uint64(1)) * np.uint64(_GOLDEN)
    shifted = z >> np.uint64(30)
    z ^= shifted
    z *= np.uint64(0xBF58476D1CE4E5B9)
    np.right_shift(z, np.uint64(27), out=shifted)
    z ^= shifted
    z *= np.uint64(0x94D049BB133111EB)
    np.right_shift(z, np.uint64(31), out=shifted)
    z ^= shifted
    return z


def index(bits: U64, part: int = 0) -> I64:
    """A uniform index into a table of ``TABLE_SIZE``: the ``part``-th (0–3) group of 14 bits from the top."""
    return ((bits >> np.uint64(64 - TABLE_BITS * (part + 1))) & np.uint64(TABLE_SIZE - 1)).astype(np.int64)


def uniform(bits: U64, part: int = 0) -> F64:
    """Uniform in [0, 1) with 28 bits: ``part`` 0 or 1, from the top."""
    return ((bits >> np.uint64(36 - 28 * part)) & np.uint64((1 << 28) - 1)).astype(np.float64) * 2.0**-28


def choices(weights: npt.ArrayLike) -> npt.NDArray[np.int16]:
    """A table of ``TABLE_SIZE`` outcomes, each as often as its weight."""
    cumulative = np.cumsum(np.asarray(weights, dtype=np.float64))
    return np.searchsorted(cumulative / cumulative[-1], MIDPOINTS).astype(np.int16)


def uuids(high: U64, low: U64) -> list[str]:
    """Random UUIDs (RFC 9562 version 4, canonical text) from two hashes of the same length."""
    halves = np.empty((len(high), 2), dtype=np.uint64)
    halves[:, 0] = high & np.uint64(0xFFFFFFFFFFFF0FFF) | np.uint64(0x4000)
    halves[:, 1] = low & np.uint64(0x3FFFFFFFFFFFFFFF) | np.uint64(0x8000000000000000)
    text = np.full((len(high), 36), ord("-"), dtype=np.uint8)
    text[:, _UUID_TEXT] = _hex(halves)
    joined = text.tobytes().decode("ascii")
    return [joined[start : start + 36] for start in range(0, len(joined), 36)]


def hexadecimal(values: U64) -> list[str]:
    """Each value as 16 hexadecimal digits."""
    joined = _hex(values).tobytes().decode("ascii")
    return [joined[start : start + 16] for start in range(0, len(joined), 16)]


def _hex(values: U64) -> npt.NDArray[np.uint8]:
    raw = np.ascontiguousarray(values.astype(">u8")).view(np.uint8)
    return _HEX[raw].reshape(len(values), 16 * (values.shape[1] if values.ndim == 2 else 1))
