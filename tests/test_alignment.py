"""What two texts share: in order, by n-grams, by letters, by lines; each against brute force."""

import string
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from word_reference import EVERY

from tulu_data.decontaminate.sighting import _borders
from tulu_data.kernels.alignment import (
    LETTER_ROOM,
    RUN,
    align,
    count_characters,
    count_held,
    hash_grams,
    letter_room,
    share_grams,
    share_letters,
    stand_alone,
)
from tulu_data.kernels.folding import IGNORED, SEPARATES, class_of, fold, folding
from tulu_data.kernels.words import fixed

BITS = [0.0, 0.5, 1.0, 4.25, 9.0, 17.0]
ids = st.lists(st.integers(-2, len(BITS) - 1), max_size=12)
known = st.lists(st.integers(0, len(BITS) - 1), max_size=12)
TIE = 0.01
"""What each word counts besides its bits, so that words of no bits are aligned too."""


def laid(lists, kind=np.int32):
    """Lay lists side by side: all values, and where each starts, with the total."""
    at = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return fixed(np.array([x for one in lists for x in one], kind)), fixed(at)


def heaviest(ours, theirs):
    """Return the weight of the heaviest common subsequence."""
    best = np.zeros((len(ours) + 1, len(theirs) + 1))
    for i, a in enumerate(ours):
        for j, b in enumerate(theirs):
            both = best[i, j] + BITS[a] + TIE if a == b and a >= 0 else 0.0
            best[i + 1, j + 1] = max(best[i, j + 1], best[i + 1, j], both)
    return best[-1, -1]


@settings(max_examples=200)
@given(st.lists(st.tuples(known, ids), min_size=1, max_size=4))
def test_aligned_words_are_a_heaviest_common_subsequence(pairs):
    ours, ours_at = laid([a for a, _ in pairs])
    theirs, at = laid([b for _, b in pairs])
    unit = np.arange(len(pairs))[::-1].copy()
    places = np.stack([at[:-1], at[1:]], axis=1)[unit]
    sizes = np.diff(ours_at)[unit]
    shared_at = np.concatenate([[0], np.cumsum(sizes)])
    shared, held = np.zeros(len(ours), np.bool_), np.zeros(len(theirs), np.bool_)
    align(
        ours, ours_at, theirs, fixed(places), fixed(unit), fixed(np.array([*BITS, 20.0])), np.empty(14),
        np.empty(200, np.uint8), shared, fixed(shared_at[:-1]), held,
    )  # fmt: skip
    for k, u in enumerate(unit.tolist()):
        mine, other = pairs[u]
        one = [w for w, s in zip(mine, shared[shared_at[k] : shared_at[k + 1]], strict=True) if s]
        two = [w for w, s in zip(other, held[at[u] : at[u + 1]], strict=True) if s]
        assert one == two
        assert sum(BITS[w] + TIE for w in one) == pytest.approx(heaviest(mine, other))


def marked(ours, theirs):
    """Mark the words of both on the path back through the whole table of totals: ties go down first."""
    totals, steps = [[0.0] * (len(theirs) + 1) for _ in range(len(ours) + 1)], {}
    for i, word in enumerate(ours):
        for j, other in enumerate(theirs):
            both = totals[i][j] + BITS[word] + TIE if word == other and word >= 0 else -1.0
            choices = [(both, (1, 1)), (totals[i][j + 1], (1, 0)), (totals[i + 1][j], (0, 1))]
            totals[i + 1][j + 1], steps[i, j] = max(choices, key=lambda choice: choice[0])
    i, j, shared, held = len(ours) - 1, len(theirs) - 1, set(), set()
    while i >= 0 and j >= 0:
        if steps[i, j] == (1, 1):
            shared.add(i)
            held.add(j)
        i, j = i - steps[i, j][0], j - steps[i, j][1]
    return [k in shared for k in range(len(ours))], [k in held for k in range(len(theirs))]


@settings(max_examples=200)
@given(st.lists(st.tuples(ids, ids), min_size=1, max_size=4))
def test_of_equal_alignments_the_same_one_is_found_always(pairs):
    ours, ours_at = laid([a for a, _ in pairs])
    theirs, at = laid([b for _, b in pairs])
    shared, held = np.zeros(len(ours), np.bool_), np.zeros(len(theirs), np.bool_)
    align(
        ours, ours_at, theirs, fixed(np.stack([at[:-1], at[1:]], axis=1)), fixed(np.arange(len(pairs))),
        fixed(np.array([*BITS, 20.0])), np.empty(14), np.empty(200, np.uint8), shared,
        fixed(ours_at[:-1].copy()), held,
    )  # fmt: skip
    marks = [marked(*pair) for pair in pairs]
    assert shared.tolist() == [mark for one, _ in marks for mark in one]
    assert held.tolist() == [mark for _, one in marks for mark in one]


@settings(max_examples=200)
@given(st.lists(st.tuples(ids, ids), min_size=1, max_size=4))
def test_shared_grams_are_those_of_the_unit_that_the_window_holds(pairs):
    grams, grams_at = laid([a for a, _ in pairs])
    held, held_at = laid([b for _, b in pairs])
    shares, seen = np.zeros((len(pairs), 2)), np.full(len(BITS), -1, np.int64)
    unit = fixed(np.arange(len(pairs)))
    share_grams(grams, grams_at, held, held_at, unit, fixed(np.array([*BITS, 20.0])), seen, shares)
    for (ours, theirs), share in zip(pairs, shares.tolist(), strict=True):
        counted = [g for g in ours if g >= 0]
        both = sum(BITS[g] for g in counted if g in theirs)
        assert share == [pytest.approx(both), pytest.approx(sum(BITS[g] for g in counted))]


def letters_of(data):
    """Return what counts of a text: what may stand in words, folded; ASCII as one, the rest as more."""
    points = [
        ord(c)
        for character in data.decode()
        for part in unicodedata.normalize("NFKD", character)
        for c in fold(part)
        if class_of(c) not in (SEPARATES, IGNORED)
    ]
    return [
        part for p in points for part in ([p] if p < 0x80 else [(p, k) for k in range(2 if p < 0x800 else 3)])
    ]


def runs(data):
    found = letters_of(data)
    return [tuple(found[k : k + RUN]) for k in range(len(found) - RUN + 1)]


def letter_shares(units, windows):
    ours, theirs = b"".join(units), b"..".join(windows)
    ends = np.cumsum([len(u) for u in units]).astype(np.int64)
    stops = np.cumsum([len(w) + 2 for w in windows]).astype(np.int64) - 2
    shares = np.zeros((len(windows), 2))
    share_letters(
        fixed(np.frombuffer(theirs, np.uint8)), fixed(stops - [len(w) for w in windows]), fixed(stops),
        fixed(np.frombuffer(ours, np.uint8)), fixed(ends - [len(u) for u in units]), fixed(ends),
        fixed(np.arange(len(units))), folding(), np.zeros(LETTER_ROOM, np.uint64),
        letter_room(max(map(len, [*units, *windows]), default=0)), shares,
    )  # fmt: skip
    return shares.tolist()


text = st.one_of(st.text("abAB 1.\n\u00e9", max_size=40), st.text(EVERY, max_size=30))


@settings(max_examples=200)
@given(st.lists(st.tuples(text, text, st.integers(0, 30)), min_size=1, max_size=4))
def test_shared_letters_are_the_runs_that_both_hold(drawn):
    units = [unit.encode() for unit, _, _ in drawn]
    windows = [(window + unit[cut:]).encode() for unit, window, cut in drawn]
    for unit, window, shares in zip(units, windows, letter_shares(units, windows), strict=True):
        every, theirs = runs(unit), set(runs(window))
        with_digit = [run for run in every if set(run) & set(range(48, 58))]
        for mine, share in zip((every, with_digit), shares, strict=True):
            true = sum(run in theirs for run in mine)
            # One run in some hundred texts may fall on the place of another and be lost; none is made up.
            assert share * max(len(mine), 1) <= true + 1e-9
            assert share * max(len(mine), 1) >= true - 1


def test_shared_letters_of_long_texts_are_nearly_all_and_never_too_many():
    draw = np.random.default_rng(5)
    letters = np.frombuffer(string.ascii_letters.encode(), np.uint8)
    window, other = (bytes(draw.choice(letters, 6000)) for _ in range(2))
    assert letter_shares([other], [window]) == [[0.0, 0.0]]
    ((share, _),) = letter_shares([window], [window])
    assert 0.9 < share <= 1.0
    ((half, _),) = letter_shares([window[:3000] + other[:3000]], [window])
    assert 0.4 < half <= 0.5


def test_letters_do_not_see_how_words_are_cut():
    unit = b"It's a 5-fold, well-known re-cut of John's text; nothing else!"
    cut = b"its a\n5 fold wellknown recut\nof johns text nothing else"
    assert letter_shares([unit], [cut]) == [[1.0, 1.0]]


def test_letters_see_no_punctuation_of_other_scripts_and_no_width():
    unit = "\u201cTom\u2019s 12 well\u2011known caf\u00e9s \u2014 \u5317\u4eac\u3002\u201d"
    same = "Tom's\u00a0\uff11\uff12 \uff37\uff25\uff2c\uff2cknown CAFE\u0301S, \u5317 \u4eac.\u200b"
    assert letter_shares([unit.encode()], [same.encode()]) == [[1.0, 1.0]]


def test_letters_with_a_digit_see_other_numbers_and_not_other_words():
    unit = b"Tom has 12 apples and buys 30 more pears at the green market"
    ((every, digits),) = letter_shares([unit], [unit.replace(b"12", b"47").replace(b"30", b"81")])
    assert (every > 0.4, digits) == (True, 0.0)
    ((every, digits),) = letter_shares([unit], [unit.replace(b"the green market", b"an old wooden stall")])
    assert every < 0.8
    assert digits == 1.0


@settings(max_examples=200)
@given(st.lists(st.tuples(st.text(EVERY, max_size=20), st.data()), min_size=1, max_size=3))
def test_characters_are_counted_from_the_first_of_a_text(drawn):
    data, begins, rows, want = b"x", [], [], []
    for written, draw in drawn:
        begin = len(data)
        data += written.encode()
        edges = [len(written[:k].encode()) for k in range(len(written) + 1)]
        places = sorted(
            draw.draw(st.lists(st.tuples(*[st.integers(0, len(written))] * 2).map(sorted), max_size=6))
        )
        for low, high in places:
            begins.append(begin)
            rows.append((begin + edges[low], begin + edges[high]))
            want.append([low, high])
    found = np.zeros((len(rows), 2), np.int32)
    places = np.array(rows, np.int64).reshape(-1, 2)
    count_characters(
        fixed(np.frombuffer(data, np.uint8)), fixed(np.array(begins, np.int64)), fixed(places), found
    )
    assert found.tolist() == want


@pytest.mark.parametrize(
    ("before", "after", "alone"),
    [
        ("", "", True), ("Hi! ", " Bye.", False), ("Hi! ", "? Bye.", True), ("So, ", "?", False),
        ("Q: ", "", True), ("Question\n\n  **", "**\n", True), ("", " please", False), ("1) ", "\n2)", True),
        ('He asked: "', '" and left.', True), ("the ", ".", False), ("\u3002", "\u3002", True),
        ("", "   ", True), ("tell me", "", False), ("A. ", "?", True), ("", " 'this'?", False),
        ("", " (is it", False), ("", " ?", True),
    ],
)  # fmt: skip
def test_a_passage_is_a_sentence_or_a_line_of_its_own(before, after, alone):
    passage = "what is it"
    data = f"left out. {before}{passage}{after} more"
    low, high = 10, 10 + len(f"{before}{passage}{after}".encode())
    begin = low + len(before.encode())
    found = np.zeros(1, np.bool_)
    places = [np.array([k], np.int64) for k in (begin, begin + len(passage), low, high)]
    stand_alone(fixed(np.frombuffer(data.encode(), np.uint8)), *map(fixed, places), *_borders(), found)
    assert found.tolist() == [alone]


@settings(max_examples=100)
@given(st.lists(st.tuples(ids, st.booleans()), max_size=6), st.integers(0, 3))
def test_chosen_records_are_counted_once_for_each_id_that_they_hold(records, clock):
    values, first = laid([held for held, _ in records])
    chosen = fixed(np.array([c for _, c in records], np.bool_))
    seen, held = np.zeros(len(BITS), np.int64), np.zeros(len(BITS), np.int64)
    count_held(values, first, chosen, seen, np.array([clock], np.int64), held)
    assert held.tolist() == [sum(k in one and c for one, c in records) for k in range(len(BITS))]


@settings(max_examples=100)
@given(st.lists(st.lists(st.integers(1, 4), max_size=8), min_size=1, max_size=4), st.integers(1, 4))
def test_grams_have_equal_hashes_where_their_words_are_equal_and_they_fit(records, n):
    values, first = laid(records, np.uint64)
    hashes = np.empty(len(values), np.uint64)
    hash_grams(values, first, n, hashes)
    want = [tuple(r[k : k + n]) if k + n <= len(r) else None for r in records for k in range(len(r))]
    for one, a in zip(want, hashes.tolist(), strict=True):
        assert (one is None) == (a == 0)
        assert all((a == b) == (one == other) for other, b in zip(want, hashes.tolist(), strict=True))
