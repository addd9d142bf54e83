"""What a mixture may not say although each of its parts may: checks across keys.

The one idea: every check looks at the whole mixture and yields mistakes at their places; none of them reads a
file. A check of one key alone belongs to its model.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from tulu_data.errors import nearest
from tulu_data.specs.assertions import assertion_mistakes
from tulu_data.specs.base import Mistake, shown
from tulu_data.specs.filters import OF_ANSWERS
from tulu_data.specs.shares import share_mistakes
from tulu_data.specs.splits import split_mistakes
from tulu_data.specs.steps import DedupStep, FilterStep
from tulu_data.specs.uris import BUCKETS, HUB, SQL, uri_mistakes

if TYPE_CHECKING:
    from tulu_data.specs.mixture import Mixture

_DATABASES = {
    ".db": "sqlite",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".duckdb": "duckdb",
    ".ddb": "duckdb",
}
"""What a file is by its suffix."""
_SOURCE_NAME = re.compile(r"\w[\w.-]{0,99}")


def mistakes_of(mixture: "Mixture") -> Iterator[Mistake]:
    """Yield everything that does not hold together."""
    for check in CHECKS:
        yield from check(mixture)


def _source_names(mixture: "Mixture") -> Iterator[Mistake]:
    """Refuse source names that tables, origins and cards could not show."""
    for name in mixture.sources:
        if _SOURCE_NAME.fullmatch(name) is None:
            text = (
                "a source's name must be letters, digits, '_', '.' and '-', beginning with a letter or digit"
            )
            yield Mistake(text=f"{text}, found {shown(name)}", path=("sources", name), on_key=True)


def _decontamination(mixture: "Mixture") -> Iterator[Mistake]:
    """Refuse a mixture that is neither decontaminated nor says that it is not."""
    found = [i for i, step in enumerate(mixture.steps) if step.step == "decontaminate"]
    has_step = bool(found)
    if len(found) > 1:
        text = "a second decontaminate step; name all suites in `against` of the first"
        yield Mistake(text=text, path=("steps", found[1]))
    if not has_step and mixture.decontaminate is None:
        yield Mistake(
            text="no decontamination step; add {step: decontaminate, against: [evals/]} to steps, "
            "or say `decontaminate: none`",
            against=(("steps",), ("decontaminate",)),
        )
    if has_step and mixture.decontaminate is not None:
        text = "says none, but steps has a decontaminate step; keep one of the two"
        yield Mistake(text=text, path=("decontaminate",), against=(("steps",),))


def _token_bounds(mixture: "Mixture") -> Iterator[Mistake]:
    """Refuse token counts without a tokenizer."""
    if mixture.tokenizer is not None:
        return
    for name, source in mixture.sources.items():
        if source.take.tokens is not None:
            text = "a token budget needs `tokenizer` (a folder or hub id)"
            yield Mistake(text=text, path=("sources", name, "take"), against=(("tokenizer",),))
    for i, step in enumerate(mixture.steps):
        if isinstance(step, FilterStep) and step.counts_tokens:
            text = "a bound in tokens needs `tokenizer` (a folder or hub id)"
            yield Mistake(text=text, path=("steps", i), against=(("tokenizer",),))


def _filters(mixture: "Mixture") -> Iterator[Mistake]:
    """Refuse filters that can find nothing: answers of rlvr records, dates of sources that do not exist."""
    for i, step in enumerate(mixture.steps):
        for j, entry in enumerate(step.drop if isinstance(step, FilterStep) else ()):
            place = ("steps", i, "drop", j)
            if mixture.kind == "rlvr" and entry.name in OF_ANSWERS:
                text = f"{entry.name} looks at answers, which rlvr records do not have; remove it"
                yield Mistake(text=text, path=place, against=(("kind",),))
            for name in entry.date.of if entry.date and isinstance(entry.date.of, dict) else ():
                if name not in mixture.sources:
                    known = f"(sources: {', '.join(sorted(mixture.sources))})"
                    text = f"no source {name!r}{nearest(name, mixture.sources)} {known}"
                    path = (*place, "date", "of", name)
                    yield Mistake(text=text, path=path, on_key=True, against=(("sources", name),))
        for bound in step.bounds if isinstance(step, FilterStep) and mixture.kind == "rlvr" else ():
            if "answer" in bound:
                text = "bounds answers, which rlvr records do not have; remove it"
                yield Mistake(text=text, path=("steps", i, bound), on_key=True, against=(("kind",),))


def _preferred(mixture: "Mixture") -> Iterator[Mistake]:
    """Refuse preferred sources that do not exist."""
    for i, step in enumerate(mixture.steps):
        for j, name in enumerate(step.prefer if isinstance(step, DedupStep) else ()):
            if name not in mixture.sources:
                known = f"(sources: {', '.join(sorted(mixture.sources))})"
                text = f"no source {name!r}{nearest(name, mixture.sources)} {known}"
                gone = ("sources", name)
                yield Mistake(text=text, path=("steps", i, "prefer", j), against=(gone,))


def _against_itself(mixture: "Mixture") -> Iterator[Mistake]:
    """Refuse a mixture that drops what its own newest version holds: a second build would be empty."""
    for i, step in enumerate(mixture.steps):
        for j, ref in enumerate(step.against if isinstance(step, DedupStep) else ()):
            if ref in (mixture.name, f"{mixture.name}@latest"):
                text = (
                    f"{ref!r} is what this mixture builds, so a build would drop what the one before "
                    f"kept; name one version, {mixture.name}@ID"
                )
                yield Mistake(text=text, path=("steps", i, "against", j), against=(("name",),))


def _of_itself(mixture: "Mixture") -> Iterator[Mistake]:
    """Refuse a mixture of its own newest version: every build would change what the next one reads."""
    for name, source in mixture.sources.items():
        if source.uri == f"{mixture.name}@latest":
            text = (
                f"{source.uri!r} is what this mixture builds, so every build would change the next; "
                f"name one version, {mixture.name}@ID"
            )
            yield Mistake(text=text, path=("sources", name, "uri"), against=(("name",),))


def _qualities(mixture: "Mixture") -> Iterator[Mistake]:
    """Refuse a quality that nothing asks for."""
    if any(isinstance(step, DedupStep) for step in mixture.steps):
        return
    for name, source in mixture.sources.items():
        if source.quality is not None:
            text = (
                "says which of duplicates stays, and no step looks for them; add {step: dedup} to steps, "
                "or remove it"
            )
            path = ("sources", name, "quality")
            yield Mistake(text=text, path=path, on_key=True, against=(("steps",),))


def _kinds(mixture: "Mixture") -> Iterator[Mistake]:
    """Refuse adapters and verifiers that do not fit the kind of the records."""
    for name, source in mixture.sources.items():
        if source.adapter in ("preference", "rlvr") and source.adapter != mixture.kind:
            text = (
                f"delivers {source.adapter} records, the mixture is of kind {mixture.kind!r}; "
                f"choose another adapter, or kind: {source.adapter}"
            )
            yield Mistake(text=text, path=("sources", name, "adapter"), against=(("kind",),))
        if source.verifier is not None and mixture.kind != "rlvr":
            text = f"only rlvr records have a verifier, the mixture is of kind {mixture.kind!r}; remove it"
            path = ("sources", name, "verifier")
            yield Mistake(text=text, path=path, on_key=True, against=(("kind",),))


def _uris(mixture: "Mixture") -> Iterator[Mistake]:
    """Refuse unknown schemes, and hub settings at sources that are not on the hub."""
    forms = "hf://owner/name, s3://bucket/key, gs://bucket/key, sql:SELECT ..., a path, or name@version"
    for name, source in mixture.sources.items():
        given, schemes = source.model_fields_set, (HUB, SQL, *BUCKETS)
        for mistake in uri_mistakes(source.uri, source.revision, given, forms, schemes=schemes):
            place = ("sources", name)
            yield replace(mistake, path=(*place, *mistake.path), against=((*place, "uri"),))
        if source.attach and not source.uri.startswith(SQL):
            text = "only a query has an attach; write the uri as sql:SELECT ..., or remove it"
            path = ("sources", name, "attach")
            yield Mistake(text=text, path=path, on_key=True, against=(("sources", name, "uri"),))
        for seen, what in source.attach.items():
            kind = _DATABASES.get(PurePosixPath(what).suffix.lower())
            if kind is not None and ":" not in what:
                text = f"is a database by its name; write {kind}:{what}"
                yield Mistake(text=text, path=("sources", name, "attach", seen))


def _splits(mixture: "Mixture") -> Iterator[Mistake]:
    """Refuse names that are none, and fractions that leave nothing."""
    yield from split_mistakes(mixture.splits or {})


CHECKS = (
    _source_names, _decontamination, share_mistakes, _token_bounds, _filters, _preferred,
    _against_itself, _of_itself, _qualities, _kinds, _uris, _splits, assertion_mistakes,
)  # fmt: skip
