"""What of a build comes out otherwise for what has changed: sources, steps from one on, or only the draw.

The one idea: steps run in their order over all that sources offer, before the draw. So a change shows from
the first step on that it touches, and a change of takes touches none. It says what changes, not what is kept.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tulu_data.account.changes import ABSENT, KeyChange
from tulu_data.account.inputs import InputChange
from tulu_data.specs.mixture import Mixture
from tulu_data.specs.steps import DecontaminateStep, DedupStep, FilterStep

_TOLD = {"name", "decontaminate", "assert", "card", "description", "licences", "splits"}
"""Keys of a spec that change neither what steps find nor what is drawn."""
_DRAWN_OF_SOURCE = {"take", "group", "max_repetition"}
"""Keys of a source that only the draw asks."""
_TOLD_OF_SOURCE = {"tags", "licence", "licences"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Anew:
    """What comes out otherwise."""

    sources: tuple[str, ...]
    """Sources that offer other records, or are new or gone."""
    step: int | None
    """First step that may find something else, from 0; None where each finds what it found."""
    draw: bool
    """Whether the draw alone is another, whatever the steps find."""

    def words(self, mixture: Mixture) -> str:
        """Say it in one line."""
        if self.step is not None and mixture.steps:
            name = mixture.steps[self.step].step
            found = f"steps from {name} ({self.step + 1} of {len(mixture.steps)}) on may find something else"
            return f"{_named(self.sources)}; {found}" if self.sources else found
        if self.sources:
            return _named(self.sources)
        return "only the draw; what the steps find stays" if self.draw else "only what the account says"


def _named(sources: tuple[str, ...]) -> str:
    return f"other records of {', '.join(sources)}"


def what_anew(
    mixture: Mixture, keys: Iterable[KeyChange], inputs: Iterable[InputChange], code: Iterable[str]
) -> Anew:
    """Tell what comes out otherwise of a mixture for changes of its spec, of files and of code."""
    found = _Found(mixture)
    for change in keys:
        found.key(change)
    for one in inputs:
        found.input(one)
    for text in code:
        found.code(text.split()[0])
    steps = [at for at in found.steps if at < len(mixture.steps)]
    return Anew(sources=tuple(dict.fromkeys(found.sources)), step=min(steps, default=None), draw=found.draw)


class _Found:
    """What was found so far."""

    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture
        self.sources: list[str] = []
        self.steps: list[int] = []
        self.draw = False

    def key(self, change: KeyChange) -> None:
        """Take a changed key into account; one that came with a release and is empty asks for nothing."""
        if not _says(change.before) and not _says(change.after):
            return
        head, *rest = change.path
        if change.renamed:
            # Of equal records that of the source stays whose name comes first.
            self._first(lambda step: isinstance(step, DedupStep))
            self.draw = True
        elif head == "sources":
            self._source(str(rest[0]), str(rest[1]) if len(rest) > 1 else None)
        elif head == "steps":
            self.steps.append(int(rest[0]) if rest else 0)
        elif head == "tokenizer":
            self._first(_counts_tokens)
            self.draw = True
        elif head == "kind":
            self.steps.append(0)
        elif head not in _TOLD:
            self.draw = True

    def _source(self, name: str, key: str | None) -> None:
        if key in _DRAWN_OF_SOURCE:
            self.draw = True
        elif key == "quality":
            self._first(lambda step: isinstance(step, DedupStep))
        elif key not in _TOLD_OF_SOURCE:
            self.sources.append(name)
            self.steps.append(0)

    def input(self, change: InputChange) -> None:
        """Take a changed file into account."""
        role, _, name = change.role.partition(" ")
        if role == "source":
            self.sources.append(name)
            self.steps.append(0)
        elif role == "tokenizer":
            self._first(_counts_tokens)
            self.draw = True
        elif role == "model":
            self._first(lambda step: isinstance(step, FilterStep))
        else:
            self._first(lambda step: isinstance(step, DecontaminateStep))

    def code(self, name: str) -> None:
        """Take another version of the code of a step into account."""
        if name in ("draw", "order"):
            self.draw = True
        elif name == "normalise":
            self.sources += list(self.mixture.sources)
            self.steps.append(0)
        else:
            self._first(lambda step: step.step == name)

    def _first(self, fits: "Callable[[FilterStep | DedupStep | DecontaminateStep], bool]") -> None:
        self.steps += [at for at, step in enumerate(self.mixture.steps) if fits(step)][:1]


def _says(value: object) -> bool:
    """Tell whether a value of a spec asks for anything."""
    return value is not ABSENT and value not in ({}, [])


def _counts_tokens(step: FilterStep | DedupStep | DecontaminateStep) -> bool:
    return isinstance(step, FilterStep) and step.counts_tokens
