"""Datasets read and accounted for: every row a record or quarantined, and the same data read once."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from dataset_fixtures import REPORT, Told, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tulu_data.errors import SourceError

GOOD, BAD, BLANK = json.dumps({"prompt": "a", "completion": "b"}), "{broken", ""


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from([GOOD, BAD, BLANK]), max_size=8), min_size=1, max_size=3))
def test_every_row_is_a_record_or_quarantined(tmp_path: Path, files: list[list[str]]) -> None:
    told, seen = Told(), {}
    names = [f"{k}.jsonl" for k in range(len(files))]
    for name, lines in zip(names, files, strict=True):
        write(tmp_path / name, lines)
    ledger = read(
        tmp_path, *names, told=told,
        each=lambda dataset, records: seen.update({dataset.name: records["origin"].to_pylist()}),
    )  # fmt: skip
    rows = {
        name: {what: [k for k, line in enumerate(lines, 1) if line == what] for what in (GOOD, BAD)}
        for name, lines in zip(names, files, strict=True)
    }
    assert [(a.dataset, a.records, a.bad, a.read) for a in ledger.accounts] == [
        (name, len(of[GOOD]), len(of[BAD]), len(of[GOOD]) + len(of[BAD])) for name, of in rows.items()
    ]
    assert [dict(account.sources) for account in ledger.accounts] == [
        {name: len(of[GOOD])} for name, of in rows.items()
    ]
    assert {name: found for name, found in seen.items() if found} == {
        name: [f"{name}:{k}" for k in of[GOOD]] for name, of in rows.items() if of[GOOD]
    }
    table = pq.read_table(tmp_path / REPORT / "quarantined.parquet")
    assert table["origin"].to_pylist() == [f"{name}:{k}" for name, of in rows.items() for k in of[BAD]]
    assert [account.dataset for account in ledger.empty] == [n for n, of in rows.items() if not of[GOOD]]
    assert ledger.records == told.count == sum(len(of[GOOD]) for of in rows.values())
    assert told.texts == [f"{name}: {len(of[GOOD])} records" for name, of in rows.items()]


def test_the_same_data_under_another_name_is_read_once(tmp_path: Path) -> None:
    write(tmp_path / "data/a.jsonl", [GOOD, GOOD])
    (tmp_path / "link.jsonl").symlink_to("data/a.jsonl")
    seen: list[str] = []
    names = ["data/a.jsonl", "data", "link.jsonl", "data/a.jsonl"]
    ledger = read(tmp_path, *names, each=lambda dataset, _: seen.append(dataset.name))
    assert seen == [account.dataset for account in ledger.accounts] == ["data/a.jsonl"]
    assert ledger.repeated == dict.fromkeys(names[1:], "data/a.jsonl")
    assert ledger.records == 2


def test_a_file_that_is_found_may_be_unreadable_and_one_that_is_named_may_not(tmp_path: Path) -> None:
    write(tmp_path / "data/good.jsonl", [GOOD, BAD])
    write(tmp_path / "data/odd.jsonl", ['{"a": 1}'])
    ledger = read(tmp_path)
    assert [account.dataset for account in ledger.accounts] == ["data/good.jsonl"]
    assert [why.split(";")[0] for why in ledger.unreadable] == [
        "data/odd.jsonl: fits no known layout (columns: a)"
    ]
    assert pq.read_table(tmp_path / REPORT / "quarantined.parquet").num_rows == 1
    with pytest.raises(SourceError, match=r"^data/odd\.jsonl: fits no known layout"):
        read(tmp_path, "data/good.jsonl", "data/odd.jsonl")


def test_nothing_to_read_is_an_error_that_says_what_was_looked_at(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no dataset to read: the store .* is empty"):
        read(tmp_path)
    (tmp_path / "data").mkdir()
    with pytest.raises(SourceError, match=r"is empty and no data file lies below data/; name a file"):
        read(tmp_path)
    write(tmp_path / "data/odd.jsonl", ['{"a": 1}'])
    with pytest.raises(SourceError, match=r"no dataset holds records: data/odd\.jsonl: fits no known layout"):
        read(tmp_path)
