"""`tulu-data sql`: query hits, drops and records."""

import csv
import json
import re
import sys
from decimal import Decimal
from math import isfinite
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

import click

from tulu_data.cli.console import counted, print_json, print_table, results
from tulu_data.cli.options import (
    decisions_option,
    json_option,
    open_decisions,
    open_store,
    store_option,
    workspace_root,
)
from tulu_data.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from tulu_data.sources.views import View
    from tulu_data.specs.decisions import Decisions
    from tulu_data.store import Store

REPORT = "reports/decontamination"
"""Folder of a workspace that is queried when nothing is named."""
CELL = 100
"""Characters of a value that a table shows."""
ROWS = 1000
"""Rows that a table shows."""
NAMED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.+)")
"""A version with the name of its views."""


@click.command(short_help="Query hits, drops and records with SQL.")
@click.argument("words", nargs=-1, metavar="[SQL] [WHAT]...")
@decisions_option
@store_option
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the result to this .parquet file."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print the result as CSV.")
@json_option
def command(
    words: tuple[str, ...], decisions: Path | None, store: Path | None, out: Path | None, as_csv: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Query with SQL (DuckDB's), as in "SELECT suite, count(*) FROM hits GROUP BY 1".

    WHAT is the folder of a report, or a version (name, name@id, name@tag); default: the workspace's report.
    The views are hits, clusters (duplicates), dropped, quarantined, verdicts (source by suite and split),
    decisions, and records: those of a version, or those behind the hits or clusters of a report. Of a version
    also sources (its account), reasons (rows left out) and splits, where it has some.

    With several versions each has views of its own: a.records, b.records, or old.records where it is given as
    old=NAME@ID. Without SQL the views are listed with their columns. A query sees nothing else: no file and
    no network. A table shows the first 1,000 rows; --csv, --json and --out have all of them.
    """
    from tulu_data.sources.views import run_query

    if out is not None and out.suffix != ".parquet":
        raise click.UsageError(f"--out {out}: give a name that ends in .parquet, or print --csv or --json")
    # No query is a single word.
    is_query = bool(words) and (len(words[0].split()) != 1)
    query, asked = (words[0], words[1:]) if is_query else ("", words)
    known = _known(asked, store, decisions)
    if not query.strip():
        _list(known, as_json=as_json)
        return
    is_table = out is None and not as_json and not as_csv
    found = run_query(query, known, ROWS + 1 if is_table else None)
    if out is not None:
        _write(found, out)
    elif as_json:
        print_json([_plain(row) for row in found.to_pylist()])
    elif as_csv:
        _print_csv(found)
    else:
        _print(found)


def _known(asked: "Sequence[str]", store: Path | None, decided: Path | None) -> "Mapping[str, View]":
    """Name the views of what is asked."""
    from tulu_data.sources.views import named

    here = Path.cwd()
    root = workspace_root(here)
    opened, decisions = open_store(store, root), open_decisions(decided, root)
    if len(asked) <= 1 and not any(NAMED.fullmatch(one) for one in asked):
        what = asked[0] if asked else REPORT
        return _views(what, here if asked and (here / what).exists() else root, opened, decisions)
    found: dict[str, Mapping[str, View]] = {}
    for letter, one in zip(ascii_lowercase, asked, strict=False):
        match = NAMED.fullmatch(one)
        name, what = match.groups() if match else (letter, one)
        if name.lower() in found:
            raise click.UsageError(f"{one}: {name!r} is another one already; choose another name")
        found[name.lower()] = _views(what, here if (here / what).exists() else root, opened, decisions)
    return named(found)


def _views(what: str, base: Path, store: "Store", decisions: "Decisions") -> "Mapping[str, View]":
    """Name the views of a report or a version."""
    from tulu_data.sources.reports import is_of, locate

    found = locate(what, base, store)
    if not isinstance(found, Path):
        from tulu_data.versions.views import version_views

        return version_views(found, decisions)
    if is_of(found, "dedup"):
        from tulu_data.dedup import pairs

        return pairs.views(found, base, store)
    from tulu_data.decontaminate import query

    return query.views(found, what, base, store, decisions)


def _list(known: "Mapping[str, View]", *, as_json: bool) -> None:
    """Print the views and their columns."""
    columns = {name: {field.name: str(field.type) for field in view().schema} for name, view in known.items()}
    if as_json:
        print_json(columns)
        return
    for name, fields in columns.items():
        click.echo(f"{name}: {', '.join(fields)}")


def _write(found: "pa.Table", out: Path) -> None:
    """Write the result as a parquet file, whole or not at all."""
    import pyarrow.parquet as pq

    new = out.with_name(f".{out.name}.new")
    try:
        pq.write_table(found, new, compression="zstd")
        new.replace(out)
    except OSError as error:
        raise SourceError(f"{out}: cannot be written ({error.strerror or error})") from None
    click.echo(f"wrote {out}, {counted(found.num_rows, 'row')}")


def _print_csv(found: "pa.Table") -> None:
    """Print the result as CSV; lists and structs as JSON."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(found.column_names)
    for row in _rows(found):
        writer.writerow([_text(value) for value in row])


def _print(found: "pa.Table") -> None:
    """Print the result as a table, long values cut."""
    import pyarrow as pa
    from rich.markup import escape

    from tulu_data.report.spans import safe_text
    from tulu_data.report.tables import table

    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    right = [">" if any(test(field.type) for test in tests) else "" for field in found.schema]
    made = table(*(f"{side}{escape(name)}" for side, name in zip(right, found.column_names, strict=True)))
    for row in _rows(found.slice(0, ROWS)):
        texts = (safe_text(_text(value, digits=6)).replace("\n", " ") for value in row)
        made.add_row(*(escape(text if len(text) <= CELL else f"{text[:CELL]}...") for text in texts))
    print_table(results(), made)
    more = "; there are more, which --csv, --json and --out have" if found.num_rows > ROWS else ""
    click.echo(f"{counted(min(found.num_rows, ROWS), 'row')}{more}")


def _rows(found: "pa.Table") -> list[tuple[Any, ...]]:
    """Return the rows as values; two columns may share a name."""
    columns = [column.to_pylist() for column in found.columns]
    return list(zip(*columns, strict=True)) if columns else []


def _text(value: object, digits: int | None = None) -> str:
    """Write a value as text."""
    value = _plain(value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return (
        "" if value is None else f"{value:.{digits}g}" if digits and isinstance(value, float) else str(value)
    )


def _plain(value: object) -> object:
    """Return a value as JSON has it: no NaN, whole numbers of any size, the rest as text."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
