"""The content id: fixed for ever, equal to plain Python, and sensitive to what a version is."""

from hashlib import sha256

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.schema import KINDS
from tulu_data.store import content_id as module
from tulu_data.store.content_id import content_id

ROWS = st.lists(
    st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2), st.integers(0, 9)),
    max_size=12,
)
NAMES = ["web", "\u7db2", "a-b.c"]


def found(rows, kind="sft", names=NAMES):
    ids = np.array([r[:2] for r in rows], np.uint64).reshape(-1, 2)
    source = np.array([r[2] for r in rows], np.int64)
    return content_id(kind, ids, names, source, np.array([r[3] for r in rows], np.int64))


def plain(rows, kind="sft", leaf=4096):
    encoded = [
        high.to_bytes(8, "big") + low.to_bytes(8, "big") + sha256(NAMES[s].encode()).digest()[:8]
        + copy.to_bytes(8, "little")
        for high, low, s, copy in rows
    ]  # fmt: skip
    leaves = [b"".join(encoded[i : i + leaf]) for i in range(0, len(encoded), leaf)]
    head = b"tulu-data version 1\0" + kind.encode() + b"\0" + len(rows).to_bytes(8, "little")
    return sha256(head + b"".join(sha256(part).digest() for part in leaves)).hexdigest()


def test_the_id_of_two_records_never_changes():
    rows = [(1, 2, 0, 0), (2**64 - 1, 3, 1, 5)]
    assert found(rows) == "0c1aafa30e414ef0f214753031f2ccb752ec48d6f7806995fbfbdda3a9877723"
    assert found([]) == "a83bd212575bf03cad74ea226666f2910d33d0c66e4606900801648702585f13"


@given(ROWS, st.sampled_from(KINDS))
def test_the_id_equals_that_of_plain_python(rows, kind):
    assert found(rows, kind) == plain(rows, kind)


def test_leaves_of_any_number_equal_plain_python():
    rows = [(i, i * i, i % 3, 0) for i in range(2 * module.LEAF_ROWS + 1)]
    for count in (module.LEAF_ROWS - 1, module.LEAF_ROWS, module.LEAF_ROWS + 1, len(rows)):
        assert found(rows[:count]) == plain(rows[:count])


@given(ROWS, st.data())
def test_order_source_copy_id_and_kind_all_change_it(rows, data):
    rows = [(1, 1, 0, 0), *rows]
    at = data.draw(st.integers(0, len(rows) - 1))
    high, low, source, copy = rows[at]
    changed = [
        (high ^ 1, low, source, copy), (high, low ^ 1, source, copy), (high, low, (source + 1) % 3, copy),
        (high, low, source, copy + 1),
    ]  # fmt: skip
    others = [found([*rows[:at], one, *rows[at + 1 :]]) for one in changed]
    others += [found(rows, "rlvr"), found(rows[:-1]), found([*rows, rows[-1]])]
    if rows[::-1] != rows:
        others.append(found(rows[::-1]))
    assert found(rows) not in others


@given(ROWS)
def test_the_order_in_which_sources_are_listed_does_not_matter(rows):
    swapped = [(high, low, 2 - source, copy) for high, low, source, copy in rows]
    assert found(rows) == found(swapped, names=NAMES[::-1])
