"""How the files of a suite are read: all that a spec says of it, and the map that columns tell.

The one idea: `Reading` holds everything that the instances depend on besides the files' bytes and
names, so its key and theirs name the result. Nothing here opens a file.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256

from tulu_data.decontaminate.suites import refusals
from tulu_data.sources.files import SourceFile
from tulu_data.sources.reading import READER_VERSION
from tulu_data.specs.layouts import EVAL_KEY, LAYOUTS, OURS, Layout, fitting_layouts
from tulu_data.specs.suite import Fields, SuiteSource

SUITES_VERSION = 1
"""Raised whenever the same files and maps would give other instances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the files of a suite are read."""

    fields: Fields | None = None
    """The map; None where the columns tell it."""
    extra: Fields | None = None
    """Fields that a spec gives besides; they go before the map's."""
    required: tuple[tuple[str, ...], ...] = ()
    """Paths and templates, of each group of which every file must have the columns of one."""
    each: str | None = None
    header: tuple[str, ...] | None = None
    where: str | None = None
    rows: int | None = None
    split: str = "test"
    several: bool = False
    """The suite has several files, so a row's number alone does not name it."""
    ours: bool = False
    """The map is one of our two layouts, which the columns tell apart."""

    @classmethod
    def of(cls, suite: SuiteSource, *, several: bool) -> "Reading":
        """Return how a spec says that a suite is read."""
        given = suite.fields
        layout = LAYOUTS[suite.layout] if suite.layout else None
        alone = layout is None and given is not None and given.question is not None
        required = [] if given is None else [*given.groups()]
        return cls(
            fields=merged(layout.fields, given) if layout else given if alone else None,
            extra=None if layout or alone else given,
            required=(*((name,) for name in sorted(layout.needs if layout else ())), *required),
            each=suite.each or (layout.each if layout else None),
            header=suite.columns or (layout.columns if layout else None),
            where=suite.where, rows=suite.rows, split=suite.split, several=several,
        )  # fmt: skip

    def settled(self, file: SourceFile, columns: Sequence[str]) -> Layout:
        """Return the map for rows of these columns: one of ours, as given, or told; raise SuiteError."""
        if self.ours:
            return EVAL_KEY if EVAL_KEY.needs <= {*columns} else OURS
        if self.fields is not None:
            found = Layout(about="", needs=frozenset(), fields=self.fields, each=self.each)
        else:
            told = LAYOUTS[told_layout(file, columns)]
            each, fields = self.each or told.each, merged(told.fields, self.extra)
            found = Layout(about="", needs=told.needs, fields=fields, each=each)
        return replace(found, fields=self._naming(found.fields))

    def _naming(self, fields: Fields) -> Fields:
        """Return a map that names an instance by its row, and by file where there are several, if need be."""
        row = "{file}/{row}" if self.several else "{row}"
        made = fields.id if isinstance(fields.id, tuple) else () if fields.id is None else (fields.id,)
        return fields.model_copy(update={"id": (*made, row)})

    @property
    def key(self) -> str:
        """Name the reading by all that it says."""
        told = None if self.fields or self.ours else _layouts_key()
        said = [_dumped(self.fields), _dumped(self.extra), self.required, self.each]
        rest = [self.header, self.where, self.rows, self.split, self.several, self.ours, told]
        text = json.dumps([SUITES_VERSION, READER_VERSION, *said, *rest])
        return sha256(text.encode()).hexdigest()[:32]


OWN = Reading(ours=True)
"""How a file is read that no spec names."""


def told_layout(file: SourceFile, columns: Sequence[str]) -> str:
    """Return the layout that some columns tell; raise SuiteError when they tell none, or more than one."""
    fitting = fitting_layouts(columns)
    if len(fitting) != 1:
        raise refusals.untold(file, columns, fitting)
    return fitting[0]


def merged(fields: Fields, over: Fields | None) -> Fields:
    """Return a map with the fields of another before its own."""
    if over is None:
        return fields
    return fields.model_copy(update={name: getattr(over, name) for name in over.model_fields_set})


def _dumped(fields: Fields | None) -> Mapping[str, object] | None:
    return None if fields is None else fields.model_dump(mode="json", exclude_none=True)


@lru_cache(maxsize=1)
def _layouts_key() -> str:
    """Name the table of layouts by its content."""
    table = {
        name: [sorted(layout.needs), _dumped(layout.fields), layout.each, layout.columns]
        for name, layout in LAYOUTS.items()
    }
    return sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()[:32]
