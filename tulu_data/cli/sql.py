"""`tulu-data sql`: query hits, drops and records."""

import csv
import json
import sys
from decimal import Decimal
from math import isfinite
from pathlib import Path
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
    from collections.abc import Mapping

    import pyarrow as pa

    from tulu_data.sources.views import View
    from tulu_data.specs.decisions import Decisions
    from tulu_data.store import Store

REPORT = "reports/decontamination"
"""Folder of a workspace that is queried when nothing is named."""
CELL = 100
"""Characters of a value that a table shows."""


@click.command(short_help="Query hits, drops and records with SQL.")
@click.argument("query", metavar="[SQL]", required=False)
@click.argument("what", metavar="[REPORT]", required=False)
@decisions_option
@store_option
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the result to this .parquet file."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print the result as CSV.")
@json_option
def command(
    query: str | None, what: str | None, decisions: Path | None, store: Path | None, out: Path | None,
    as_csv: bool, as_json: bool,
) -> None:  # fmt: skip
    """Query hits, drops and records with SQL (DuckDB's), as in "SELECT suite, count(*) FROM hits GROUP BY 1".

    REPORT is the folder of a report or name@version; default: the workspace's report. The views are
    hits, clusters (duplicates), dropped, quarantined, verdicts (source by suite and split),
    decisions, and records: those of a version, or those behind the hits or clusters of a report.
    Without SQL, or with REPORT alone, the views are listed with their columns. A query sees nothing
    else: no file and no network.
    """
    from tulu_data.sources.views import run_query

    if out is not None and out.suffix != ".parquet":
        raise click.UsageError(f"--out {out}: give a name that ends in .parquet, or print --csv or --json")
    if what is None and query and len(query.split()) == 1:
        # No query is a single word.
        query, what = None, query
    here = Path.cwd()
    root = workspace_root(here)
    base = here if what and (here / what).exists() else root
    known = _views(what or REPORT, base, open_store(store, root), open_decisions(decisions, root))
    if query is None or not query.strip():
        _list(known, as_json=as_json)
        return
    found = run_query(query, known)
    if out is not None:
        _write(found, out)
    elif as_json:
        print_json([_plain(row) for row in found.to_pylist()])
    elif as_csv:
        _print_csv(found)
    else:
        _print(found)


def _views(what: str, base: Path, store: "Store", decisions: "Decisions") -> "Mapping[str, View]":
    """Name the views of a report or a version."""
    from tulu_data.sources.reports import is_of, locate

    found = locate(what, base, store)
    if isinstance(found, Path) and is_of(found, "dedup"):
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
    for row in _rows(found):
        texts = (safe_text(_text(value, digits=6)).replace("\n", " ") for value in row)
        made.add_row(*(escape(text if len(text) <= CELL else f"{text[:CELL]}...") for text in texts))
    print_table(results(), made)
    click.echo(f"{found.num_rows:,} row{'' if found.num_rows == 1 else 's'}")


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
