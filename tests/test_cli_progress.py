"""The bar of datasets: drawn at a terminal, silent elsewhere."""

import io
import re

from rich.console import Console

from tulu_data.cli.progress import DatasetBar


def drawn(*, terminal: bool) -> str:
    stream = io.StringIO()
    with DatasetBar(Console(file=stream, force_terminal=terminal, width=140)) as bar:
        bar.begin("data/[x].jsonl", 4_000_000)
        bar.read(1_000_000.0)
        bar.records(1200)
        bar.records(34)
        bar._bar.refresh()
        bar.end("data/[x].jsonl: 1,234 records, 5 hits")
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())


def test_a_terminal_sees_dataset_bytes_records_and_what_came_of_it() -> None:
    text = drawn(terminal=True)
    assert re.search(r"data/\[x\].jsonl .* 1.0/4.0 MB 1,234 records", text)
    assert "data/[x].jsonl: 1,234 records, 5 hits\n" in text


def test_nothing_is_drawn_where_nobody_looks() -> None:
    assert drawn(terminal=False) == ""
