"""A spec that builds on others: `extends` names files, which are merged in order, the spec itself last.

The one idea: what is read is one document, whose values keep the places where they were written; so nothing
after this module knows of overlays. Every file is merged once, before all that build on it, however many
name it. It does not know the format: which mappings are replaced whole is told by the caller.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tulu_data.errors import SpecError, nearest
from tulu_data.specs.base import shown
from tulu_data.specs.document import Document, KeyPath, dotted, read_document
from tulu_data.specs.setting import put_setting
from tulu_data.specs.tree import Branch, Tree, Whole, document_of, is_nothing, merged, tree_of

MAX_DEPTH = 20
"""Specs that build on one another in a row; more than anybody can follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layered:
    """A spec with what it builds on laid under it, and settings over it."""

    document: Document
    bases: tuple[Path, ...]
    """Files that it builds on, the nearest first."""


def read_layered(path: Path, settings: Sequence[str], whole: Whole) -> Layered:
    """Read a spec with its bases and settings; raise SpecError with what cannot be merged."""
    own = read_document(path)
    if not isinstance(own.data, dict) or (own.data.get("extends") is None and not settings):
        return Layered(document=own, bases=())
    layers = _Layers(top=str(path))
    layers.add(path, own, ())
    _, tree = layers.found[0]
    added: dict[str, list[str]] = {}
    for below, above in layers.found[1:]:
        laid = _laid(tree, above, below, whole)
        added |= _added(tree, laid)
        tree = laid
    for number, setting in enumerate(settings, len(layers.found)):
        laid = put_setting(tree, setting, whole, number)
        added |= _added(tree, laid)
        tree = laid
    problems = list(_meant_others(tree, added, str(path)))
    if problems:
        raise SpecError(problems)
    bases = tuple(base for base, _ in reversed(layers.found[:-1]))
    return Layered(document=document_of(tree, str(path)), bases=bases)


@dataclass(slots=True, kw_only=True)
class _Layers:
    """The files that a spec builds on and itself, each after those that it builds on."""

    top: str
    found: list[tuple[Path, Tree]] = field(default_factory=list)
    seen: set[Path] = field(default_factory=set)

    def add(self, path: Path, document: Document, above: tuple[Path, ...]) -> None:
        """Add the bases of a file, then the file; raise SpecError where they lead round or are not there."""
        real = path.resolve()
        self.seen.add(real)
        for place, name in _bases(document):
            base = Path(os.path.normpath(path.parent / name))
            if base.resolve() in (*above, real):
                text = f"{name!r} leads back to {base}, so neither has an end; remove one of the two"
                raise SpecError([document.problem(place, text)])
            if len(above) + 1 >= MAX_DEPTH:
                text = f"more than {MAX_DEPTH} specs build on one another here; merge some of them"
                raise SpecError([document.problem(place, text)])
            if not base.is_file():
                text = f"no file {str(base)!r}; paths here are relative to this file's folder"
                raise SpecError([document.problem(place, text)])
            if base.resolve() not in self.seen:
                self.add(base, _read(base), (*above, real))
        own = str(path) == self.top
        origin, layer = "" if own else str(path), len(self.found)
        tree = tree_of(document, lambda place: place._replace(origin=origin, layer=layer))
        if not own:
            # What a base builds on is laid under it already.
            items = {key: branch for key, branch in (tree.items or {}).items() if key != "extends"}
            tree = replace(tree, items=items)
        self.found.append((path, tree))


def _read(base: Path) -> Document:
    """Read a base; raise SpecError unless it has keys and values."""
    document = read_document(base)
    if not isinstance(document.data, dict):
        raise SpecError([document.problem((), f"expected keys and values, found {shown(document.data)}")])
    return document


def _bases(document: Document) -> list[tuple[KeyPath, str]]:
    """Return the place and text of every file that a document builds on."""
    said = document.data.get("extends") if isinstance(document.data, dict) else None
    named: list[tuple[KeyPath, object]] = [] if said is None else [(("extends",), said)]
    if isinstance(said, list):
        named = [(("extends", i), name) for i, name in enumerate(said)]
    form = "expected the path of a spec, relative to this file"
    problems = [
        document.problem(place, f"{form}, found {shown(name)}")
        for place, name in named
        if not isinstance(name, str) or not name.strip()
    ]
    if problems:
        raise SpecError(problems)
    return [(place, str(name)) for place, name in named]


def _laid(below: Tree, above: Tree, path: Path, whole: Whole) -> Tree:
    """Lay a file over what it builds on; raise SpecError where it removes a source that is not there."""
    problems = []
    there = _sources(below)
    for name, branch in _sources(above).items():
        if is_nothing(branch.tree) and name not in there:
            where = f"{path}:{branch.key.line}:{branch.key.column} {dotted(('sources', name))}"
            known = f"(sources: {', '.join(sorted(there))})"
            text = f"nothing to remove, no source {name!r} below{nearest(name, there)} {known}"
            problems.append(f"{where}: {text}")
    if problems:
        raise SpecError(problems)
    return merged(below, above, whole)


def _added(below: Tree, laid: Tree) -> dict[str, list[str]]:
    """Return the sources that a layer adds, each with those that were there."""
    there = _sources(below)
    return {name: list(there) for name in _sources(laid) if name not in there}


def _meant_others(tree: Tree, added: dict[str, list[str]], name: str) -> Iterator[str]:
    """Yield a problem for each source that a layer added without a uri: it was to be laid over another."""
    document = document_of(tree, name)
    for source, there in added.items():
        branch = _sources(tree).get(source)
        if branch is not None and branch.tree.items is not None and "uri" not in branch.tree.items:
            known = f"(sources: {', '.join(sorted(there))})"
            text = f"no source {source!r} to lay this over{nearest(source, there)} {known}"
            yield document.problem(("sources", source), f"{text}; a new one needs `uri:`", key=True)


def _sources(tree: Tree) -> dict[str, Branch]:
    """Return the sources of a spec by name."""
    found = (tree.items or {}).get("sources")
    return found.tree.items or {} if found is not None else {}
