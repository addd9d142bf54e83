"""Record ids against an encoder written a second time, from the specification, in plain Python."""

import struct
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.kernels.id_words import id_words
from tulu_data.kernels.record_ids import canonical_bytes, record_ids
from tulu_data.schema import CONTENT, KINDS, MESSAGES

TEXTS = st.text(max_size=20)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant"]), "content": TEXTS, "tool_calls": st.none() | TEXTS}
)
MESSAGE_LISTS = st.lists(MESSAGE, max_size=4)


def size(number: int) -> bytes:
    return struct.pack("<Q", number)


def text(value: str) -> bytes:
    return size(len(value.encode())) + value.encode()


def encode(record: dict, kind: str) -> bytes:
    out = kind.encode() + b"\0"
    for field in CONTENT[kind]:
        value = record[field.name]
        if value is None:
            continue
        out += text(field.name)
        if field.type == MESSAGES:
            out += size(len(value))
            for m in value:
                calls = m["tool_calls"]
                out += text(m["role"]) + text(m["content"])
                out += size(2**64 - 1) if calls is None else text(calls)
        else:
            out += text(value)
    return out


def records(kind: str) -> st.SearchStrategy:
    columns = {f.name: MESSAGE_LISTS if f.type == MESSAGES else st.none() | TEXTS for f in CONTENT[kind]}
    return st.lists(st.fixed_dictionaries(columns), max_size=5)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_ids_equal_hashlib_over_the_written_encoding(kind, data):
    rows = data.draw(records(kind))
    batch = pa.RecordBatch.from_pylist(rows, schema=CONTENT[kind])
    expected = [sha256(encode(row, kind)).hexdigest()[:32] for row in rows]
    assert record_ids(batch, kind).to_pylist() == expected
    start = data.draw(st.integers(0, len(rows)))
    assert record_ids(batch.slice(start), kind).to_pylist() == expected[start:]


def test_an_id_is_fixed_forever():
    rows = [{"messages": [{"role": "user", "content": "Hi", "tool_calls": None}], "tools": None}]
    batch = pa.RecordBatch.from_pylist(rows, schema=CONTENT["sft"])
    assert record_ids(batch, "sft").to_pylist() == ["b5d75520df5d1f21fed5a62d635e2a8c"]


def test_no_two_different_records_share_an_encoding():
    def of(*messages: tuple[str, str]) -> bytes:
        rows = [{"messages": [{"role": r, "content": c} for r, c in messages], "tools": None}]
        out, _ = canonical_bytes(pa.RecordBatch.from_pylist(rows, schema=CONTENT["sft"]), "sft")
        return bytes(out)

    assert of(("user", "ab"), ("user", "c")) != of(("user", "a"), ("user", "bc"))


def test_id_words_are_the_halves_of_the_hexadecimal_digits():
    ids = pa.array(["00112233445566778899aabbccddeeff", "f" * 32], pa.large_string())
    words = id_words(ids)
    assert words.dtype == np.uint64
    assert [hex(w) for w in words[0].tolist()] == ["0x11223344556677", "0x8899aabbccddeeff"]
    assert id_words(ids.slice(0, 0)).shape == (0, 2)
