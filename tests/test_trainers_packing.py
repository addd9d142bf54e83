"""Packing: every token exactly once, whole documents, rows within bounds, the same every time."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainer_fixtures import config

from trainers.configs import SftConfig
from trainers.data import Documents
from trainers.packing import (
    IGNORED,
    best_fit,
    collate,
    count_steps,
    epoch_steps,
    micro_batches,
    ranked,
    steps_from,
)

LENGTHS = st.lists(st.integers(2, 64), min_size=1, max_size=120)


def documents_of(lengths: list[int], per_record: int = 1) -> Documents:
    """Return documents whose tokens are all different, every second one a target."""
    total = sum(lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    supervised = np.arange(total) % 2 == 1
    supervised[offsets[:-1]] = False
    return Documents(
        tokens=np.arange(total, dtype=np.int32),
        supervised=supervised,
        offsets=offsets,
        records=np.arange(len(lengths)) // per_record,
        counts={},
    )


@given(LENGTHS)
def test_best_fit_places_every_document_once_within_the_capacity(lengths):
    rows = best_fit(lengths, 64)
    assert sorted(i for row in rows for i in row) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in row) <= 64 for row in rows)


@given(LENGTHS)
def test_best_fit_equals_the_plain_quadratic_search(lengths):
    rooms: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        fitting = [r for r in rooms if r >= lengths[i]]
        rooms.remove(min(fitting)) if fitting else None
        rooms.append((min(fitting) if fitting else 64) - lengths[i])
    found = [64 - sum(lengths[i] for i in row) for row in best_fit(lengths, 64)]
    assert sorted(found) == sorted(rooms)


@pytest.mark.parametrize("packing", ["global", "step", "none"])
@given(LENGTHS, st.integers(1, 9), st.integers(0, 3))
def test_an_epoch_holds_every_document_once_and_is_the_same_every_time(packing, lengths, batch_size, epoch):
    documents = documents_of(lengths)
    settings = config(packing=packing, batch_size=batch_size, max_length=64, seed=5)
    steps = epoch_steps(documents, settings, epoch)
    assert sorted(d for s in steps for row in s.rows for d in row) == list(range(len(lengths)))
    assert [s.index for s in steps] == list(range(len(steps)))
    assert steps == epoch_steps(documents, settings, epoch)
    if packing != "global":
        sizes = [sum(len(row) for row in s.rows) for s in steps]
        assert sizes[:-1] == [batch_size] * (len(sizes) - 1)


@given(LENGTHS, st.integers(64, 512), st.booleans())
def test_batches_hold_every_token_once_with_its_target(lengths, budget, flat):
    documents = documents_of(lengths)
    rows = best_fit(lengths, 64)
    seen: Counter[int] = Counter()
    targets: Counter[int] = Counter()
    for group in micro_batches(rows, documents.lengths, budget):
        batch = collate(documents, group, flat=flat)
        assert flat or batch.input_ids.numel() <= budget
        ids, positions, labels = (t.numpy() for t in (batch.input_ids, batch.position_ids, batch.labels))
        for r in range(len(ids)):
            used = sum(lengths[d] for row in ([group[r]] if not flat else group) for d in row)
            seen.update(ids[r, :used].tolist())
            targets.update(labels[r][labels[r] != IGNORED].tolist())
            at = np.flatnonzero(labels[r] != IGNORED)
            assert (labels[r, at] == ids[r, at] + 1).all()
            assert (positions[r, at + 1] == positions[r, at] + 1).all()
            assert (positions[r, used:] == 0).all()
    assert seen == Counter(range(sum(lengths)))
    assert targets == Counter(documents.tokens[documents.supervised].tolist())


@given(LENGTHS, st.sampled_from(["global", "step"]), st.integers(1, 25), st.integers(0, 30))
def test_a_cursor_continues_with_the_very_next_step(lengths, packing, total, cut):
    documents = documents_of(lengths)
    settings = config(packing=packing, max_length=64, batch_size=4)
    whole = list(steps_from(documents, settings, total=total))
    assert len(whole) == total
    done = min(cut, total - 1)
    cursor = (whole[done - 1].epoch, whole[done - 1].index + 1) if done else (0, 0)
    rest = list(steps_from(documents, settings, total=total, epoch=cursor[0], index=cursor[1]))
    assert rest == whole[done:]


def test_a_step_of_global_packing_holds_batch_size_records_on_average():
    lengths = ranked(4000, 1) % 200 + 20
    settings = config(packing="global", max_length=1024, micro_batch_tokens=1024, batch_size=128)
    steps = epoch_steps(documents_of(lengths.tolist()), settings, 0)
    assert sum(len(row) for s in steps for row in s.rows) / len(steps) == pytest.approx(128, rel=0.05)


def test_epochs_and_seeds_have_their_own_order():
    documents = documents_of([10] * 50)
    orders = [
        [
            d
            for s in epoch_steps(documents, config(seed=seed, packing="none"), epoch)
            for row in s.rows
            for d in row
        ]
        for seed, epoch in ((0, 0), (0, 1), (1, 0))
    ]
    assert len({tuple(order) for order in orders}) == 3


def test_the_order_is_pinned():
    assert ranked(8, 3, 1).tolist() == [5, 6, 3, 7, 0, 1, 2, 4]


def test_documents_of_one_record_stay_in_its_step():
    documents = documents_of([20] * 30, per_record=3)
    settings = config(packing="step", batch_size=2, max_length=64)
    for step in epoch_steps(documents, settings, 0):
        inside = {d for row in step.rows for d in row}
        records = {d // 3 for d in inside}
        assert len(records) == 2
        assert inside == {3 * r + k for r in records for k in range(3)}


def test_steps_are_counted_over_epochs():
    documents = documents_of([10] * 50)
    by_epochs = SftConfig(packing="none", batch_size=8, epochs=3)
    assert count_steps(documents, by_epochs) == 3 * 7
    assert count_steps(documents, SftConfig(packing="none", batch_size=8, steps=11)) == 11
