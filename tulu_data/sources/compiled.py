"""The SQL of specs compiled, and what else only reading sources would show: checked without reading one.

The one idea: everything that can be said of a spec without its files is said at once, and this module loads
nothing but what that takes, so that many specs are checked in a moment.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tulu_data.errors import SourceError, SpecError, nearest
from tulu_data.sources.expression import Expression
from tulu_data.sources.query_tables import unattached
from tulu_data.sources.where import Where
from tulu_data.specs.adapters import FORMS
from tulu_data.specs.mixture import MixtureFile
from tulu_data.specs.source import Source
from tulu_data.specs.steps import DedupStep, FilterStep
from tulu_data.specs.suite import SuiteFile
from tulu_data.specs.uris import SQL

if TYPE_CHECKING:
    from tulu_data.sources.quality import Quality

Sql = TypeVar("Sql", bound=Expression)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """The SQL of a mixture, by source name."""

    wheres: dict[str, Where]
    qualities: "dict[str, Quality]"


def compile_sql(file: MixtureFile) -> Compiled:
    """Compile conditions and qualities; raise SpecError with all that cannot work, searches too."""
    problems = [*_search_problems(file), *_date_problems(file), *_query_problems(file)]
    for name, source in file.mixture.sources.items():
        problems += _reading_problems(file, name, source)
    wheres, qualities = _compile_each(file, Where, problems), _qualities(file, problems)
    if problems:
        raise SpecError(problems)
    return Compiled(wheres=wheres, qualities=qualities)


def compile_suite_wheres(file: SuiteFile) -> None:
    """Compile the conditions of a suite spec; raise SpecError with every one that cannot work."""
    problems = []
    for name, suite in file.spec.suites.items():
        try:
            if suite.where is not None:
                Where(suite.where)
        except SourceError as error:
            text = str(error).removeprefix("where ")
            problems.append(file.document.problem(("suites", name, "where"), text))
    if problems:
        raise SpecError(problems)


def _compile_each(file: MixtureFile, kind: type[Sql], problems: list[str]) -> dict[str, Sql]:
    """Compile what sources say under the key of a kind of expression; add what cannot work to `problems`."""
    found: dict[str, Sql] = {}
    for name, source in file.mixture.sources.items():
        sql = getattr(source, kind.key)
        try:
            if sql is not None:
                found[name] = kind(sql)
        except SourceError as error:
            text = str(error).removeprefix(f"{kind.key} ")
            problems.append(file.document.problem(("sources", name, kind.key), text))
    return found


def _qualities(file: MixtureFile, problems: list[str]) -> "dict[str, Quality]":
    """Compile qualities, where there are any: their module reads files too and takes a while to load."""
    if all(source.quality is None for source in file.mixture.sources.values()):
        return {}
    from tulu_data.sources.quality import Quality

    return _compile_each(file, Quality, problems)


def _search_problems(file: MixtureFile) -> Iterator[str]:
    """Yield what is wrong with searches for near-duplicates: a recall that their signatures cannot give."""
    for i, step in enumerate(file.mixture.steps):
        if isinstance(step, DedupStep) and step.near is not None:
            from tulu_data.kernels.bands import bands_for

            try:
                bands_for(step.near.jaccard_threshold, step.near.recall, step.near.num_perm)
            except ValueError as error:
                yield file.document.problem(("steps", i, "near"), str(error))


def _date_problems(file: MixtureFile) -> Iterator[str]:
    """Yield what is wrong with the expressions that give the dates of records."""
    for i, step in enumerate(file.mixture.steps):
        for j, entry in enumerate(step.drop if isinstance(step, FilterStep) else ()):
            of = entry.date.of if entry.date else {}
            place = ("steps", i, "drop", j, "date", "of")
            named = {place: of} if isinstance(of, str) else {(*place, name): sql for name, sql in of.items()}
            for path, sql in named.items():
                from tulu_data.sources.dates import Dates

                try:
                    Dates(sql)
                except SourceError as error:
                    yield file.document.problem(path, str(error).removeprefix(f"{Dates.key} "))


def _query_problems(file: MixtureFile) -> Iterator[str]:
    """Yield what is wrong with sources that are queries: no SELECT, or tables that nothing attaches."""
    for name, source in file.mixture.sources.items():
        if source.uri.startswith(SQL):
            query = source.uri.removeprefix(SQL).strip()
            try:
                text = unattached(query, source.attach)
            except SourceError as error:
                text = str(error).removeprefix(f"{SQL}{query}: ")
            if text is not None:
                yield file.document.problem(("sources", name, "uri"), text)


def _reading_problems(file: MixtureFile, name: str, source: Source) -> Iterator[str]:
    """Yield what is wrong with an adapter that is named: its kind, and parts that it does not have."""
    kind = file.mixture.kind
    if source.adapter == "auto":
        parts = sorted({part for form in FORMS.values() if kind in form.kinds for part in form.parts})
        for part in source.columns.keys() - {*parts}:
            text = f"no part {part!r}{nearest(part, parts)} (parts of kind {kind}: {', '.join(parts)})"
            place = ("sources", name, "columns", part)
            yield file.document.problem(place, text, key=True, against=[("kind",)])
        return
    form = FORMS[source.adapter]
    if kind not in form.kinds:
        fitting = ", ".join(sorted(n for n, other in FORMS.items() if kind in other.kinds))
        given = " or ".join(form.kinds)
        text = f"gives {given} records, the mixture is of kind {kind!r}; use {fitting} or auto"
        yield file.document.problem(("sources", name, "adapter"), text, against=[("kind",)])
    for part in source.columns:
        if part not in form.parts:
            known = f"(parts of {source.adapter}: {', '.join(sorted(form.parts))})"
            text = f"no part {part!r}{nearest(part, form.parts)} {known}"
            place, adapter = ("sources", name, "columns", part), ("sources", name, "adapter")
            yield file.document.problem(place, text, key=True, against=[adapter])
