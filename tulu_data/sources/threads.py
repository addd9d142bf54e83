"""Rows that are single messages of conversation trees, joined: every answer with what leads to it.

The one idea: a message names its parent, so an answer's conversation is the way from its root. Each answer
becomes a row that keeps its own columns and number and gains one column, `thread`: the messages, whether this
is the best way (`best`), whether it goes on to no further answer (`leaf`), and how many turns it has. A tree
may be scattered over its file, so a file is held whole, up to a bound. What belongs to no tree is a bad row.
It chooses no thread: a condition (`where: thread.best AND thread.leaf`) does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from tulu_data.errors import SourceError, nearest
from tulu_data.schema import TEXT
from tulu_data.sources.adapters.parts import any_text, whole
from tulu_data.sources.forest import Forest, Message
from tulu_data.sources.json_values import dump
from tulu_data.sources.rows import RAW_LIMIT, BadRow, RawBatch
from tulu_data.sources.tree_rows import flattened, holds_trees

COLUMN = "thread"
NEEDED = ("message_id", "parent_id", "role", "text")
MOST_BYTES = 8 << 30
"""Bytes of columns that a file may hold; its trees cannot be told before all of it is read."""
_BATCH_TURNS = 1 << 15
"""Messages of threads in a batch, about."""

_TURN = pa.struct([("role", TEXT), ("content", TEXT)])
THREAD = pa.struct(
    [("messages", pa.list_(_TURN)), ("turns", pa.int64()), ("best", pa.bool_()), ("leaf", pa.bool_())]
)
"""Type of the column that is added."""


def joined(batches: Iterator[RawBatch], only: frozenset[str] | None, name: str) -> Iterator[RawBatch]:
    """Yield answers as rows, with the column `thread`; `only` names the columns to give if not all.

    Raises SourceError where the rows are no messages of trees, or too many to be held.
    """
    held = _held(batches, name)
    messages = [message for batch in held for message in _messages(batch)]
    if not messages:
        yield from held
        return
    forest = Forest(messages)
    texts = pa.concat_arrays([_texts(batch) for batch in held if batch.table.num_rows])
    roles = pa.array([message.role for message in messages], TEXT)
    start = 0
    for batch in held:
        numbers = range(start, start + batch.table.num_rows)
        start = numbers.stop
        yield from _threaded(batch, numbers, forest, (roles, texts), only)


def answers_through(batches: Iterator[RawBatch], row: int, name: str) -> list[int]:
    """Return the rows that end the threads of which the message of a row is a part."""
    held = _held(batches, name)
    numbers = [number for batch in held for number in batch.rows.to_pylist()]
    if row not in numbers:
        return []
    forest = Forest([message for batch in held for message in _messages(batch)])
    found, waiting = list[int](), [numbers.index(row)]
    while waiting:
        message = waiting.pop()
        found += [numbers[message]] if forest.is_thread(message) else []
        waiting += forest.replies.get(message, ())
    return sorted(found)


def _held(batches: Iterator[RawBatch], name: str) -> list[RawBatch]:
    """Read all rows, trees taken apart into messages; raise SourceError where they are none, or too large."""
    held, size, count = list[RawBatch](), 0, 0
    for batch in batches:
        flat = flattened(batch, count) if holds_trees(batch.table.schema) else batch
        count += flat.read
        size += flat.table.nbytes
        if size > MOST_BYTES:
            raise SourceError(
                f"{name}: more than {MOST_BYTES >> 30} GiB of messages, and trees are joined with the whole "
                "file in memory; cut it into files of whole trees"
            )
        if flat.table.num_rows:
            _check(flat.table.column_names)
        held.append(flat)
    return held


def _check(have: Sequence[str]) -> None:
    """Raise SourceError where rows lack what makes them messages of trees."""
    missing = [name for name in NEEDED if name not in have]
    if missing:
        raise SourceError(
            f"no column {missing[0]!r}{nearest(missing[0], have)} (columns: {', '.join(sorted(have))}); "
            f"adapter 'threads' joins messages by {', '.join(NEEDED)}, or takes apart trees (prompt with "
            "replies)"
        )


def _messages(batch: RawBatch) -> Iterator[Message]:
    """Yield what a batch says of its messages."""
    names = ["message_id", "parent_id", "role", "rank", "deleted", "labels"]
    found = [batch.table.column(n).to_pylist() if n in batch.table.column_names else None for n in names]
    silent = _texts(batch).is_null().to_pylist() if batch.table.num_rows else []
    for row in range(batch.table.num_rows):
        ident, parent, role, rank, deleted, labels = (c[row] if c else None for c in found)
        yield Message(
            ident=_word(ident), parent=_word(parent), role=_word(role), silent=silent[row],
            rank=float(rank) if isinstance(rank, int | float) else None,
            quality=_quality(labels), deleted=deleted is True,
        )  # fmt: skip


def _texts(batch: RawBatch) -> pa.Array:
    """Return what the messages of a batch say."""
    return any_text(whole(batch.table.column("text")))


def _word(value: object) -> str | None:
    return None if value is None else str(value)


def _quality(labels: object) -> float:
    """Return what people gave as `quality`: of {name: [...], value: [...]}, or {quality: {value: ...}}."""
    if not isinstance(labels, dict):
        return 0.0
    names, values = labels.get("name"), labels.get("value")
    if isinstance(names, list) and isinstance(values, list) and "quality" in names[: len(values)]:
        return float(values[names.index("quality")] or 0.0)
    inner = labels.get("quality")
    value = inner.get("value") if isinstance(inner, dict) else inner
    return float(value) if isinstance(value, int | float) else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """A row of a batch, and the messages of its thread."""

    row: int
    message: int
    turns: tuple[int, ...]


def _threaded(
    batch: RawBatch,
    numbers: range,
    forest: Forest,
    texts: tuple[pa.Array, pa.Array],
    only: frozenset[str] | None,
) -> Iterator[RawBatch]:
    """Yield the answers of a batch, a bounded number of turns at a time; its bad rows come first."""
    bad = [*batch.bad, *_bad(batch, numbers, forest)]
    ways, turns = list[_Way](), 0
    for row, message in enumerate(numbers):
        if not forest.is_thread(message):
            continue
        way = forest.way(message)
        if ways and turns + len(way) > _BATCH_TURNS:
            yield _joined(batch, ways, forest, texts, only, bad)
            ways, turns, bad = [], 0, []
        ways.append(_Way(row=row, message=message, turns=way))
        turns += len(way)
    if ways or bad:
        yield _joined(batch, ways, forest, texts, only, bad)


def _bad(batch: RawBatch, numbers: range, forest: Forest) -> Iterator[BadRow]:
    """Describe the messages of a batch that belong to no tree."""
    for row, message in enumerate(numbers):
        trouble = forest.troubles.get(message)
        if trouble is not None:
            number = batch.rows[row].as_py()
            line = batch.line
            raw = line(number) if line else dump(batch.table.slice(row, 1).to_pylist()[0])
            yield BadRow(row=number, reason=trouble.reason, detail=trouble.detail, raw=raw[:RAW_LIMIT])


def _joined(
    batch: RawBatch,
    ways: Sequence[_Way],
    forest: Forest,
    texts: tuple[pa.Array, pa.Array],
    only: frozenset[str] | None,
    bad: Sequence[BadRow],
) -> RawBatch:
    """Lay some threads out beside the rows that they end with."""
    rows = pa.array([way.row for way in ways], pa.int64())
    table = batch.table.take(rows)
    if COLUMN in table.column_names:
        table = table.drop_columns([COLUMN])
    table = table.append_column(COLUMN, _thread(ways, forest, texts))
    if only is not None:
        table = table.select([name for name in table.column_names if name.lower() in only])
    return replace(batch, table=table, rows=batch.rows.take(rows), bad=tuple(bad))


def _thread(ways: Sequence[_Way], forest: Forest, texts: tuple[pa.Array, pa.Array]) -> pa.Array:
    """Return the column of threads."""
    counts = np.array([len(way.turns) for way in ways], dtype=np.int64)
    index = pa.array([message for way in ways for message in way.turns], pa.int64())
    turns = pa.StructArray.from_arrays([part.take(index) for part in texts], fields=list(_TURN))
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    columns = [
        pa.ListArray.from_arrays(offsets, turns), pa.array(counts),
        pa.array([way.message in forest.best for way in ways], pa.bool_()),
        pa.array([way.message in forest.leaves for way in ways], pa.bool_()),
    ]  # fmt: skip
    return pa.StructArray.from_arrays(columns, fields=list(THREAD))
