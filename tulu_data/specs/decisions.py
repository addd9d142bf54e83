"""The decisions file: what people decided on contamination hits, keep or drop.

The one idea: a decision names what it is about (one record with one instance, an instance in every
record, a source with a suite) and never a row of a report, so it outlives the scan it was made on. The
file is sorted and has one decision a line, so that two people's answers merge. Nothing is decided here.
"""

import re
from collections.abc import Iterator
from json import dumps, loads
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from tulu_data.errors import SpecError
from tulu_data.specs.base import Mistake, Spec, read_spec, refuse
from tulu_data.specs.document import read_document

DECISIONS_FILE = "decontamination.yaml"
"""The file at a workspace's root that commands obey where none is named."""
Answer = Literal["keep", "drop"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)
SCOPES = (
    ("suite", "source"),
    ("suite", "split", "source"),
    ("suite", "split", "instance"),
    ("suite", "split", "instance", "record"),
)
"""The keys that a decision may be about, widest first; of several that fit a hit the narrowest wins."""
_KEYS = ("suite", "split", "instance", "source", "record")
_HEAD = """\
# What people decided on contamination hits: `tulu-data review` writes it, `tulu-data decontaminate` and
# mixtures obey it. keep: no contamination; drop: contamination, whatever the rule says. Of several that
# fit a hit, record wins over instance, and instance over source. Comments are not kept: use note.
"""
_PLAIN = re.compile(r"[A-Za-z][\w-]*(?:[./][\w-]+)*", re.ASCII)
_PAIR = re.compile(rf'(\w+): ("(?:[^"\\]|\\.)*"|{_PLAIN.pattern})(?:, (?!$)|$)', re.ASCII)
_ESCAPE = re.compile(r"\\(U[0-9a-f]{8}|.)")
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
"""Plain words that some reader of YAML takes for no text."""


class Decision(Spec):
    """What happens to the hits that fit all the keys it gives."""

    decision: Answer
    """`keep`: no contamination, nothing is dropped for it. `drop`: contamination, whatever the rule said."""
    suite: Annotated[str, Field(min_length=1)]
    """Name of the eval suite."""
    split: str | None = None
    """Its split; needed with `instance`."""
    instance: str | None = None
    """Id of the eval instance; without `record` the decision is about every record."""
    source: str | None = None
    """Name of the source, as hits show it, instead of an instance."""
    record: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    """Id of the record, which follows from its content."""
    text: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")] | None = None
    """First digits of the sha256 of the instance's text; another text under its id is another instance."""
    note: str | None = None
    """Why, in a person's words."""

    @model_validator(mode="after")
    def _says_what_about(self) -> "Decision":
        mistakes = list(_unclear(self))
        if mistakes:
            raise refuse(*mistakes)
        return self

    @property
    def scope(self) -> tuple[str, ...]:
        """Names of the keys that it is about."""
        return tuple(key for key in _KEYS if getattr(self, key) is not None)

    @property
    def about(self) -> tuple[str, ...]:
        """The values of these keys."""
        return tuple(str(getattr(self, key)) for key in self.scope)


def _unclear(decision: Decision) -> Iterator[Mistake]:
    """Refuse keys that together name no hits, or two kinds of them."""
    d = decision
    if d.instance is None and d.source is None:
        yield Mistake(text="is about a whole suite; give instance (with split), or source")
    if d.instance is not None and d.split is None:
        yield Mistake(
            text="an instance needs its split; ids repeat between splits", path=("instance",), on_key=True
        )
    if d.source is not None and d.instance is not None:
        text = "give instance or source; what a source shares with one instance is decided by record"
        yield Mistake(text=text, path=("source",), on_key=True)
    for key in ("record", "text"):
        if getattr(d, key) is not None and d.instance is None:
            yield Mistake(text=f"{key} needs instance (with split)", path=(key,), on_key=True)


class Decisions(Spec):
    """All decisions of a file."""

    version: Literal[1]
    """Version of this format."""
    decisions: tuple[Decision, ...] = ()
    """One entry for each; the order means nothing."""

    @model_validator(mode="after")
    def _each_once(self) -> "Decisions":
        first: dict[tuple[Any, ...], int] = {}
        mistakes = []
        for i, one in enumerate(self.decisions):
            same = first.setdefault((one.scope, one.about), i)
            if same != i:
                text = f"is about the same hits as decisions[{same}]; keep one of them"
                mistakes.append(Mistake(text=text, path=("decisions", i)))
        if mistakes:
            raise refuse(*mistakes)
        return self

    def with_(self, *new: Decision) -> "Decisions":
        """Return these decisions with new ones, which take the place of those about the same hits."""
        every = {(d.scope, d.about): d for d in (*self.decisions, *new)}
        return Decisions(version=1, decisions=tuple(every.values()))

    def without(self, *gone: Decision) -> "Decisions":
        """Return these decisions without those about the same hits as some."""
        about = {(d.scope, d.about) for d in gone}
        return Decisions(
            version=1, decisions=tuple(d for d in self.decisions if (d.scope, d.about) not in about)
        )


def read_decisions(path: Path, name: str | None = None) -> Decisions:
    """Read a file of decisions; raise SpecError with every mistake at its place."""
    return _read_lines(path) or read_spec(Decisions, path, name=name)


def is_decisions(path: Path) -> bool:
    """Tell whether a YAML file is meant as decisions; raise SpecError where it is no YAML."""
    if _read_lines(path) is not None:
        return True
    data = read_document(path).data
    return isinstance(data, dict) and "decisions" in data and "sources" not in data


def _read_lines(path: Path) -> Decisions | None:
    """Read a file line by line in the form that is written here; None where it has another, or a mistake.

    YAML takes half a millisecond a decision, and people may have made tens of thousands.
    """
    try:
        lines = path.read_text("utf-8").split("\n")
        body = [line for line in lines if line and not line.startswith("#")]
        if body[:2] == ["version: 1", "decisions:"]:
            return Decisions(version=1, decisions=tuple(Decision(**_pairs(line)) for line in body[2:]))
    except (OSError, ValueError):
        pass
    return None


def _pairs(line: str) -> dict[str, Any]:
    """Read one decision as it is written here; raise ValueError where the line says anything else."""
    # YAML ends lines at these too, and folds them in quotes; the writer escapes them.
    if not (line.startswith("- {") and line.endswith("}")) or {"\x85", "\u2028", "\u2029"} & set(line):
        raise ValueError(line)
    found: dict[str, Any] = {}
    at, end = len("- {"), len(line) - 1
    while at < end:
        pair = _PAIR.match(line, at, end)
        if pair is None or pair[1] in found or pair[2].lower() in _WORDS:
            raise ValueError(line)
        found[pair[1]] = _unquoted(pair[2]) if pair[2].startswith('"') else pair[2]
        at = pair.end()
    return found


def _unquoted(text: str) -> str:
    """Read text in quotes: JSON, and characters by eight digits."""
    plain = _ESCAPE.sub(lambda e: chr(int(e[1][1:], 16)) if e[1].startswith("U") else e[0], text)
    found = loads(plain, strict=False)
    assert isinstance(found, str)
    found.encode()
    return found


def render_decisions(decisions: Decisions) -> str:
    """Write decisions as YAML, one a line and sorted, so that two people's answers merge."""
    order = sorted(decisions.decisions, key=lambda d: (d.suite, d.split or "", d.instance or "", d.about))
    lines = [f"- {{{', '.join(f'{key}: {_scalar(value)}' for key, value in _given(d))}}}\n" for d in order]
    return f"{_HEAD}version: 1\ndecisions:{'' if lines else ' []'}\n{''.join(lines)}"


def _given(decision: Decision) -> Iterator[tuple[str, str]]:
    """Yield the keys of a decision that have a value, in the order of its fields."""
    for key, value in decision.model_dump().items():
        if value is not None:
            yield key, value


def _scalar(text: str) -> str:
    """Write text in YAML: plain where no reader could take it for anything else, else in quotes."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    quoted = dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)


def write_decisions(path: Path, decisions: Decisions) -> None:
    """Write a file of decisions whole or not at all; raise SpecError when the disk refuses."""
    target = path.resolve()
    new = target.with_name(f".{target.name}.new")
    try:
        new.write_text(render_decisions(decisions), "utf-8")
        new.replace(target)
    except OSError as error:
        raise SpecError([f"{path}: cannot be written ({error.strerror or error})"]) from None
