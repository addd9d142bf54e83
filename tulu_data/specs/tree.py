"""Values with their places as a tree: what can be merged, set and taken away, and be a document again.

The one idea: every value and key carries where it was written, so after files are laid over one another each
mistake still names its own file. Two mappings merge key by key, anything else replaces, and nothing (`null`)
over something removes it. What a key means is not known here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tulu_data.specs.document import Document, KeyPath, Place

Whole = Callable[[KeyPath], bool]
"""Tells of a path whether a mapping there is replaced whole instead of merged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """One value: a scalar, a list of trees or a mapping of keys to trees."""

    place: Place
    data: object
    """The scalar; None for a list or mapping."""
    entries: "tuple[Tree, ...] | None" = None
    items: "dict[str, Branch] | None" = None
    removed: Mapping[str, Place] = field(default_factory=dict)
    """Keys that were taken away, and where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One key of a mapping, with the place of the key."""

    key: Place
    tree: Tree


def tree_of(document: Document, placed: Callable[[Place], Place]) -> Tree:
    """Make the tree of a document; `placed` tells where each of its places is for whoever reads messages."""

    def built(data: object, path: KeyPath) -> Tree:
        place = placed(document.place(path))
        if isinstance(data, dict):
            items = {
                key: Branch(
                    key=placed(document.place((*path, key), key=True)), tree=built(below, (*path, key))
                )
                for key, below in data.items()
            }
            return Tree(place=place, data=None, items=items)
        if isinstance(data, list):
            entries = tuple(built(below, (*path, i)) for i, below in enumerate(data))
            return Tree(place=place, data=None, entries=entries)
        return Tree(place=place, data=data)

    return built(document.data, ())


def document_of(tree: Tree, name: str) -> Document:
    """Make a document of a tree again."""
    values: dict[KeyPath, Place] = {}
    keys: dict[KeyPath, Place] = {}
    removed: dict[KeyPath, Place] = {}

    def plain(tree: Tree, path: KeyPath) -> object:
        values[path] = tree.place
        removed.update({(*path, key): place for key, place in tree.removed.items()})
        if tree.items is not None:
            keys.update({(*path, key): branch.key for key, branch in tree.items.items()})
            return {key: plain(branch.tree, (*path, key)) for key, branch in tree.items.items()}
        if tree.entries is not None:
            return [plain(entry, (*path, i)) for i, entry in enumerate(tree.entries)]
        return tree.data

    return Document(name=name, data=plain(tree, ()), values=values, keys=keys, removed=removed)


def is_nothing(tree: Tree) -> bool:
    """Tell whether a tree is a null."""
    return tree.items is None and tree.entries is None and tree.data is None


def merged(below: Tree, above: Tree, whole: Whole, path: KeyPath = ()) -> Tree:
    """Lay one tree over another."""
    if below.items is None or above.items is None or whole(path):
        return above
    items, removed = dict(below.items), {**below.removed, **above.removed}
    for key, branch in above.items.items():
        if key not in items:
            items[key] = branch
            removed.pop(key, None)
        elif is_nothing(branch.tree):
            del items[key]
            removed[key] = branch.key
        else:
            tree = merged(items[key].tree, branch.tree, whole, (*path, key))
            items[key] = Branch(key=branch.key, tree=tree)
    return Tree(place=above.place, data=None, items=items, removed=removed)


class NoPlaceError(Exception):
    """A path leads through something that has no such part: the path as far as it goes, and why it ends."""

    def __init__(self, path: KeyPath, found: Tree) -> None:
        """Keep both for a message."""
        self.path, self.found = path, found
        super().__init__(path)


def put(below: Tree, path: KeyPath, value: Tree, whole: Whole, done: KeyPath = ()) -> Tree:
    """Lay a value over what stands at a path; mappings on the way are made, entries of lists must be there.

    What is replaced whole holds the value alone. Raises NoPlaceError.
    """
    if not path:
        return merged(below, value, whole, done)
    part, rest = path[0], path[1:]
    if whole(done) and isinstance(part, str) and not is_nothing(value):
        below = Tree(place=value.place, data=None, items={})
    if isinstance(part, int):
        if below.entries is None or part >= len(below.entries):
            raise NoPlaceError(done, below)
        return replace(below, entries=_put_entry(below.entries, part, rest, value, whole, (*done, part)))
    if below.items is None and not is_nothing(below):
        raise NoPlaceError(done, below)
    items, removed = dict(below.items or {}), dict(below.removed)
    if not rest and is_nothing(value):
        if part not in items:
            raise NoPlaceError(done, Tree(place=below.place, data=None, items=items))
        del items[part]
        removed[part] = value.place
    else:
        removed.pop(part, None)
        old = items[part].tree if part in items else Tree(place=value.place, data=None)
        items[part] = Branch(key=value.place, tree=put(old, rest, value, whole, (*done, part)))
    return Tree(place=below.place, data=None, items=items, removed=removed)


def _put_entry(
    entries: tuple[Tree, ...], number: int, rest: KeyPath, value: Tree, whole: Whole, done: KeyPath
) -> tuple[Tree, ...]:
    """Lay a value over an entry of a list; nothing over an entry takes it out."""
    if not rest and is_nothing(value):
        return (*entries[:number], *entries[number + 1 :])
    return (*entries[:number], put(entries[number], rest, value, whole, done), *entries[number + 1 :])
