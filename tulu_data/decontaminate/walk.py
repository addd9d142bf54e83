"""A walk through hits, one record with one instance at a time, that turns answers into decisions.

The one idea: every answer is written at once, and going back takes it back only when another is given; so
a walk may stop anywhere and go on later. It shows nothing and asks nobody.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import pyarrow as pa

from tulu_data.decontaminate.decisions import text_digest
from tulu_data.decontaminate.findings import Findings, Hit
from tulu_data.sources.shelves import Missing
from tulu_data.specs.decisions import Answer, Decision, Decisions, read_decisions, write_decisions

Reach = Literal["record", "rest", "instance"]
"""What an answer is about: this record, all that are left with this instance, or any record ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is decided at once: the hits of one record with one instance, by all rules and fields."""

    hits: tuple[Hit, ...]
    """The strongest first; the record may stand at several places."""

    @property
    def first(self) -> Hit:
        """The strongest hit."""
        return self.hits[0]

    @property
    def instance(self) -> tuple[str, str, str]:
        """Suite, split and id of the instance."""
        return self.first["suite"], self.first["split"], self.first["instance"]

    @property
    def places(self) -> list[str]:
        """Where the record stands, each place once."""
        return list(dict.fromkeys(hit["origin"] for hit in self.hits))

    @property
    def decision(self) -> Answer | None:
        """What was decided before, if anything."""
        found: Answer | None = self.first["decision"]
        return found


def cases(hits: pa.Table) -> list[Case]:
    """Join hits, with decisions on them, to cases, those of an instance together, large groups first."""
    rows = hits.to_pylist()
    rows.sort(key=lambda h: (h["suite"], h["split"], h["instance"], -h["overlap"], h["origin"]))
    found: list[tuple[str, int, list[Case]]] = []
    for about, group in groupby(rows, key=lambda h: (h["suite"], h["split"], h["instance"])):
        records: dict[str, list[Hit]] = {}
        for hit in group:
            records.setdefault(hit["id"], []).append(hit)
        found.append((about[0], -len(records), [Case(hits=tuple(one)) for one in records.values()]))
    found.sort(key=lambda one: one[:2])
    return [case for _, _, some in found for case in some]


class Book:
    """The decisions file while answers come in; what others write meanwhile is kept."""

    def __init__(self, path: Path) -> None:
        """Open the file; it need not exist yet. Raises SpecError where it is none."""
        self.path = path
        self.decisions = Decisions(version=1)
        self._seen: bytes | None = None
        self._refresh()

    def change(self, new: Sequence[Decision], gone: Sequence[Decision]) -> None:
        """Take decisions out, put others in, and write the file."""
        self._refresh()
        self.decisions = self.decisions.without(*gone).with_(*new)
        write_decisions(self.path, self.decisions)
        self._seen = self.path.read_bytes()

    def _refresh(self) -> None:
        """Read the file where its bytes are not those that were seen last."""
        there = self.path.read_bytes() if self.path.is_file() else None
        if there != self._seen:
            self.decisions = Decisions(version=1) if there is None else read_decisions(self.path)
            self._seen = there


class Walk:
    """A place among cases, and the answers given on the way."""

    def __init__(self, some: Sequence[Case], findings: Findings, book: Book) -> None:
        """Start before the first case."""
        self.cases, self.findings, self.book = some, findings, book
        self.at = 0
        self.answered: dict[int, Answer] = {}
        """Answers of this walk, by case."""
        self._written: dict[int, tuple[Decision, ...]] = {}
        self._trail: list[int] = []

    @property
    def case(self) -> Case | None:
        """The case to decide, or None at the end."""
        return self.cases[self.at] if self.at < len(self.cases) else None

    def rest(self) -> list[int]:
        """Return the other cases of this instance that are still to come."""
        here = self.cases[self.at].instance
        return [
            k for k in range(self.at + 1, len(self.cases))
            if k not in self.answered and self.cases[k].instance == here
        ]  # fmt: skip

    def answer(self, decision: Answer, reach: Reach, note: str | None = None) -> int:
        """Decide this case, and others with it as far as the answer reaches; return how many, and go on."""
        covered = [self.at, *(self.rest() if reach != "record" else ())]
        about = [self.at] if reach == "instance" else covered
        new = tuple(self._decision(self.cases[k], decision, note, wide=reach == "instance") for k in about)
        self.book.change(new, self._written.get(self.at, ()))
        self._written[self.at] = new
        self.answered |= dict.fromkeys(covered, decision)
        self.skip()
        return len(covered)

    def skip(self) -> None:
        """Go on to the next case that was not answered."""
        self._trail.append(self.at)
        self.at = next(
            (k for k in range(self.at + 1, len(self.cases)) if k not in self.answered), len(self.cases)
        )

    def back(self) -> bool:
        """Go back to the case before, whose next answer replaces the one given; False at the beginning."""
        if not self._trail:
            return False
        self.at = self._trail.pop()
        return True

    def _decision(self, case: Case, answer: Answer, note: str | None, *, wide: bool) -> Decision:
        suite, split, instance = case.instance
        found = self.findings.instance(case.first)
        text = None if isinstance(found, Missing) else text_digest(found["question"], found["passage"])
        return Decision(
            decision=answer, suite=suite, split=split, instance=instance, text=text, note=note or None,
            record=None if wide else case.first["id"],
        )  # fmt: skip

    def counts(self) -> Iterator[tuple[str, int]]:
        """Yield how many cases were kept, dropped and left."""
        answers = list(self.answered.values())
        yield "kept", answers.count("keep")
        yield "dropped", answers.count("drop")
        yield "left", len(self.cases) - len(answers)
