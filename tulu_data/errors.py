"""The exception tree: every error that a user can cause or meet.

    TuluDataError                 base; the command line prints it in one line and exits 1
    |-- SpecError                 a YAML file says something that does not hold; carries every problem found
    |-- SourceError               a source is missing, unreadable or changed
    |   `-- HubError              the hub could not be reached or refused
    |-- LockError                 a pin is missing or stale (`--frozen`), or contradicts what was seen
    |-- PlanError                 the mixture cannot be built as asked (a shortfall, zero rows)
    |-- StoreError                a version is missing, damaged, ambiguous, being written by another process,
    |                             or the disk has no room for what the store puts aside
    |-- SuiteError                an eval suite is missing or not readable as one
    |-- TrainError                a trainer cannot start or go on (model, data, checkpoint)
    `-- MissingExtraError         a command needs an optional extra that is not installed

Texts follow one form: where: what, what was found, what would do. Anything else that
escapes is a bug and keeps its traceback.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

_LOOKED_AT = 3
"""Choices that are alike at a glance and are compared letter by letter."""
_LEAST = 4
"""Letters of which a word has to be told as the beginning of another."""
_LETTERS_PER_SLIP = 4
"""A long word with more slips than one in so many letters is another word."""


class TuluDataError(Exception):
    """Base of every error that is the user's to mend."""


class SpecError(TuluDataError):
    """One or more problems in a YAML file, each `file:line:column path: text`."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep the problems apart for `--json`, and join them for people."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class SourceError(TuluDataError):
    """A source is missing, unreadable or changed under its pin."""


class HubError(SourceError):
    """The hub could not be reached, or refused the request."""


class LockError(TuluDataError):
    """A pin is missing, stale, or contradicts what was seen."""


class PlanError(TuluDataError):
    """A mixture cannot be built as asked."""


class StoreError(TuluDataError):
    """A version is missing, damaged, ambiguous or locked by another writer."""


class SuiteError(TuluDataError):
    """An eval suite is missing or cannot be read as one."""


class TrainError(TuluDataError):
    """A trainer cannot start or go on."""


class MissingExtraError(TuluDataError):
    """A command needs an optional extra that is not installed."""

    def __init__(self, command: str, extra: str, module: str) -> None:
        """Say which extra to install and why."""
        super().__init__(
            f"{command}: needs the {extra!r} extra (module {module!r} is not installed); "
            f"install it with: pip install 'tulu-data[{extra}]'"
        )


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the choice nearest to `word`, or nothing where none is near."""
    choices = list(choices)
    found = get_close_matches(word, choices, n=_LOOKED_AT, cutoff=0.6)
    typed = word.strip("./")
    # Numbers are alike by chance.
    slips = 1 if typed.isdecimal() else max(2, len(typed) // _LETTERS_PER_SLIP)
    near = next((one for one in found if _edits(typed, one) <= slips), None) or _cut_short(typed, choices)
    return f"; did you mean {near!r}?" if near is not None else ""


def _cut_short(word: str, choices: Sequence[str]) -> str | None:
    """Return the one choice that begins with `word`, a slip at most: `jacard` for `jaccard_threshold`."""
    found = [
        choice
        for choice in choices
        for end in (len(word) - 1, len(word), len(word) + 1)
        if len(word) >= _LEAST and choice[end : end + 1] == "_" and _edits(word, choice[:end]) <= 1
    ]
    return found[0] if len({*found}) == 1 else None


def _edits(one: str, other: str) -> int:
    """Count the slips that make one word of another: a letter too many, too few, wrong, or two swapped."""
    before: list[int] = []
    row: list[int] = [*range(len(other) + 1)]
    for i, letter in enumerate(one):
        above: list[int] = before
        before, row = row, [i + 1]
        for j, wanted in enumerate(other):
            row.append(min(before[j + 1] + 1, row[j] + 1, before[j] + (letter != wanted)))
            if i and j and letter == other[j - 1] and one[i - 1] == wanted:
                row[-1] = min(row[-1], above[j - 1] + 1)
    return row[-1]
