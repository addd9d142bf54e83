"""Hits: what was found and weighed, as a table.

The one idea: hits of every rule get the same columns. An n-gram rule brings its overlap and its spans along,
the others are rows of what was weighed, one for each text of a wording. A row of a text becomes one of each
instance that has it only when columns are made. They are named, sorted and cut into lists of spans here, and
nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tulu_data.decontaminate.evidence import Evidence
from tulu_data.decontaminate.index import Index
from tulu_data.decontaminate.near import Near
from tulu_data.decontaminate.segments import FIELDS
from tulu_data.decontaminate.settling import MATCHES, PHRASE, Weighed, rarities, settle
from tulu_data.decontaminate.sighting import Kept, Sightings, Watch
from tulu_data.engine.local import ordered_map
from tulu_data.kernels.alignment import count_characters
from tulu_data.kernels.tokens import tokens_of
from tulu_data.kernels.words import Ints, fixed
from tulu_data.schema import TEXT
from tulu_data.specs.rules import AnyRule, GramRule, IdfRule, LexicalRule

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

`record` is the position in the scanned stream, from 0. `overlap` is what the rule measures, `match` one of
MATCHES, `information` the bits of the instance's words that the record holds in order. Spans are half-open
ranges of characters in the original texts: of message `turn` (from 0, all roles counted), and of the
instance's `field`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What one piece of a stream holds."""

    position: int
    """Of its first record in the stream."""
    count: int
    text_bytes: int
    evidence: list[Evidence]
    """For each rule of n-gram overlap."""
    near: list[Near]
    """For each rule that compares whole texts."""
    sightings: Kept
    records: Ints
    """Records of the piece with a sighting, in order."""
    ids: pa.Array
    """Their ids."""
    kept: list[pa.Array]
    """Their other columns that hits carry."""


@dataclass(slots=True)
class _Rows:
    """Hits of one rule."""

    rule: str
    record: Ints
    """Position in the piece."""
    unit: Ints
    """The first of the units of its text, which stands for all of them."""
    overlap: NDArray[np.float64]
    sighting: Ints
    theirs: Ints
    """(turn, first character, end character) of each span of a record."""
    their_sizes: Ints
    ours: Ints
    our_sizes: Ints


class _Names:
    """How units are called, and which are the texts of each wording; made once for all pieces."""

    def __init__(self, index: Index) -> None:
        """Look everything up by unit."""
        sizes = [one.instances.num_rows for one in index.suites]
        at = pa.array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)[index.suite] + index.row)
        self.suite = pa.array([one.name for one in index.suites], TEXT).take(pa.array(index.suite))
        self.split, self.instance = (_instance_column(index, name).take(at) for name in ("split", "id"))
        self.field = pa.array(FIELDS, TEXT).take(pa.array(index.field))
        first = np.flatnonzero(np.diff(index.copies.at))
        group = index.wording.group[first]
        self.texts = first[np.argsort(group, kind="stable")]
        """Units, the first of each text, in the order of their wordings."""
        self.first = np.concatenate([[0], np.cumsum(np.bincount(group, minlength=index.wording.texts))])
        """Where those of each wording start, and their total at the end."""


def no_hits(keep: Sequence[str] = ()) -> pa.Table:
    """Return a table of no hits that carry some text columns."""
    return pa.schema([*HITS, *((name, TEXT) for name in keep)]).empty_table()


def hits_of(
    index: Index, streams: list[list[Piece]], watches: list[Watch], keep: Sequence[str], workers: int
) -> list[pa.Table]:
    """Weigh what streams hold; return the hits of each, in schema HITS with the columns that `keep` names."""
    records = sum(piece.count for stream in streams for piece in stream)
    bits = rarities(watches, index.wording, records)
    names = _Names(index)

    def judge(piece: Piece) -> pa.Table:
        weighed = settle(piece.sightings.apart(), index.wording, bits)
        rows = [_gram_rows(index, k, piece, weighed.sightings) for k in range(len(index.rules.grams))]
        rows += [
            _weighed_rows(index, names, rule.name, weighed, *_chosen(index, rule, piece, weighed))
            for rule in index.rules.rules
            if not isinstance(rule, GramRule)
        ]
        return _table(index, names, rows, weighed, piece, keep)

    return [pa.concat_tables([no_hits(keep), *ordered_map(judge, stream, workers)]) for stream in streams]


def _gram_rows(index: Index, number: int, piece: Piece, sightings: Sightings) -> _Rows:
    """Return the hits of a rule of n-gram overlap."""
    found = piece.evidence[number]
    hits = found.hits
    return _Rows(
        rule=index.rules.grams[number].name, record=hits[:, 0], unit=hits[:, 1],
        overlap=hits[:, 2] / hits[:, 3],
        sighting=_sighted(index, sightings, hits[:, 0], index.wording.group[hits[:, 1]]),
        theirs=found.theirs, their_sizes=np.diff(hits[:, 4], prepend=0),
        ours=found.ours, our_sizes=np.diff(hits[:, 5], prepend=0),
    )  # fmt: skip


def _chosen(index: Index, rule: AnyRule, piece: Piece, weighed: Weighed) -> tuple[Ints, NDArray[np.float64]]:
    """Return the sightings that are hits of a rule, and what it measures of each."""
    if isinstance(rule, IdfRule):
        measured = weighed.same
        whole = np.diff(index.wording.at)[weighed.sightings.wording] >= PHRASE
        worth = weighed.match != MATCHES.index("common")
        chosen = np.flatnonzero((measured > rule.threshold) & worth & whole)
        return chosen, measured[chosen]
    if isinstance(rule, LexicalRule):
        measured = weighed.likeness
        alike = weighed.reworded | (weighed.match == MATCHES.index("item"))
        chosen = np.flatnonzero(alike & (measured > rule.threshold))
        return chosen, measured[chosen]
    near = piece.near[[each.name for each in index.rules.near].index(rule.name)]
    return _sighted(index, weighed.sightings, near.pairs[:, 0], near.pairs[:, 1]), near.overlap


def _sighted(index: Index, sightings: Sightings, record: Ints, wording: Ints) -> Ints:
    """Return the sighting of each record and wording."""
    texts = index.wording.texts
    found: Ints = np.searchsorted(sightings.record * texts + sightings.wording, record * texts + wording)
    return found


def _weighed_rows(
    index: Index, names: _Names, rule: str, weighed: Weighed, chosen: Ints, measured: NDArray[np.float64]
) -> _Rows:
    """Return the hits of a rule that are some of the sightings, one for each text of a wording."""
    places, owner = _places(names.first, weighed.sightings.wording[chosen])
    sighting, unit = chosen[owner], names.texts[places]
    theirs, their_sizes = _record_spans(weighed, sighting)
    ours, our_sizes = _instance_spans(index, weighed, sighting, unit)
    return _Rows(
        rule=rule, record=weighed.sightings.record[sighting], unit=unit, overlap=measured[owner],
        sighting=sighting, theirs=theirs, their_sizes=their_sizes, ours=ours, our_sizes=our_sizes,
    )  # fmt: skip


def _places(at: Ints, chosen: Ints) -> tuple[Ints, Ints]:
    """Return the places of some ranges, and the range of each, counted from 0."""
    sizes = at[chosen + 1] - at[chosen]
    ends = np.cumsum(sizes)
    owner = np.repeat(np.arange(len(chosen)), sizes)
    return np.repeat(at[chosen] - (ends - sizes), sizes) + np.arange(ends[-1] if len(ends) else 0), owner


def _record_spans(weighed: Weighed, sighting: Ints) -> tuple[Ints, Ints]:
    """Return where the matched words of sightings stand in their records."""
    seen = weighed.sightings
    places, owner = _places(seen.at, sighting)
    matched = weighed.held[places]
    places, owner = places[matched], owner[matched]
    turn = seen.turn[places].astype(np.int64)
    spans, of = _runs(owner, places, turn, seen.characters[places].astype(np.int64))
    return np.column_stack([turn[spans[:, 0]], spans[:, 1:]]), np.bincount(of, minlength=len(sighting))


def _instance_spans(index: Index, weighed: Weighed, sighting: Ints, unit: Ints) -> tuple[Ints, Ints]:
    """Return where the matched words stand in instances."""
    known, which = np.unique(unit, return_inverse=True)
    begin, end = index.units.begin[known], index.units.end[known]
    tokens = tokens_of(index.units.text, begin, end)
    characters = np.empty((len(tokens.keys), 2), np.int32)
    sizes = np.diff(tokens.at)
    count_characters(index.units.text, fixed(np.repeat(begin, sizes)), fixed(tokens.places), characters)
    places, owner = _places(weighed.shared_at, sighting)
    matched = np.flatnonzero(weighed.shared[places])
    nothing = np.zeros(len(matched), np.int64)
    # The words of a wording are those of each of its texts.
    spelled = characters[_places(tokens.at, which)[0][matched]].astype(np.int64)
    spans, of = _runs(owner[matched], matched, nothing, spelled)
    return spans[:, 1:], np.bincount(of, minlength=len(sighting))


def _runs(owner: Ints, places: Ints, turn: Ints, characters: Ints) -> tuple[Ints, Ints]:
    """Join words that stand side by side: (first row, first character, end character) rows, their owners."""
    first = np.ones(len(places), np.bool_)
    first[1:] = (np.diff(owner) != 0) | (np.diff(places) != 1) | (np.diff(turn) != 0)
    start = np.flatnonzero(first)
    last = np.flatnonzero(np.append(first[1:], len(places) > 0))
    return np.column_stack([start, characters[start, 0], characters[last, 1]]), owner[start]


def _table(
    index: Index, names: _Names, rows: list[_Rows], weighed: Weighed, piece: Piece, keep: Sequence[str]
) -> pa.Table:
    """Make rows of texts into hits of instances, sorted and named, with spans as lists."""
    record, text, overlap, sighting = (
        np.concatenate([getattr(row, name) for row in rows])
        for name in ("record", "unit", "overlap", "sighting")
    )
    rule = np.repeat(np.arange(len(rows)), [len(row.record) for row in rows])
    places, row = _places(index.copies.at, text)
    unit = index.copies.units[places]
    order = np.argsort((record[row] * len(index.suite) + unit) * len(rows) + rule[row], kind="stable")
    row, unit = row[order], unit[order]
    match = np.where(_is_scrap(index, unit), MATCHES.index("partial"), weighed.match[sighting][row])
    units, at = pa.array(unit), pa.array(np.searchsorted(piece.records, record)[row])
    columns = [
        pa.array(record[row] + piece.position), piece.ids.take(at), names.suite.take(units),
        names.split.take(units), names.instance.take(units),
        pa.array([each.rule for each in rows], TEXT).take(pa.array(rule[row])), names.field.take(units),
        pa.array(overlap[row]), pa.array(MATCHES, TEXT).take(pa.array(match)),
        pa.array(weighed.information[sighting][row]),
        _lists([each.theirs for each in rows], [each.their_sizes for each in rows], row, RECORD_SPAN),
        _lists([each.ours for each in rows], [each.our_sizes for each in rows], row, INSTANCE_SPAN),
    ]  # fmt: skip
    kept = [column.take(at) for column in piece.kept]
    return pa.table([*columns, *kept], schema=no_hits(keep).schema)


def _is_scrap(index: Index, unit: Ints) -> NDArray[np.bool_]:
    """Tell which texts are passages of a few words: such a one says nothing about what is asked of it."""
    passage = index.field[unit] == FIELDS.index("passage")
    scrap: NDArray[np.bool_] = passage & (index.words[unit] < PHRASE)
    return scrap


def _lists(spans: list[Ints], sizes: list[Ints], row: Ints, kind: pa.StructType) -> pa.ListArray:
    """Return the spans of some rows, a row as often as it is named."""
    every, size = np.concatenate(spans), np.concatenate(sizes)
    places, _ = _places(np.concatenate([[0], np.cumsum(size)]), row)
    columns = [pa.array(every[:, k][places]).cast(field.type) for k, field in enumerate(kind)]
    offsets = np.concatenate([[0], np.cumsum(size[row])]).astype(np.int32)
    structs = pa.StructArray.from_arrays(columns, fields=list(kind))
    return pa.ListArray.from_arrays(pa.array(offsets), structs)


def _instance_column(index: Index, name: str) -> pa.Array:
    """Return a column of the instances of all suites."""
    chunks = [chunk for one in index.suites for chunk in one.instances[name].chunks]
    return pa.chunked_array(chunks, TEXT).combine_chunks()
