"""Tables on terminals of any width: every number stands there whole."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from tulu_data.cli.console import print_table
from tulu_data.report.tables import source_table, table
from tulu_data.store import SourceEntry

counts = st.integers(0, 10**9)


def printed(made: Table, width: int, *, terminal: bool, zeros: bool, capture: pytest.CaptureFixture) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None)
    capture.readouterr()
    print_table(console, made, without_zeros=zeros)
    return capture.readouterr().out + console.file.getvalue()


def entry(name: str, read: int, dropped: dict[str, int]) -> SourceEntry:
    kept = read - sum(dropped.values())
    return SourceEntry(
        name=name, uri="x", read=read, quarantined={}, dropped=dropped, not_drawn=0, kept=kept, rows=kept,
        files=(),
    )  # fmt: skip


@given(
    rows=st.lists(st.lists(counts, min_size=9, max_size=9), min_size=1, max_size=4), width=st.integers(10, 90)
)
def test_no_number_is_cut_and_nothing_is_too_wide(rows: list[list[int]], width: int) -> None:
    from tulu_data.report.fitting import fit, least_width

    made = table("source", *(f">number {n}" for n in range(9)), "licences")
    for number, row in enumerate(rows):
        made.add_row(f"a/long-name-of-a-source-{number}", *(f"{n:,}" for n in row), "odc-by")
    seen: list[list[str]] = [[] for _ in rows]
    for part in fit(made, width, without_zeros=False).parts:
        wide = max(width, least_width(part))
        console = Console(file=io.StringIO(), width=wide, color_system=None)
        console.print(part)
        lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
        assert wide == width or len(part.columns) == 2
        assert all(len(line) <= wide and "…" not in line for line in lines)
        told = [re.findall(r"(?<![\w,-])[\d,]+(?![\w,-])", line.split("  ", 1)[-1]) for line in lines[1:]]
        with_numbers = [numbers for numbers in told if numbers]
        for whole, numbers in zip(seen, with_numbers, strict=False):
            whole.extend(numbers)
    assert seen == [[f"{n:,}" for n in row] for row in rows]


def test_in_a_pipe_nothing_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    reasons = {f"a_reason_of_a_step_{n}": 0 for n in range(20)}
    made = source_table([entry("a" * 200, 17_512_345, reasons)])
    (head, row) = printed(made, 160, terminal=False, zeros=True, capture=capsys).splitlines()
    assert all(reason in head for reason in reasons)
    assert row.startswith("a" * 200 + "  ")
    assert row.split()[1:] == ["17,512,345", *["0"] * 22, "17,512,345", "17,512,345"]


def test_on_a_narrow_terminal_zeros_are_left_out_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    entries = [
        entry(name, 17_512_345, {"too_short": 0, "refusal": 1_234_567, "near_duplicate": 0})
        for name in ("chat", "code")
    ]
    text = printed(source_table(entries), 60, terminal=True, zeros=True, capture=capsys)
    table_, told = text.rsplit("0 in every row: ", 1)
    assert " ".join(told.split()) == "quarantined, too_short, near_duplicate, not drawn"
    assert table_.count("17,512,345") == 2
    assert "16,277,778" in table_
    assert "near_duplicate" not in table_
    wide = printed(source_table(entries), 200, terminal=True, zeros=True, capture=capsys)
    assert "near_duplicate" in wide
    assert "0 in every row" not in wide
