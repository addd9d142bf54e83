"""Which tables a query reads, and whether its source attaches them: told by the query's text alone.

The one idea: DuckDB parses the query and nothing is run, so a spec can be checked before anything that it
names is there. Names have no case.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tulu_data.errors import SourceError, nearest
from tulu_data.sources.sql import locked_cursor
from tulu_data.specs.uris import SQL

_OWN = frozenset({"main", "memory"})
"""Where DuckDB keeps what is attached as a table."""
_CATALOGUES = frozenset({"information_schema", "pg_catalog"})


def tables_of(query: str) -> list[tuple[str, ...]]:
    """Return the tables that a query reads, each as the parts of its name; raise SourceError for no SELECT.

    What the query itself names (`WITH x AS ...`) is none.
    """
    row = locked_cursor().execute("SELECT json_serialize_sql(?)", [query]).fetchall()
    answer = json.loads(row[0][0])
    if answer["error"] and answer["error_type"] != "not implemented":
        raise SourceError(f"{SQL}{query}: {answer['error_message']}")
    if answer["error"] or len(answer["statements"]) != 1:
        raise SourceError(f"{SQL}{query}: give one SELECT; nothing else is run")
    nodes = list(_nodes(answer["statements"]))
    named = {str(entry["key"]).lower() for node in nodes for entry in _named_in(node)}
    parts = [
        tuple(str(node[key]) for key in ("catalog_name", "schema_name", "table_name") if node[key])
        for node in nodes
        if node.get("type") == "BASE_TABLE"
    ]
    return [path for path in dict.fromkeys(parts) if not (len(path) == 1 and path[0].lower() in named)]


def unattached(query: str, attach: Mapping[str, str]) -> str | None:
    """Say which tables a query reads that nothing attaches, and what would do; raise SourceError."""
    seen = {name.lower() for name in attach}
    missing = [path for path in tables_of(query) if _head(path).lower() not in seen | _CATALOGUES]
    if not missing:
        return None
    head = _head(missing[0])
    tables = ", ".join(repr(".".join(path)) for path in missing)
    known = ", ".join(sorted(attach)) or "nothing"
    near = nearest(head, attach)
    return f"reads {tables}, and sees {known}{near or _remedy(missing[0], head, attach)}"


def _head(path: tuple[str, ...]) -> str:
    """Return the part of a table's name that `attach` would give."""
    return path[-1] if all(part.lower() in _OWN for part in path[:-1]) else path[0]


def _remedy(path: tuple[str, ...], head: str, attach: Mapping[str, str]) -> str:
    """Say how a table comes within sight."""
    databases = [name for name, what in attach.items() if ":" in what]
    if len(path) == 1 and databases:
        return f"; write {databases[0]}.{head} for a table of {databases[0]}"
    if len(path) == 1:
        name, what = ("web", head) if "/" in head or "." in head else (head, "data/web.parquet")
        return f"; name it beside the uri, attach: {{{name}: {what}}}, and read {name}"
    return f"; name it beside the uri, such as attach: {{{head}: 'sqlite:FILE'}}"


def _named_in(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a part of a query names for the rest of it."""
    named = node.get("cte_map")
    return list(named.get("map", ())) if isinstance(named, dict) else []


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every mapping in a parse tree."""
    if isinstance(tree, dict):
        yield tree
        for part in tree.values():
            yield from _nodes(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from _nodes(part)
