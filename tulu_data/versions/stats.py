"""The figures of a version: rows, lengths and marks, of each source, of each tag, and of all.

The one idea: every record becomes a few numbers, and every figure is a count, a sum or a value that is there
among them, so a total is what its parts make together. Memory holds these numbers, some hundred bytes a
record, and the batches that are looked at. It counts what is there and judges nothing.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from numpy.typing import NDArray

from tulu_data.engine.local import default_workers, ordered_map
from tulu_data.kernels.numbering import numbered
from tulu_data.schema import ROLES, TEXT, Kind
from tulu_data.store import Version
from tulu_data.versions.measure import LENGTHS, MARKS, Count, Ints, Measured, columns_of, measure

QUANTILES = {"p5": 0.05, "p50": 0.5, "p90": 0.9, "p99": 0.99}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a number is spread over records; every value but the mean is that of a record."""

    mean: float
    min: int
    p5: int
    p50: int
    p90: int
    p99: int
    max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is counted of some records."""

    rows: int
    share: float
    """Of the version's rows."""
    records: int
    """Different ones."""
    prompts: int
    """Different ones, told as `dedup` tells prompts: case, width and white space do not count."""
    characters: int
    """Of all that is measured."""
    tokens: int | None
    """Of all turns, without chat template; None where nobody counted them."""
    roles: dict[str, int]
    """Messages by role."""
    lengths: dict[str, Spread | None]
    """By the names of LENGTHS, and `tokens` where they were counted now; None where there are no rows."""
    marks: dict[str, int]
    """Records by what holds of them, by the names of MARKS."""
    verifiers: dict[str, int]
    """Records by verifier, the most frequent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The figures of a version."""

    version: str
    kind: Kind
    tokenizer: str | None
    """What counted the tokens: the spec's, when the version was built, or the one that was named."""
    split: str | None
    """What was counted, where it is a part of the version."""
    splits: dict[str, int]
    """Rows of every split."""
    total: Figures
    sources: dict[str, Figures]
    tags: dict[str, Figures] = field(default_factory=dict)
    """A source may have several tags, so these overlap."""
    tagged: dict[str, list[str]] = field(default_factory=dict)
    """Sources of each tag."""

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return asdict(self)


def stats(
    version: Version, *, split: str | None = None, tokenizer: str | None = None, count: Count | None = None,
    workers: int | None = None,
) -> Stats:  # fmt: skip
    """Look through a version, or a split of it; `count` counts by the `tokenizer` that is named with it."""
    names, kind = [source.name for source in version.manifest.sources], version.kind
    known = pa.array(names, TEXT)
    parts = ordered_map(
        lambda batch: measure(batch, kind, known, count),
        version.batches(columns_of(kind), split), workers or default_workers(),
    )  # fmt: skip
    columns = _Columns(list(parts), kind)
    spec = yaml.safe_load(version.file("spec.yaml").read_text("utf-8"))
    by_build = {s.name: None if split else s.tokens for s in version.manifest.sources}
    told = {name: columns.figures(columns.of([i]), by_build[name]) for i, name in enumerate(names)}
    everything = _sum(by_build, names)
    tagged = _tags(spec, names)
    return Stats(
        version=version.ref, kind=kind, split=split, splits=version.manifest.splits,
        tokenizer=tokenizer or (spec.get("tokenizer") if count or everything is not None else None),
        total=columns.figures(np.arange(len(columns)), everything), sources=told,
        tags={
            tag: columns.figures(columns.of([names.index(one) for one in members]), _sum(by_build, members))
            for tag, members in tagged.items()
        },
        tagged=tagged,
    )  # fmt: skip


def _sum(tokens: Mapping[str, int | None], names: Sequence[str]) -> int | None:
    """Add up the tokens of sources, where all are known."""
    found = [count for name in names if (count := tokens[name]) is not None]
    return sum(found) if len(found) == len(names) else None


def _tags(spec: Mapping[str, Any], names: Sequence[str]) -> dict[str, list[str]]:
    """Return the sources of every tag, the tags in the order of the spec."""
    found: dict[str, list[str]] = {}
    for name, source in (spec.get("sources") or {}).items():
        for tag in source.get("tags") or ():
            if name in names:
                found.setdefault(str(tag), []).append(name)
    return found


class _Columns:
    """The numbers of all records."""

    def __init__(self, parts: Sequence[Measured], kind: Kind) -> None:
        self.source = _joined([p.source for p in parts], np.int32)
        # Rows of a source, one after another.
        self._order = np.argsort(self.source, kind="stable")
        self._sorted = self.source[self._order]
        self.record, self.prompt = (
            numbered(_joined([getattr(p, name) for p in parts], np.uint64))[1]
            for name in ("record", "prompt")
        )
        self.roles = np.concatenate([np.zeros((0, len(ROLES)), np.int32), *(p.roles for p in parts)])
        self.lengths = {n: _joined([p.lengths[n] for p in parts], np.int64) for n in LENGTHS[kind]}
        self.marks = {n: _joined([p.marks[n] for p in parts], np.bool_) for n in MARKS[kind]}
        self.verifier = _joined([p.verifier for p in parts], np.object_)
        counted = [p.tokens for p in parts if p.tokens is not None]
        self.tokens = _joined(counted, np.int64) if counted else None

    def __len__(self) -> int:
        return len(self.source)

    def of(self, sources: Sequence[int]) -> Ints:
        """Return the rows of some sources."""
        cuts = [np.searchsorted(self._sorted, [k, k + 1]) for k in sources]
        return np.concatenate([np.zeros(0, np.int64), *(self._order[low:high] for low, high in cuts)])

    def figures(self, at: Ints, tokens: int | None) -> Figures:
        """Count some rows; `tokens` are those that are known of them already."""
        lengths = {name: numbers[at] for name, numbers in self.lengths.items()}
        characters = sum(int(numbers.sum()) for name, numbers in lengths.items() if name != "turns")
        if self.tokens is not None:
            lengths["tokens"] = self.tokens[at]
            tokens = int(lengths["tokens"].sum())
        verifiers = Counter(one or "" for one in (self.verifier[at] if len(self.verifier) else ()))
        return Figures(
            rows=len(at), share=len(at) / max(len(self), 1),
            records=_different(self.record[at]), prompts=_different(self.prompt[at]),
            characters=characters, tokens=tokens,
            roles=dict(zip(ROLES, self.roles[at].sum(axis=0, dtype=np.int64).tolist(), strict=True)),
            lengths={name: spread(numbers) for name, numbers in lengths.items()},
            marks={name: int(marks[at].sum()) for name, marks in self.marks.items()},
            verifiers=dict(verifiers.most_common()),
        )  # fmt: skip


def _joined(parts: Sequence[NDArray[Any]], number: Any) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, number), *parts])


def _different(numbers: NDArray[np.int32]) -> int:
    """Count different numbers, none of which is large."""
    seen = np.zeros(int(numbers.max(initial=0)) + 1, np.bool_)
    seen[numbers] = True
    return int(seen.sum()) if len(numbers) else 0


def spread(numbers: Ints) -> Spread | None:
    """Return how numbers are spread; of some, the value that a share of them does not pass."""
    if not len(numbers):
        return None
    ordered = np.sort(numbers)
    places = {name: max(0, int(np.ceil(q * len(ordered))) - 1) for name, q in QUANTILES.items()}
    return Spread(
        mean=round(float(numbers.mean()), 2), min=int(ordered[0]), max=int(ordered[-1]),
        **{name: int(ordered[place]) for name, place in places.items()},
    )  # fmt: skip


def parts_of(found: Stats) -> Iterator[tuple[str, Figures]]:
    """Yield the figures of every source by name, and of all where there are several."""
    yield from found.sources.items()
    if len(found.sources) > 1:
        yield "total", found.total
