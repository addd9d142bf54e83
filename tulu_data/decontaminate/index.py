"""The index of eval suites under some rules: what the scan looks training text up in.

The one idea: every text of an instance (the question, and the passage on its own) is a unit of one flat
n-gram index for each rule that counts n-grams, and of one index of wordings that weighs what any rule finds;
`key` names it all by content. Saved are, each in a file of its own in `.index/` beside the suites: what was
read of one suite (`segments`), its texts as vectors where a model is asked, what all rules share of some
suites, and what a rule has over them, n-grams or MinHash's buckets. So another suite or another rule makes
anew only what depends on it. It reads no training data.
"""

import hashlib
import json
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tulu_data.decontaminate import encoder
from tulu_data.decontaminate.embedding import Embedded, EmbeddedWordings, embed
from tulu_data.decontaminate.encoder import Encoder
from tulu_data.decontaminate.evidence import Units
from tulu_data.decontaminate.minhash import ShingledWordings, shingle
from tulu_data.decontaminate.near import Neighbours
from tulu_data.decontaminate.segments import Segment, joined, read_segment, text_array
from tulu_data.decontaminate.suites import Suite
from tulu_data.decontaminate.suites.cache import FOLDER
from tulu_data.decontaminate.wording import Wording, join_wording
from tulu_data.kernels.alike import Buckets
from tulu_data.kernels.buffers import text_of
from tulu_data.kernels.jit import SOURCES
from tulu_data.kernels.measure import COUNTED, Measure
from tulu_data.kernels.ngrams import Grams, index_units
from tulu_data.kernels.words import Bytes, Ints, fixed
from tulu_data.specs.rules import AnyRule, GramRule, MinHashRule, NearRule, Rules, as_rules
from tulu_data.store.saved import Shelf

INDEX_VERSION = 6
"""Raised whenever the same suites and rules would give another index or other hits."""
SOURCES_OF_ARRAYS = ("index", "segments", "wording", "minhash", "embedding", "encoder")
"""Modules that say what the arrays of some texts are."""
FEW = 4
"""So many joined indexes stay in a folder, and twice as many n-gram indexes: those written last."""


class Copies(NamedTuple):
    """Units of the very same text, of which only the first is looked for."""

    units: Ints
    """Units, those of one text together, the first of them first."""
    at: Ints
    """Where in `units` those of each unit's text start, if it is the first, and their total at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Suites and rules, ready to scan. Units are in the order of suite, field, instance."""

    suites: tuple[Suite, ...]
    rules: Rules
    grams: tuple[Grams, ...]
    """For each rule that counts n-grams."""
    neighbours: tuple[Neighbours, ...]
    """For each rule that compares whole texts."""
    wording: Wording
    units: Units
    """The texts that are indexed, in the order of the numbers of `grams` and `wording`."""
    words: Ints
    """Words of each unit."""
    suite: Ints
    """Suite of each unit."""
    field: Ints
    """Field of each unit: position in FIELDS."""
    row: Ints
    """Instance of each unit: row in its suite's table."""
    copies: Copies

    @property
    def key(self) -> str:
        """Content of the index, 64 hexadecimal digits: rules, suites' names and files."""
        return index_key(self.suites, self.rules)

    def unmatchable(self, suite: int) -> int:
        """Count the instances of a suite that have no word to match."""
        mine = self.suite == suite
        wordy = np.unique(self.row[mine & (self.words > 0)])
        return int(self.suites[suite].instances.num_rows) - len(wordy)


def index_key(suites: Sequence[Suite], rules: Rules) -> str:
    """Name an index by all that it depends on."""
    content = [INDEX_VERSION, rules.to_dict(), [suite.key for suite in suites]]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def measure_of(rule: GramRule) -> Measure:
    """Return a rule as the kernels take it."""
    return Measure(COUNTED.index(rule.measure), rule.threshold, rule.inclusive)


class _Common(NamedTuple):
    """What all rules share."""

    text: Bytes
    begin: Ints
    end: Ints
    words: Ints
    suite: Ints
    field: Ints
    row: Ints
    copies: Copies
    wording: Wording


def build_index(
    suites: Sequence[Suite], rules: Rules | AnyRule | str = "tulu3", *, key_bits: int = 64
) -> Index:
    """Index every question and passage of the suites; fewer `key_bits` make collisions, for tests."""
    nowhere = Shelf(())
    return _index(suites, as_rules(rules), lambda _: nowhere, nowhere, np.uint64((1 << key_bits) - 1))


def open_index(
    suites: Sequence[Suite], rules: Rules | AnyRule | str = "tulu3", *, cache: Path | None = None
) -> Index:
    """Return what `build_index` returns, from saved files as far as they are there, and save the rest.

    A suite's own file lies beside the suite; what is joined of several lies beside the first of them, by
    name, whose folder can be written. Where none can, both lie in the folder `cache`, or are built in
    memory. Only the `FEW` that were written last stay.
    """
    folders = list(dict.fromkeys(suite.beside for suite in suites if suite.beside))

    def shelf_of(suite: Suite) -> Shelf:
        return _shelf([suite.beside] if suite.beside else [], cache)

    return _index(suites, as_rules(rules), shelf_of, _shelf(folders, cache), np.uint64((1 << 64) - 1))


def _shelf(beside: Sequence[Path], instead: Path | None) -> Shelf:
    """Keep values beside the first of some suites, by folder, where they can be written, else elsewhere."""
    return Shelf([*(folder / FOLDER for folder in beside), *([instead] if instead is not None else [])])


def _index(
    suites: Sequence[Suite], rules: Rules, shelf_of: Callable[[Suite], Shelf], shelf: Shelf, mask: np.uint64
) -> Index:
    """Take what is kept and make the rest."""

    @cache
    def segments() -> list[Segment]:
        return [_segment(suite, shelf_of(suite)) for suite in suites]

    def grams_of(rule: GramRule) -> Grams:
        def make() -> Grams:
            hashes, at = joined([segment.words for segment in segments()], 0)
            return index_units(hashes, at, rule.n, mask, measure_of(rule), np.diff(common.copies.at) > 0)

        return shelf.kept("grams", _digest(content, rule.n, *measure_of(rule)), Grams, make, most=2 * FEW)

    def neighbours_of(rule: NearRule) -> Neighbours:
        if isinstance(rule, MinHashRule):
            key = _digest(content, rule.to_dict())
            buckets = shelf.kept("minhash", key, Buckets, lambda: shingle(rule, common.wording), most=FEW)
            return ShingledWordings(rule, buckets)
        model = encoder.installed()
        vectors = [_vectors(suite, shelf_of(suite), model) for suite in suites]
        return EmbeddedWordings(rule, common.wording, vectors, model)

    content = [_content(suite) for suite in suites]
    common = shelf.kept("texts", _digest(content), _Common, lambda: _join(suites, segments()), most=FEW)
    return Index(
        suites=tuple(suites), rules=rules, grams=tuple(grams_of(rule) for rule in rules.grams),
        neighbours=tuple(neighbours_of(rule) for rule in rules.near),
        units=Units(text=common.text, begin=common.begin, end=common.end), wording=common.wording,
        words=common.words, suite=common.suite, field=common.field, row=common.row, copies=common.copies,
    )  # fmt: skip


def _segment(suite: Suite, shelf: Shelf) -> Segment:
    """Return what is to be read of a suite."""
    label = f"words-{hashlib.sha256(suite.name.encode()).hexdigest()[:12]}"
    return shelf.kept(label, _digest(_content(suite)), Segment, lambda: read_segment(suite), most=1)


def _vectors(suite: Suite, shelf: Shelf, model: Encoder) -> Embedded:
    """Return the texts of a suite as vectors of a model."""
    label = f"vectors-{hashlib.sha256(suite.name.encode()).hexdigest()[:12]}"
    key = _digest(_content(suite), model.key)
    return shelf.kept(label, key, Embedded, lambda: embed(text_array([suite]), model), most=1)


def _join(suites: Sequence[Suite], segments: Sequence[Segment]) -> _Common:
    """Put the texts of all suites together."""
    texts = text_array(suites)
    view = text_of(texts)
    begin, end = fixed(view.offsets[:-1]), fixed(view.offsets[1:])
    suite = np.repeat(np.arange(len(segments)), [len(segment.row) for segment in segments])
    words, field, row = (
        fixed(np.concatenate([np.zeros(0, np.int64), *map(part_of, segments)]))
        for part_of in (lambda each: np.diff(each.words.at), lambda each: each.field, lambda each: each.row)
    )
    digests = np.concatenate([np.zeros(0, np.uint64), *(each.digests for each in segments)])
    tokens = [segment.tokens for segment in segments]
    (keys, at), (exact, _) = joined(tokens, 0), joined(tokens, 1)
    return _Common(
        text=fixed(view.bytes), begin=begin, end=end, words=words, suite=fixed(suite), field=field, row=row,
        copies=_copies(texts), wording=join_wording(keys, exact, at, digests),
    )  # fmt: skip


def _copies(texts: pa.Array) -> Copies:
    """Find the texts that are the same to the byte."""
    codes = texts.dictionary_encode().indices.to_numpy()
    _, first, code = np.unique(codes, return_index=True, return_inverse=True)
    units = np.argsort(first[code], kind="stable")
    at = np.searchsorted(first[code][units], np.arange(len(codes) + 1))
    return Copies(units=fixed(units), at=fixed(at))


def _content(suite: Suite) -> list[object]:
    """Return what the texts of a suite depend on, wherever its files are seen from."""
    return [suite.name, [digest for _, digest in suite.files], suite.reading]


def _digest(*content: object) -> str:
    """Name arrays by what they depend on: this code and the tables of Unicode too."""
    return hashlib.sha256(json.dumps([_code(), *content]).encode()).hexdigest()


@cache
def _code() -> list[str]:
    """Return what the arrays of the same texts depend on."""
    own = (Path(__file__).with_name(f"{name}.py") for name in SOURCES_OF_ARRAYS)
    sources = hashlib.sha256(b"\0".join(path.read_bytes() for path in own)).hexdigest()
    return [SOURCES, sources, unicodedata.unidata_version]
