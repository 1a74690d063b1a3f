"""Kafka's default partitioner (murmur2), vectorised: the home partition of each user."""

import numpy as np
from numpy.typing import NDArray

_SEED = 0x9747B28C
_M = np.uint32(0x5BD1E995)


def home_partitions(keys: list[bytes], partitions: int) -> NDArray[np.uint32]:
    """The partition that each key hashes to, as Kafka's Java client and librdkafka's `murmur2_random` do.

    Source: org.apache.kafka.common.utils.Utils.murmur2. Keys may be empty; `partitions` is at least 1.
    """
    if not keys:
        return np.empty(0, dtype=np.uint32)
    lengths = np.fromiter(map(len, keys), dtype=np.uint32, count=len(keys))
    words_per_key = int(lengths.max()) // 4 + 1
    padded = np.frombuffer(b"".join(key.ljust(words_per_key * 4, b"\0") for key in keys), dtype="<u4")
    words = padded.reshape(len(keys), words_per_key)
    full_words = lengths // 4
    with np.errstate(over="ignore"):
        state = np.uint32(_SEED) ^ lengths
        for column in range(words_per_key):
            k = words[:, column] * _M
            k = (k ^ (k >> np.uint32(24))) * _M
            state = np.where(column < full_words, (state * _M) ^ k, state)
        # The last word holds one to three bytes, the rest zero, which is what the reference's switch folds in.
        tail = words[np.arange(len(keys)), full_words]
        state = np.where(lengths % 4 > 0, (state ^ tail) * _M, state)
        state = (state ^ (state >> np.uint32(13))) * _M
        state ^= state >> np.uint32(15)
    return (state & np.uint32(0x7FFFFFFF)) % np.uint32(partitions)
