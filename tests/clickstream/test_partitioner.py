"""Home partitions against the known values of Kafka's own test of murmur2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.partitioner import home_partitions

# org.apache.kafka.common.utils.UtilsTest.testMurmur2
KNOWN = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("partitions", [1, 2, 7, 2**31 - 1])
def test_known_hashes(partitions: int) -> None:
    expected = [(value & 0x7FFFFFFF) % partitions for value in KNOWN.values()]
    assert home_partitions(list(KNOWN), partitions).tolist() == expected


@given(st.lists(st.binary(max_size=70), min_size=1))
def test_a_key_hashes_alike_alone_and_in_company(keys: list[bytes]) -> None:
    together = home_partitions(keys, 1_009).tolist()
    assert together == [int(home_partitions([key], 1_009)[0]) for key in keys]


def test_no_keys() -> None:
    assert home_partitions([], 2).tolist() == []
