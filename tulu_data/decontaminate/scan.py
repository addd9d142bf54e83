"""Scan record batches for eval instances.

The one idea: a batch is judged alone and in place, by threads that share nothing but the index, and
results are joined in the order of the stream; so hits do not depend on workers or on where batches
begin. Scanned are the user turns of a record (of the prompt, for preferences). It drops nothing.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tulu_data.decontaminate.evidence import Evidence, explain
from tulu_data.decontaminate.index import FIELDS, Index
from tulu_data.engine.local import default_workers, ordered_map
from tulu_data.kernels.buffers import Messages, messages_of
from tulu_data.kernels.coverage import Scratch, Turns, candidates, find_pairs, new_scratch
from tulu_data.kernels.folding import folding
from tulu_data.kernels.jit import is_compiled
from tulu_data.kernels.record_ids import record_ids
from tulu_data.kernels.words import Ints, hash_texts
from tulu_data.schema import TEXT, Kind

Match = Literal["item", "template", "partial", "common"]
"""What of an eval instance a record holds.

`item`: the instance itself. `template`: its wording with other numbers. `partial`: a part of it only.
`common`: a phrase so common that it proves nothing. Only an item is contamination.
"""
MATCHES: tuple[Match, ...] = get_args(Match)
RECORD_SPAN = pa.struct([("turn", pa.int32()), ("start", pa.int64()), ("end", pa.int64())])
INSTANCE_SPAN = pa.struct([("start", pa.int64()), ("end", pa.int64())])
HITS = pa.schema(
    [
        ("record", pa.int64()), ("id", TEXT), ("suite", TEXT), ("split", TEXT), ("instance", TEXT),
        ("rule", TEXT), ("field", TEXT), ("overlap", pa.float64()), ("match", TEXT),
        ("information", pa.float64()),
        ("record_spans", pa.list_(RECORD_SPAN)), ("instance_spans", pa.list_(INSTANCE_SPAN)),
    ]
)  # fmt: skip
"""Arrow schema of hits.

`record` is the position in the scanned stream, from 0. `match` is one of MATCHES; `information` is the
rarity of the matched words in bits, 0.0 where the rule weighs none. Spans are half-open ranges of characters
in the original texts: of message `turn` (from 0, all roles counted), and of the instance's `field`.
"""

_PIECE = 4096
"""Records judged at a time: small enough to keep every thread busy, large enough to forget the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """What a scan found."""

    table: pa.Table
    """Schema HITS, ordered by record, then suite, field and instance."""
    records: int
    """Records scanned."""
    text_bytes: int
    """Bytes of user turns that were read."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The hits of one piece of the stream."""

    hits: pa.Table
    records: int
    text_bytes: int


def scan(
    batches: Iterable[pa.RecordBatch],
    kind: Kind,
    index: Index,
    *,
    workers: int | None = None,
    keep: Sequence[str] = (),
) -> Hits:
    """Find every hit in batches of normalised or version records; filter them first where not all count.

    Hits carry the columns of their records that `keep` names, after those of HITS. A record whose id is
    null gets it when it is hit.
    """
    local = threading.local()

    def judge(piece: tuple[int, pa.RecordBatch]) -> _Found:
        if not hasattr(local, "scratch"):
            local.scratch = new_scratch(index.grams)
        return _judge(piece[0], piece[1], kind, index, local.scratch, keep)

    found = list(ordered_map(judge, _pieces(batches), workers or default_workers()))
    return Hits(
        table=pa.concat_tables([f.hits for f in found if f.hits.num_rows] or [_no_hits(keep)]),
        records=sum(f.records for f in found),
        text_bytes=sum(f.text_bytes for f in found),
    )


def is_ready() -> bool:
    """Tell whether a scan can start at once; if not, it compiles its kernels first, for some seconds."""
    return is_compiled(hash_texts) and is_compiled(find_pairs)


def _pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield slices of the batches, each with the position of its first record in the stream."""
    position = 0
    for batch in batches:
        for start in range(0, batch.num_rows, _PIECE):
            piece = batch.slice(start, _PIECE)
            yield position, piece
            position += piece.num_rows


def _judge(
    position: int, batch: pa.RecordBatch, kind: Kind, index: Index, scratch: Scratch, keep: Sequence[str]
) -> _Found:
    """Find the hits of one piece."""
    turns = user_turns(messages_of(batch.column("prompt" if kind == "preference" else "messages")))
    pairs = candidates(turns, index.grams, index.measure, scratch, folding())
    if len(pairs):
        evidence = explain(turns, pairs, index.units, index.grams, index.measure)
        table = _table(position, batch, kind, index, evidence, keep)
    else:
        table = HITS.empty_table()
    return _Found(table, batch.num_rows, int(np.sum(turns.end - turns.begin)))


def user_turns(messages: Messages) -> Turns:
    """List the user turns of every record, in place."""
    offsets, content = messages.offsets, messages.content
    low, high = int(offsets[0]), int(offsets[-1])
    record = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    chosen = _is_user(messages, low, high) & content.valid[low:high] & messages.valid[record]
    at = np.flatnonzero(chosen) + low
    owner = record[chosen]
    first = np.searchsorted(owner, np.arange(len(offsets)))
    return Turns(
        content.bytes,
        content.offsets[:-1][at],
        content.offsets[1:][at],
        at - offsets[owner],
        first.astype(np.int64),
    )


def _is_user(messages: Messages, low: int, high: int) -> NDArray[np.bool_]:
    """Tell which messages from `low` to `high` have the role `user`."""
    role = messages.role
    begin, end = role.offsets[low:high], role.offsets[low + 1 : high + 1]
    user: NDArray[np.bool_] = (end - begin == 4) & role.valid[low:high]
    for k, letter in enumerate(b"user"):
        user[user] = role.bytes[begin[user] + k] == letter
    return user


def _no_hits(keep: Sequence[str]) -> pa.Table:
    """Return a table of no hits that carry some text columns."""
    return pa.schema([*HITS, *((name, TEXT) for name in keep)]).empty_table()


def _ids(batch: pa.RecordBatch, kind: Kind, record: Ints) -> pa.Array:
    """Return the ids of the records of hits, making those that the batch lacks."""
    hit, at = np.unique(record, return_inverse=True)
    records = batch.take(pa.array(hit))
    ids = records.column("id")
    return (record_ids(records, kind) if ids.null_count else ids).take(pa.array(at))


def _table(
    position: int, batch: pa.RecordBatch, kind: Kind, index: Index, evidence: Evidence, keep: Sequence[str]
) -> pa.Table:
    """Name records and instances, and turn spans into lists."""
    hits, theirs, ours = evidence.hits, evidence.theirs, evidence.ours
    record, unit = hits[:, 0], hits[:, 1]
    suite, row = index.suite[unit], index.row[unit]
    instances = {name: _instance_column(index, name, suite, row) for name in ("split", "id")}
    names = pa.array([s.name for s in index.suites], TEXT)
    record_spans = pa.StructArray.from_arrays(
        [pa.array(theirs[:, 0], pa.int32()), pa.array(theirs[:, 1]), pa.array(theirs[:, 2])],
        fields=list(RECORD_SPAN),
    )
    instance_spans = pa.StructArray.from_arrays(
        [pa.array(ours[:, 0]), pa.array(ours[:, 1])], fields=list(INSTANCE_SPAN)
    )
    columns = [
        pa.array(record + position), _ids(batch, kind, record), names.take(pa.array(suite)),
        instances["split"], instances["id"],
        pa.repeat(pa.scalar(index.rule.name, TEXT), len(hits)),
        pa.array(FIELDS, TEXT).take(pa.array(index.field[unit])),
        pa.array(hits[:, 2] / hits[:, 3]), pa.repeat(pa.scalar("item", TEXT), len(hits)),
        pa.repeat(0.0, len(hits)),
        _lists(hits[:, 4], record_spans), _lists(hits[:, 5], instance_spans),
    ]  # fmt: skip
    kept = [batch.column(name).take(pa.array(record)) for name in keep]
    return pa.table([*columns, *kept], schema=_no_hits(keep).schema)


def _instance_column(index: Index, name: str, suite: Ints, row: Ints) -> pa.Array:
    """Take a column of the suites' instances, one value per hit."""
    sizes = [one.instances.num_rows for one in index.suites]
    base = np.concatenate([[0], np.cumsum(sizes)])
    chunks = [chunk for one in index.suites for chunk in one.instances[name].chunks]
    every = pa.chunked_array(chunks, TEXT)
    return every.take(pa.array(base[suite] + row)).combine_chunks()


def _lists(ends: Ints, values: pa.StructArray) -> pa.ListArray:
    """Cut values into lists that end at `ends`."""
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values)
