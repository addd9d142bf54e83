"""Boxes found in texts, against a search in plain Python."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from shingle_reference import batch

from tulu_data.kernels.boxed import boxed

MARK = "\\boxed{"
TEXT = st.lists(st.sampled_from([MARK, "{", "}", "\\boxed", "a", "é", "\\"]), max_size=9).map("".join)


def inside(text, reach):
    """Return what stands in the last box, or nothing."""
    data = text.encode()
    at = data.rfind(MARK.encode(), max(0, len(data) - reach))
    depth, place = 1, at + len(MARK)
    while at >= 0 and place < len(data) and depth:
        depth += (data[place : place + 1] == b"{") - (data[place : place + 1] == b"}")
        place += 1
    return None if at < 0 or depth else data[at + len(MARK) : place - 1].decode()


@given(st.lists(TEXT, max_size=5), st.integers(0, 60))
def test_what_is_in_the_last_box_is_found(texts, reach):
    given_ = batch([[text] for text in texts])
    begin, end, found = boxed(given_.text, given_.begin, given_.end, reach)
    for k, text in enumerate(texts):
        said = given_.text[begin[k] : end[k]].tobytes().decode()
        wanted = inside(text, reach)
        assert (said, bool(found[k])) == (text if wanted is None else wanted, wanted is not None)


def test_there_may_be_none():
    assert [len(each) for each in boxed(np.zeros(0, np.uint8), *np.zeros((2, 0), np.int64), 9)] == [0, 0, 0]
