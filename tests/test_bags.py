"""The search for texts in other words, and the weighing of windows, against brute force over all of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tulu_data.decontaminate.segments import digests_of
from tulu_data.decontaminate.sighting import DILUTION, NO_NUMBERS, NUMBERS, Watch, alikeness
from tulu_data.decontaminate.wording import Texts, ids_of, join_wording, power, rarity
from tulu_data.kernels.bags import (
    REACH,
    UNKNOWN_NUMBER,
    UNKNOWN_WORD,
    Pairs,
    Vocabulary,
    fill_table,
    look_up,
)
from tulu_data.kernels.tokens import tokens_of
from tulu_data.kernels.windows import (
    SCORES,
    Bar,
    Units,
    add_up,
    new_marks,
    score_windows,
    weigh_stretches,
    window_widths,
)
from tulu_data.kernels.words import fixed

WORDS = [f"{c}{v}{k}" for k, c in enumerate("bcdfgk") for v in "aeio"] + ["7", "12", "350"]
AGAIN = 32
"""Tokens within which a pair that stands twice counts once."""
phrase = st.lists(st.sampled_from(WORDS), min_size=1, max_size=14)


@given(st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=60), st.integers(0, 5), st.data())
def test_every_key_is_looked_up_and_no_other(keys, crowd, data):
    # Many keys of one place: their bits from 20 on are equal.
    known = sorted({*keys, *((k << 52) | 3 for k in range(1, crowd + 1))} - {0})
    table = np.zeros(power(2 * len(known)), np.int32)
    fill_table(fixed(np.array(known, np.uint64)), table)
    others = data.draw(st.lists(st.integers(0, 2**64 - 1), max_size=10))
    asked = [*known, 0, *others]
    found = np.empty(len(asked), np.int32)
    look_up(fixed(np.array(asked, np.uint64)), fixed(np.array(known, np.uint64)), fixed(table), found)
    for key, k in zip(asked, found.tolist(), strict=True):
        unknown = -3 if key == 0 else UNKNOWN_NUMBER if key & 1 else UNKNOWN_WORD
        assert k == (known.index(key) if key in known else unknown)


def texts_of(texts):
    data = " ".join(texts).encode()
    ends = np.cumsum([len(t) + 1 for t in texts]).astype(np.int64) - 1
    return np.frombuffer(data, np.uint8), ends - [len(t) for t in texts], ends


def read(texts):
    """Read texts as units, with a watch over them."""
    places = texts_of(texts)
    tokens = tokens_of(*places)
    found = join_wording(tokens.keys, tokens.exact, tokens.at, digests_of(tokens.exact, tokens.at))
    bits = rarity(found.stems.frequency, found.texts)
    return found, Watch(found, Texts(*map(fixed, places)), bits, None)


def stems_of(records, found):
    """Return the ids of the stems of records, and where each record starts."""
    tokens = tokens_of(*texts_of(records))
    return ids_of(tokens.keys, found.stems), tokens.at


def pairs_in(ids, weight):
    """Return (place of the second token, pair, weight) of tokens near each other that have weight."""
    says = [(p, k) for p, k in enumerate(ids.tolist()) if k >= 0 and weight[k]]
    return [
        (p, frozenset((a, b)), int(weight[a]) + int(weight[b]))
        for q, (p, a) in enumerate(says)
        for _, b in reversed(says[max(q - REACH, 0) : q])
        if a != b
    ]


def stretches(ids, found, *, forget):
    """Return (unit, stretch) of every stretch that holds, with the one before, enough pairs.

    A pair that stands again soon counts once, or each time (`forget`), as where room ran out.
    """
    weight = found.weight.tolist()
    units = [{p for _, p, _ in pairs_in(found.of_stems[a:b], weight)} for a, b in _ranges(found.at)]
    every = [p for u in units for p in u]
    assert len(every) < 48 * max(found.texts, 1), "all pairs of such units are posted"
    named = set()
    for u, held in enumerate(units):
        limit, shift = found.pairs.limits[u].tolist()
        sums, last = {}, {}
        for p, pair, bits in pairs_in(ids, weight):
            again = pair in last and p - last[pair] < AGAIN and not forget
            last[pair] = p
            if pair in held and not again:
                sums[p >> shift] = sums.get(p >> shift, 0) + bits
                if sums[p >> shift] + sums.get((p >> shift) - 1, 0) >= limit:
                    named.add((u, p >> shift))
    return named


def _ranges(at):
    return list(zip(at[:-1].tolist(), at[1:].tolist(), strict=True))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(phrase, min_size=1, max_size=5), st.lists(st.lists(phrase, max_size=6), min_size=1, max_size=4),
    st.integers(1, 3), st.booleans(),
)  # fmt: skip
def test_no_stretch_that_holds_enough_pairs_is_missed(units, records, copies, crowded):
    texts = [" ".join(unit) for unit in units]
    spoken = [" ".join(w for part in record for w in part) for record in records]
    spoken += [" ".join([*units[0], "x" * 9, *units[-1][::-1]] * copies)]
    found, watch = read(texts)
    if crowded:
        # Room for the rows of a record or two, so that the search goes on in several rounds.
        watch._sums = watch._sums._replace(found=watch._sums.found[: max(found.texts, 1)].copy())
    ids, first = stems_of(spoken, found)
    rows = watch._search(fixed(ids), first).tolist()
    assert len({tuple(row) for row in rows}) == len(rows)
    for r, (a, b) in enumerate(_ranges(first)):
        named = {(u, s) for record, u, s in rows if record == r}
        assert named >= stretches(ids[a:b], found, forget=False)
        assert named <= stretches(ids[a:b], found, forget=True)


COUNT = 8
"""Ids in the tests below; the last two are numbers."""
VOCABULARY = Vocabulary(
    np.zeros(COUNT, np.uint64), np.zeros(1024, np.int32), fixed(np.arange(COUNT) >= COUNT - 2),
    np.ones(COUNT, np.int32),
)  # fmt: skip
tokens = st.lists(st.integers(-3, COUNT - 1), max_size=30)
weights = st.lists(st.sampled_from([0.5, 1.0, 3.25, 8.0, 16.0]), min_size=COUNT + 1, max_size=COUNT + 1)


def shared_bits(unit, window, bits):
    """Return the bits of what both hold: a word once, a number as often as in both."""
    return sum(
        bits[k] * (min(unit.count(k), window.count(k)) if k >= COUNT - 2 else 1)
        for k in set(unit) & set(window)
        if k >= 0
    )


def scores(unit, window, bits):
    """Return the SCORES of a window by their definition."""
    words = [{k for k in one if 0 <= k < COUNT - 2} for one in (unit, window)]
    both = words[0] & words[1]
    counts = [[(one.count(k), bits[k]) for k in (COUNT - 2, COUNT - 1)] for one in (unit, window)]
    shared = sum(min(a, b) * w for (a, w), (b, _) in zip(*counts, strict=True))
    either = sum(max(a, b) * w for (a, w), (b, _) in zip(*counts, strict=True))
    return [
        sum(bits[k] for k in both),
        sum(bits[k] for k in words[0]),
        shared,
        either + window.count(UNKNOWN_NUMBER) * bits[-1],
        sum(bits[k] ** 2 for k in both),
        sum(bits[k] ** 2 for k in words[0]),
        sum(bits[k] ** 2 for k in words[1]) + window.count(UNKNOWN_WORD) * bits[-1] ** 2 / 2,
    ]


def least_third(unit, window, bits):
    """Return the least share of a third, by bits, that a window holds; a token goes by its middle."""
    known = [k for k in unit if k >= 0]
    ends = np.cumsum([bits[k] for k in known])
    whole = ends[-1] if known else 0.0
    thirds = [[0.0, 0.0] for _ in range(3)]
    for k, end in zip(known, ends, strict=True):
        third = thirds[sum(end - bits[k] / 2 > whole * n / 3 + 1e-6 for n in (1, 2))]
        third[0] += bits[k] * (k in window)
        third[1] += bits[k]
    return min((held / every for held, every in thirds if every), default=1.0)


def as_units(units):
    at = fixed(np.cumsum([0, *map(len, units)]).astype(np.int64))
    return Units(fixed(np.array([k for one in units for k in one], np.int32)), at)


@settings(max_examples=200)
@given(st.lists(st.tuples(tokens, tokens), min_size=1, max_size=5), weights)
def test_the_scores_of_a_window_are_what_their_definition_says(drawn, bits):
    windows = as_units([window for _, window in drawn])
    places = np.stack([windows.at[:-1], windows.at[1:]], axis=1)
    made, thirds = np.empty((len(drawn), SCORES)), np.empty(len(drawn))
    score_windows(
        windows.ids, fixed(places), fixed(np.arange(len(drawn))), as_units([unit for unit, _ in drawn]),
        VOCABULARY, fixed(np.array(bits)), new_marks(VOCABULARY), made, thirds,
    )  # fmt: skip
    for (unit, window), row, third in zip(drawn, made.tolist(), thirds.tolist(), strict=True):
        assert row == pytest.approx(scores(unit, window, bits))
        assert third == pytest.approx(least_third(unit, window, bits))


@settings(max_examples=200)
@given(
    st.lists(st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=6), min_size=1, max_size=3),
    st.lists(st.lists(st.integers(-3, COUNT - 1), max_size=50), min_size=1, max_size=3), weights, st.data(),
)  # fmt: skip
def test_the_best_window_shares_as_much_as_any_other(units, records, bits, data):
    read_units, read_records = as_units(units), as_units(records)
    sizes = np.diff(read_units.at)
    shifts = np.ceil(np.log2(window_widths(sizes))).astype(np.int32)
    limits = np.stack([shifts * 0, shifts], axis=1).astype(np.int32)
    nothing = [fixed(np.zeros(1, kind)) for kind in (np.uint64, np.uint64, np.int32, np.int32)]
    rows = [
        (r, u, data.draw(st.integers(-1, max(len(record) - 1, 0) >> int(shifts[u]))))
        for r, record in enumerate(records)
        for u in range(len(units))
    ]
    marks, wholes = new_marks(VOCABULARY), np.empty((len(units), 3))
    add_up(read_units, VOCABULARY, fixed(np.array(bits)), marks, wholes)

    def weigh(least, share, words, likeness):
        left, spots = np.empty(len(rows), np.int64), np.empty(len(read_records.ids) + 1, np.int64)
        windows, made = np.empty((len(rows), 4), np.int64), np.empty((len(rows), SCORES))
        bar = Bar(least, share, words, likeness, NUMBERS, NO_NUMBERS, DILUTION, fixed(wholes))
        count = weigh_stretches(
            read_records.ids, read_records.at, fixed(np.array(rows, np.int64)), read_units, VOCABULARY,
            Pairs(*nothing, fixed(limits)), fixed(np.array(bits)), bar, marks, spots, left, windows, made,
        )  # fmt: skip
        return left[:count].tolist(), windows[:count], made[:count]

    every, windows, made = weigh(0.0, 0.0, 0.0, 0.0)
    assert every == list(range(len(rows)))
    asked = [data.draw(st.floats(0.0, most)) for most in (40.0, 1.0, 1.0, 1.7)]
    left, *some = weigh(*asked)
    assert np.array_equal(some[0], windows[left])
    assert np.array_equal(some[1], made[left])
    lengths = np.diff(read_records.at)[[r for r, _, _ in rows]]
    alike = alikeness(made, lengths, sizes[[u for _, u, _ in rows]])
    enough = (alike.shared >= asked[1] * alike.every) | (made[:, 0] >= asked[2] * made[:, 1])
    enough |= alike.beyond_chance >= asked[3]
    enough &= alike.shared >= asked[0]
    assert {k for k, row in enumerate(rows) if row[2] < 0 or enough[k]} <= set(left)
    for (r, u, stretch), (start, end, low, high), row in zip(
        rows, windows.tolist(), made.tolist(), strict=True
    ):
        base, record, width = int(read_records.at[r]), records[r], int(window_widths(sizes)[u])
        from_, to = 0, len(record)
        if stretch >= 0:
            from_, to = max(stretch - 1, 0) << shifts[u], min(stretch + 1 << shifts[u], to)
        shares = [shared_bits(units[u], record[k : min(k + width, to)], bits) for k in range(from_, to)]
        window = record[start - base : end - base]
        assert row == pytest.approx(scores(units[u], window, bits))
        assert row[0] + row[2] == pytest.approx(max(shares, default=0.0))
        assert len(window) <= width
        assert not window or shared_bits(units[u], window[1:], bits) < row[0] + row[2] - 1e-9
        assert not window or shared_bits(units[u], window[:-1], bits) < row[0] + row[2] - 1e-9
        assert base <= low <= start <= end <= high <= base + len(record)
        assert high - low >= min(len(units[u]), len(record))
