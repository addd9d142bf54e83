"""SHA-1 side by side against hashlib."""

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.kernels.sha1 import READ_BEYOND, hash_messages, new_lanes
from tulu_data.kernels.words import fixed


def hashed(messages):
    """Hash messages that stand one behind the other."""
    data = np.frombuffer(b"".join(messages) + b"\xff" * READ_BEYOND, np.uint8)
    end = np.cumsum([len(message) for message in messages], dtype=np.int64)
    begin = end - np.array([len(message) for message in messages], np.int64)
    hashes = np.zeros(len(messages), np.uint32)
    hash_messages(data, fixed(begin), fixed(end), len(messages), new_lanes(), hashes)
    return hashes.tolist()


def expected(messages):
    return [int.from_bytes(hashlib.sha1(m, usedforsecurity=False).digest()[:4], "little") for m in messages]


@given(st.lists(st.binary(max_size=300), max_size=40))
def test_hashes_are_those_of_hashlib(messages):
    assert hashed(messages) == expected(messages)


def test_every_length_around_the_ends_of_blocks_is_hashed():
    messages = [bytes(range(256))[:size] for size in range(200)]
    assert hashed(messages) == expected(messages)
    assert hashed(messages[::-1]) == expected(messages[::-1])


def test_a_message_may_be_long():
    messages = [b"tulu" * 100_000, b"", b"data"]
    assert hashed(messages) == expected(messages)
