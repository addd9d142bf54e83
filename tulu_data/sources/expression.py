"""An expression in SQL over a source's own columns.

The one idea: the expression sees one row at a time and nothing else. DuckDB evaluates it in
memory, without files, network, extensions or settings; its parse tree is checked first, so that
subqueries, aggregates, windows and functions whose value changes between runs are refused.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from tulu_data.errors import SourceError, nearest
from tulu_data.sources.sql import locked_cursor, sql_error

if TYPE_CHECKING:
    import pyarrow as pa

_REFUSED = {
    "SUBQUERY": "a subquery", "WINDOW": "a window function", "STAR": "a star", "PARAMETER": "a parameter",
    "POSITIONAL_REFERENCE": "a column by position", "DEFAULT": "DEFAULT",
}  # fmt: skip
_TABLE = "source"


class ExpressionError(SourceError):
    """An expression that is none, or that the rows of a source cannot give."""

    def __init__(self, text: str, *, key: str, sql: str) -> None:
        """Keep the key that the expression is written under, and its SQL, by which a spec finds the place."""
        super().__init__(text)
        self.key, self.sql = key, sql


class Expression(ABC):
    """One compiled expression."""

    key: ClassVar[str]
    """Where it is written."""
    noun: ClassVar[str]
    """What it is."""
    example: ClassVar[str]

    def __init__(self, sql: str, *, name: str | None = None) -> None:
        """Parse the expression of a source; raise SourceError when it is not a plain one."""
        self.sql = sql
        self._of = f" (source {name!r})" if name else ""
        tree = self._parsed()
        self._refuse(tree)
        self._names = frozenset(n.lower() for path in _columns(tree, frozenset()) for n in _candidates(path))
        self._paths = tuple(dict.fromkeys(_columns(tree, frozenset())))

    def columns(self) -> frozenset[str]:
        """Return the columns that the expression reads, in lower case: SQL names have no case."""
        return self._names

    def missing(self, have: frozenset[str]) -> list[str]:
        """Return the columns that the expression needs and `have` lacks; case does not matter."""
        known = {name.lower() for name in have}
        return [path[0] for path in self._paths if not any(c.lower() in known for c in _candidates(path))]

    def reads(self, name: str) -> bool:
        """Tell whether the expression reads the column of this name."""
        return name.lower() in self._names

    @abstractmethod
    def values(self, table: "pa.Table") -> "pa.Array":
        """Return what the expression gives for every row."""

    @property
    def bracketed(self) -> str:
        """The expression in brackets; one that ends in a comment must not swallow the closing one."""
        return f"(\n{self.sql}\n)"

    def _evaluate(self, table: "pa.Table", select: str) -> "pa.Table":
        """Return the columns that `select` names for every row, `{sql}` being the expression in brackets."""
        try:
            found = selected(table, select.format(sql=self.bracketed), self._names)
        except sql_error() as error:
            raise self._problem(str(error), table.column_names) from None
        if found.num_rows != table.num_rows:
            raise self._problem("it does not give one value a row", table.column_names)
        return found

    def unknown(self, name: str, have: frozenset[str]) -> SourceError:
        """Build the error for a column that no row has."""
        return self.error(
            f"no column {name!r}{nearest(name, sorted(have))} (columns: {', '.join(sorted(have))})"
        )

    def error(self, text: str) -> ExpressionError:
        """Build an error that names the expression."""
        return ExpressionError(f"{self.key} {self.sql!r}{self._of}: {text}", key=self.key, sql=self.sql)

    def _parsed(self) -> Any:
        """Return the parse tree of the expression alone."""
        query = f"SELECT 1 FROM {_TABLE} WHERE {self.sql}"  # noqa: S608 - parsed, not run
        row = locked_cursor().execute("SELECT json_serialize_sql(?)", [query]).fetchall()
        answer = json.loads(row[0][0])
        if answer.get("error", True) and answer.get("error_type") == "not implemented":
            # DuckDB shows the trees of SELECT alone.
            raise self._problem(f"give one {self.noun}, such as {self.example}", ())
        if answer.get("error", True):
            raise self._problem(str(answer.get("error_message", "cannot be parsed")), ())
        statements = answer["statements"]
        node = statements[0]["node"] if len(statements) == 1 else {}
        extra = any(node.get(k) for k in ("group_expressions", "having", "qualify", "modifiers", "sample"))
        plain = node.get("type") == "SELECT_NODE" and node.get("from_table", {}).get("table_name") == _TABLE
        if not plain or extra or node.get("where_clause") is None:
            raise self._problem(f"give one {self.noun}, such as {self.example}", ())
        return node["where_clause"]

    def _refuse(self, tree: Any) -> None:
        """Raise SourceError for what an expression over one row may not hold."""
        for node in _nodes(tree):
            kind = str(node.get("class", ""))
            if kind in _REFUSED:
                raise self._problem(f"{_REFUSED[kind]} is not allowed; {self._one} sees one row", ())
            name = str(node.get("function_name", "")).lower()
            if kind == "FUNCTION" and name in _refused_functions():
                raise self._problem(
                    f"function {name.removesuffix('_star')!r} is not allowed; "
                    f"{self._one} sees one row, and gives the same answer for it every time",
                    (),
                )
            if kind == "FUNCTION" and not _is_function(name):
                raise self._problem(f"no function {name!r}{nearest(name, _functions())}", ())

    @property
    def _one(self) -> str:
        return f"{'an' if self.noun[0] in 'aeiou' else 'a'} {self.noun}"

    def _problem(self, message: str, have: "list[str] | tuple[()]") -> SourceError:
        first = message.strip().splitlines()[0].rstrip(".")
        shown = f" (columns: {', '.join(sorted(have))})" if have else ""
        return self.error(f"{first}{shown}")


def selected(table: "pa.Table", select: str, names: Collection[str]) -> "pa.Table":
    """Return what SQL selects from a table of which it reads the columns `names`, given in lower case."""
    seen = table.select([n for n in table.column_names if n.lower() in names])
    if not seen.num_columns:
        import pyarrow as pa  # reading loads it anyway; a check of specs does without

        seen = pa.table({"row": pa.array(range(table.num_rows), pa.int64())})
    connection = locked_cursor()
    try:
        connection.register(_TABLE, seen)
        found: pa.Table = connection.sql(f"SELECT {select} FROM {_TABLE}").to_arrow_table()  # noqa: S608
    finally:
        connection.unregister(_TABLE)
    return found


@cache
def _refused_functions() -> frozenset[str]:
    """Return the functions whose value depends on more than their arguments, and the aggregates."""
    rows = (
        locked_cursor()
        .execute(
            "SELECT lower(function_name) FROM duckdb_functions() GROUP BY 1 "
            "HAVING bool_or(stability IN ('VOLATILE', 'CONSISTENT_WITHIN_QUERY')) "
            "OR bool_and(function_type = 'aggregate')"
        )
        .fetchall()
    )
    return frozenset(str(row[0]) for row in rows) | {"getenv", "current_setting"}


@cache
def _functions() -> frozenset[str]:
    """Return the names of all functions."""
    rows = locked_cursor().execute("SELECT DISTINCT lower(function_name) FROM duckdb_functions()").fetchall()
    return frozenset(str(row[0]) for row in rows)


@cache
def _is_function(name: str) -> bool:
    """Tell whether there is a function of this name; some that are, no list has."""
    if name in _functions():
        return True
    quoted = '"' + name.replace('"', '""') + '"'
    try:
        locked_cursor().execute(f"SELECT {quoted}(NULL)")
    except sql_error() as error:
        return "does not exist" not in str(error)
    return True


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every mapping in a parse tree."""
    if isinstance(tree, dict):
        yield tree
        for child in tree.values():
            yield from _nodes(child)
    elif isinstance(tree, list):
        for child in tree:
            yield from _nodes(child)


def _columns(tree: Any, bound: frozenset[str]) -> Iterator[tuple[str, ...]]:
    """Yield the column paths of a parse tree, leaving out the names that lambdas bind."""
    if isinstance(tree, list):
        for child in tree:
            yield from _columns(child, bound)
    elif isinstance(tree, dict):
        if tree.get("class") == "COLUMN_REF":
            path = tuple(str(n) for n in tree["column_names"])
            if path[0] not in bound:
                yield path
        elif tree.get("class") == "LAMBDA":
            # `a -> b` is also JSON access; then its left side is a column and not a new name.
            names = {n["column_names"][0] for n in _nodes(tree["lhs"]) if n.get("class") == "COLUMN_REF"}
            yield from _columns(tree["expr"], bound | names)
        else:
            for child in tree.values():
                yield from _columns(child, bound)


def _candidates(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that a path may mean: `source.x` is the table's x, or field x of a column."""
    return path[:2] if path[0].lower() == _TABLE and len(path) > 1 else path[:1]
