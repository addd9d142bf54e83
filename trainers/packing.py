"""Documents become steps, rows and micro-batches of tensors.

The one idea: which records a step learns from and how they are laid out in rows are plain lists of
numbers, a function of (documents, config, seed, epoch); tensors come last. Documents in one row
restart their position ids, which is how the attention keeps them apart. Nothing here masks.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from trainers.chat import Ints
from trainers.configs import SftConfig
from trainers.data import Documents

IGNORED = -100
"""Label of a position without a target."""

Row = list[int]
"""Documents that share a row, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one optimizer step learns from."""

    epoch: int
    index: int
    """Position within the epoch, from 0; (epoch, index) is the data cursor."""
    rows: list[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Tensors of one forward pass, all of shape [rows, length]."""

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    labels: torch.Tensor
    """The next token where it is a target of the same document, else IGNORED."""


def ranked(count: int, *key: int) -> Ints:
    """Return a permutation of `count` numbers that depends on the key alone, in every numpy release."""
    bits = np.random.Philox(np.random.SeedSequence(key)).random_raw(count)
    return np.argsort(bits, kind="stable")


def best_fit(lengths: Sequence[int], capacity: int) -> list[Row]:
    """Pack by best-fit decreasing; return the rows, each a list of positions in `lengths`.

    The longest document goes first, into the row it fills best; equal lengths keep their order. No
    row exceeds `capacity`, which no single length may.
    """
    rows: list[Row] = []
    open_rows: dict[int, list[int]] = {}  # room left -> rows with that room, as a stack
    rooms: list[int] = []  # the keys of open_rows, sorted
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        at = bisect_left(rooms, lengths[i])
        if at == len(rooms):
            row, room = len(rows), capacity
            rows.append([])
        else:
            room = rooms[at]
            row = open_rows[room].pop()
            if not open_rows[room]:
                del open_rows[room], rooms[at]
        rows[row].append(i)
        left = room - lengths[i]
        if left not in open_rows:
            open_rows[left] = []
            insort(rooms, left)
        open_rows[left].append(row)
    return rows


def epoch_steps(documents: Documents, config: SftConfig, epoch: int) -> list[Step]:
    """Lay out one epoch: every document once, in steps of `batch_size` records (see SftConfig.packing)."""
    names, first = np.unique(documents.records, return_index=True)
    stops = np.append(first[1:], len(documents))
    order = ranked(len(names), config.seed, epoch, 0)
    by_record = [list(range(first[i], stops[i])) for i in order]
    lengths = documents.lengths.tolist()
    if config.packing == "global":
        groups = _global_groups(by_record, lengths, config, epoch)
    else:
        chunks = [by_record[i : i + config.batch_size] for i in range(0, len(by_record), config.batch_size)]
        flat = [[document for record in chunk for document in record] for chunk in chunks]
        capacity = config.max_length if config.packing == "step" else 0
        groups = [_rows(chunk, lengths, capacity) for chunk in flat]
    return [Step(epoch=epoch, index=i, rows=rows) for i, rows in enumerate(groups)]


def _rows(documents: list[int], lengths: list[int], capacity: int) -> list[Row]:
    """Pack documents into rows of `capacity`, or give each its own where it is 0."""
    if not capacity:
        return [[d] for d in documents]
    return [[documents[i] for i in row] for row in best_fit([lengths[d] for d in documents], capacity)]


def _global_groups(
    by_record: list[list[int]], lengths: list[int], config: SftConfig, epoch: int
) -> list[list[Row]]:
    """Pack the whole epoch, shuffle the rows, deal so many to a step that it holds batch_size records."""
    rows = _rows([d for record in by_record for d in record], lengths, config.max_length)
    rows = [rows[i] for i in ranked(len(rows), config.seed, epoch, 1)]
    size = max(1, round(config.batch_size * len(rows) / max(1, len(by_record))))
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def micro_batches(rows: Sequence[Row], lengths: Ints, budget: int) -> list[list[Row]]:
    """Group rows so that rows x longest row stays within `budget` tokens; the longest come first."""
    sizes = [int(sum(lengths[d] for d in row)) for row in rows]
    groups: list[list[Row]] = []
    widest = 0
    for i in sorted(range(len(rows)), key=lambda i: -sizes[i]):
        if not groups or (len(groups[-1]) + 1) * widest > budget:
            groups.append([])
            widest = sizes[i]
        groups[-1].append(rows[i])
    return groups


def collate(documents: Documents, rows: Sequence[Row], *, flat: bool = False) -> Batch:
    """Build the tensors of one micro-batch; `flat` lays all documents into one row without padding.

    Padding repeats position 0, so that every padding token is a document of its own.
    """
    rows = [[d for row in rows for d in row]] if flat else rows
    lengths = documents.lengths
    width = max(int(sum(lengths[d] for d in row)) for row in rows)
    ids = np.zeros((len(rows), width), np.int64)
    positions = np.zeros((len(rows), width), np.int64)
    labels = np.full((len(rows), width), IGNORED, np.int64)
    for r, row in enumerate(rows):
        at = 0
        for d in row:
            start, stop = int(documents.offsets[d]), int(documents.offsets[d + 1])
            tokens, mask, end = (
                documents.tokens[start:stop],
                documents.supervised[start:stop],
                at + stop - start,
            )
            ids[r, at:end] = tokens
            positions[r, at:end] = np.arange(stop - start)
            labels[r, at : end - 1] = np.where(mask[1:], tokens[1:], IGNORED)
            at = end
    return Batch(
        input_ids=torch.from_numpy(ids),
        position_ids=torch.from_numpy(positions),
        labels=torch.from_numpy(labels),
    )


def steps_from(
    documents: Documents, config: SftConfig, *, total: int, epoch: int = 0, index: int = 0
) -> Iterator[Step]:
    """Yield steps from a data cursor on, over as many epochs as `total` steps from the start need."""
    done = 0
    for at in range(epoch):
        done += len(epoch_steps(documents, config, at))
    done += index
    while done < total:
        for step in epoch_steps(documents, config, epoch)[index:]:
            if done == total:
                return
            yield step
            done += 1
        epoch, index = epoch + 1, 0


def count_steps(documents: Documents, config: SftConfig) -> int:
    """Return the optimizer steps of the run."""
    if config.steps is not None:
        return config.steps
    return sum(len(epoch_steps(documents, config, epoch)) for epoch in range(config.num_epochs))
