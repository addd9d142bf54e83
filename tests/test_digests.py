"""Hashes of many runs of bytes are those of hashlib, by OpenSSL's functions and without them."""

import hashlib

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tulu_data.kernels import digests
from tulu_data.kernels.digests import sha256_digests


@pytest.mark.parametrize("seen", [True, False])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=st.lists(st.binary(max_size=200), max_size=8))
@example(runs=[b"", b"x" * 55, b"x" * 56, b"x" * 64, b"x" * 5000, b""])
def test_digests_are_those_of_hashlib(monkeypatch, seen, runs):
    with monkeypatch.context() as patched:
        if not seen:
            patched.setattr(digests, "_OPENSSL", None)
        data = np.frombuffer(b"".join(runs), np.uint8)
        ends = np.cumsum([len(run) for run in runs], dtype=np.int64)
        found = sha256_digests(data, ends)
        assert found.shape == (len(runs), digests.DIGEST_BYTES)
        assert [row.tobytes() for row in found] == [hashlib.sha256(run).digest() for run in runs]
