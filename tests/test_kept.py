"""Kept texts by their bands against brute force, and keep-first against a plain loop."""

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.kernels.kept import chain, find, find_among, keep_first, marks_of, new_kept

BANDS, LANES = 3, 6
KEY = st.sampled_from([0, 1, 2**64 - 1, 1 << 40, 1 << 39, (1 << 44) + 1, 0x9E3779B97F4A7C15])
ROW = st.tuples(
    st.lists(KEY, min_size=BANDS, max_size=BANDS),
    st.lists(st.sampled_from([0, 1, 255, 256, 2**32 - 1]), min_size=LANES, max_size=LANES),
)
ROWS = st.lists(ROW, max_size=20)
AGREEING = st.integers(1, LANES)


def arrays(rows):
    keys = np.array([keys for keys, _ in rows], np.uint64).reshape(-1, BANDS)
    return keys, marks_of(np.array([signature for _, signature in rows], np.uint32).reshape(-1, LANES))


def meet(one, other, agreeing, room):
    """Tell whether two share a band and so many lanes.

    Of a band's key only the low bits and those of its chain are held, of a lane only the last byte: enough to
    overlook none, and what it names too much is told away where texts are compared.
    """
    chain = max(16, 1 << room.bit_length()) - 1

    def held(key):
        return key % 2**32, key >> 40 & chain

    bands = any(held(a) == held(b) for a, b in zip(one[0], other[0], strict=True))
    return bands and sum(a % 256 == b % 256 for a, b in zip(one[1], other[1], strict=True)) >= agreeing


def pairs_of(found):
    """Return pairs; each is there once, and they are in the order of the texts asked for."""
    pairs = [tuple(pair) for pair in found.tolist()]
    assert [pair[0] for pair in pairs] == sorted(pair[0] for pair in pairs)
    assert len(set(pairs)) == len(pairs)
    return set(pairs)


def kept_of(rows, parts=1, room=None):
    """Return texts in bands, with their marks; bands are filled in any order."""
    kept = new_kept(len(rows) if room is None else room, BANDS)
    keys, marks = arrays(rows)
    for part in np.array_split(np.arange(len(rows)), parts):
        for bands in (range(1, BANDS), range(1)):
            chain(kept, keys[part], part, bands)
    return kept, marks


@given(ROWS, ROWS, AGREEING, st.integers(1, 4), st.integers(0, 200))
def test_every_kept_text_that_shares_enough_is_named(rows, asked, agreeing, parts, more):
    room = len(rows) + more
    kept, marks = kept_of(rows, parts, room)
    for _ in range(2):
        assert pairs_of(find(kept, *arrays(asked), marks, agreeing)) == {
            (k, j)
            for k, one in enumerate(asked)
            for j, other in enumerate(rows)
            if meet(one, other, agreeing, room)
        }


@given(ROWS, AGREEING)
def test_texts_among_themselves_meet_those_before_them(rows, agreeing):
    assert pairs_of(find_among(*arrays(rows), agreeing)) == {
        (k, j) for k, one in enumerate(rows) for j in range(k) if meet(one, rows[j], agreeing, len(rows))
    }


def test_one_text_may_meet_more_than_there_is_room_for():
    rows = [([k, 5, 5], [1] * LANES) for k in range(3000)]
    asked = [([9999, 6, 6], [1] * LANES), rows[0], rows[1]]
    kept, marks = kept_of(rows)
    found = find(kept, *arrays(asked), marks, LANES)
    assert pairs_of(found) == {(k, j) for k in (1, 2) for j in range(3000)}
    assert len(find_among(*arrays(rows[:300]), LANES)) == 300 * 299 // 2


def test_threads_look_up_what_one_looks_up():
    rng = np.random.default_rng(1)
    keys = rng.integers(0, 2**64, 40, np.uint64)[rng.integers(0, 40, (500, BANDS))]
    marks = rng.integers(0, 2, (500, LANES), np.uint8)
    kept = new_kept(500, BANDS)
    chain(kept, keys, np.arange(500), range(BANDS))
    expected, made = find(kept, keys, marks, marks, 3), [None] * 4

    def work(k):
        made[k] = find(kept, keys, marks, marks, 3)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(expected) > 1000
    assert all(np.array_equal(each, expected) for each in made)


def test_there_may_be_nothing():
    some, (none, no_marks) = [([1, 2, 3], [0] * LANES)], kept_of([])
    assert find(none, *arrays(some), no_marks, 1).shape == (0, 2)
    kept, marks = kept_of(some)
    assert find(kept, *arrays([]), marks, 1).shape == (0, 2)
    assert find_among(*arrays([]), 1).shape == (0, 2)


PAIRS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 12), st.sampled_from([0.25, 0.5, 0.75])), max_size=40
).map(lambda pairs: sorted((p for p in pairs if p[0] > p[1]), key=lambda p: p[0]))


@given(PAIRS, st.integers(0, 40))
def test_what_is_like_a_kept_one_before_it_is_dropped_for_the_one_most_like_it(pairs, cut):
    alike, most, contained = np.full(13, -1), np.zeros(13), np.zeros(13)
    is_inside = np.zeros(13, np.bool_)
    # A text's pairs may come in two parts.
    for part in (pairs[:cut], pairs[cut:]):
        rows = np.array([p[:2] for p in part], np.int64).reshape(-1, 2)
        shares = np.array([p[2] for p in part])
        inside = rows[:, 0] % 2 == rows[:, 1] % 2
        keep_first(rows, shares, 1 - shares, inside, alike, most, contained, is_inside)
    kept: dict = {}
    for text in range(13):
        theirs = [(-share, other) for one, other, share in pairs if one == text and kept[other] is None]
        kept[text] = min(theirs, default=None)
    for text, best in kept.items():
        assert (alike[text], most[text]) == ((-1, 0) if best is None else (best[1], -best[0]))
        assert contained[text] == (0 if best is None else 1 + best[0])
        assert is_inside[text] == (best is not None and text % 2 == best[1] % 2)
