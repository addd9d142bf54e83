"""Who may import whom. The table is the house's dependency direction; a new edge is a decision."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

STEPS = ("filters", "dedup", "decontaminate")
"""Steps never import each other."""

ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "kinds": set(),
    "schema": {"kinds"},
    "workspace": set(),
    "engine": set(),
    "kernels": {"schema"},
    "specs": {"errors", "kinds"},
    "imports": {"errors", "schema", "sources", "specs"},
    "exchange": {"account", "engine", "errors", "sources", "store"},
    "store": {"errors", "schema"},
    "sources": {"engine", "errors", "kernels", "schema", "specs", "store"},
    "steps": {"engine", "errors", "kernels", "schema", "sources", "specs", "store"},
    "mix": {"engine", "errors", "kernels", "root", "schema", "sources", "specs", "steps", "store"},
    "account": {"engine", "errors", "kernels", "mix", "schema", "sources", "specs", "steps", "store"},
    "report": {"store"},
    "versions": {"engine", "errors", "kernels", "schema", "sources", "specs", "steps", "store"},
    "cli": {
        "account",
        "exchange",
        "errors",
        "imports",
        "kinds",
        "mix",
        "report",
        "root",
        "schema",
        "sources",
        "specs",
        "steps",
        "store",
        "trainers",
        "versions",
    },
    "root": {"cli"},
    "trainers": {"errors", "specs", "store"},
}
"""Layer -> layers that it imports. Left of the arrow in ARCHITECTURE.md may import right, never back."""

TRAINERS_READ = {
    "tulu_data.errors", "tulu_data.specs.base", "tulu_data.specs.document",
    "tulu_data.store.version", "tulu_data.store.store",
}  # fmt: skip
"""All that trainers may know of the data engine: the reading of versions, and of configs."""

FORBIDDEN = {"torch", "transformers"}
"""What no module of the data engine imports, not even inside a function."""


class Edge(NamedTuple):
    """One import: the module that says it, the module that it names, and where.

    A deferred import stands in a function or is for type checkers only.
    """

    importer: str
    imported: str
    place: str
    deferred: bool


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("tulu_data", "trainers"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


def edges() -> Iterator[Edge]:
    for name, path in MODULES.items():
        tree = ast.parse(path.read_text("utf-8"))
        inside = {
            id(child)
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or for_type_checkers(node)
            for child in ast.walk(node)
        }
        for node in ast.walk(tree):
            for imported in imported_modules(node):
                place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
                yield Edge(name, imported, place, id(node) in inside)


def for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imported_modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports hide layers"
        module = node.module or ""
        whole = [f"{module}.{alias.name}" for alias in node.names]
        return [name if name in MODULES else module for name in whole]
    return []


EDGES = sorted(set(edges()))


def layer(module: str) -> str:
    parts = module.split(".")
    if parts[0] == "trainers":
        return "trainers"
    name = parts[1] if len(parts) > 1 else "root"
    if name == "__main__":
        return "root"
    return "steps" if name in STEPS else name


def ours(module: str) -> bool:
    return module.partition(".")[0] in ("tulu_data", "trainers")


def test_every_import_follows_the_direction_of_the_layers() -> None:
    wrong = [
        f"{edge.place}: {layer(edge.importer)} may not import {layer(edge.imported)} ({edge.imported})"
        for edge in EDGES
        if ours(edge.imported)
        and layer(edge.imported) != layer(edge.importer)
        and layer(edge.imported) not in ALLOWED.get(layer(edge.importer), set())
    ]
    assert wrong == []


def test_steps_do_not_import_each_other() -> None:
    wrong = [
        f"{edge.place}: {edge.imported}"
        for edge in EDGES
        if ours(edge.imported)
        and layer(edge.importer) == layer(edge.imported) == "steps"
        and edge.importer.split(".")[1] != edge.imported.split(".")[1]
    ]
    assert wrong == []


def test_the_table_names_every_layer_and_holds_no_edge_that_nobody_uses() -> None:
    assert {layer(name) for name in MODULES} == set(ALLOWED)
    used = {(layer(edge.importer), layer(edge.imported)) for edge in EDGES if ours(edge.imported)}
    dead = [f"{a} -> {b}" for a, below in ALLOWED.items() for b in sorted(below) if (a, b) not in used]
    assert dead == []


def test_the_table_has_no_way_back() -> None:
    def reachable(name: str, seen: frozenset[str] = frozenset()) -> set[str]:
        # The root only offers names (and starts the command line), so it closes no circle.
        below = ALLOWED[name] - {"root"}
        assert not below & seen, f"{name} leads back to {below & seen}"
        return below | {deep for b in below for deep in reachable(b, seen | {name})}

    for name in ALLOWED:
        assert name not in reachable(name)


def test_trainers_know_nothing_but_the_reading_side_of_the_store() -> None:
    wrong = [
        f"{edge.place}: {edge.imported}"
        for edge in EDGES
        if layer(edge.importer) == "trainers"
        and edge.imported.startswith("tulu_data")
        and edge.imported not in TRAINERS_READ
    ]
    assert wrong == []


def test_only_the_train_verb_imports_trainers_and_only_when_it_runs() -> None:
    found = [
        edge for edge in EDGES if layer(edge.imported) == "trainers" and layer(edge.importer) != "trainers"
    ]
    assert {edge.importer for edge in found} <= {"tulu_data.cli.train"}
    assert [edge.place for edge in found if not edge.deferred] == []


def test_the_data_engine_never_imports_torch_or_transformers() -> None:
    wrong = [
        f"{edge.place}: {edge.imported}"
        for edge in EDGES
        if edge.importer.startswith("tulu_data") and edge.imported.split(".")[0] in FORBIDDEN
    ]
    assert wrong == []


def test_modules_are_named_by_what_they_hold() -> None:
    shelves = {"utils", "util", "common", "helpers", "helper", "misc", "tools"}
    assert [name for name in MODULES if name.split(".")[-1] in shelves] == []
