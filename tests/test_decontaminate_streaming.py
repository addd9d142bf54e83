"""A scan of files as they are read: nothing lost, nothing kept, whatever becomes of the process."""

import gzip
import json
import signal
import subprocess
import sys
import weakref
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from dataset_fixtures import Told
from decontaminate_fixtures import index_of

from tulu_data.decontaminate.audit import Audit, audit
from tulu_data.errors import SourceError
from tulu_data.sources import json_lines
from tulu_data.sources import scan as scan_module
from tulu_data.sources.cache import normalise
from tulu_data.sources.datasets import Reading
from tulu_data.sources.files import source_file
from tulu_data.sources.json_values import batch_of_rows
from tulu_data.sources.ledger import Course
from tulu_data.sources.quarantine import Quarantine
from tulu_data.sources.reading import Reading as FileReading
from tulu_data.sources.rows import Part, RawBatch
from tulu_data.store import Store

LEAK = "Natalia sold clips to 48 of her friends in April, and then she sold half as many in May."


def audited(base: Path, *names: str, workers: int = 2, told: Told | None = None) -> Audit:
    with Quarantine(base / "report") as quarantine:
        return audit(
            names, index_of([LEAK]), base=base, store=Store(base / "store"), reading=Reading(),
            course=Course(workers=workers, quarantine=quarantine, progress=told or Told()),
        )  # fmt: skip


def quarantined(base: Path) -> list[tuple[str, str, str]]:
    rows = pq.read_table(base / "report/quarantined.parquet").to_pylist()
    return [(row["origin"], row["reason"], row["raw"]) for row in rows]


def row(text: str) -> str:
    return json.dumps({"prompt": text, "completion": "yes"})


BAD = {"{broken": "broken json", row(""): "empty prompt"}
"""Lines that are no records, and why."""


def mixed_lines(count: int) -> list[str]:
    """Return lines of which every fifth leaks, every seventh is broken and every eleventh asks nothing."""
    leaks = [row(f"{i}: {LEAK}") if i % 5 == 0 else row(f"question {i}") for i in range(1, count + 1)]
    return [
        "{broken" if i % 7 == 0 else row("") if i % 11 == 0 else "" if i % 13 == 0 else line
        for i, line in enumerate(leaks, start=1)
    ]


def expected(lines: list[str]) -> tuple[list[int], dict[str, int], int]:
    """Return the rows that leak, the reasons of bad rows, and how many records there are."""
    hits = [i for i, line in enumerate(lines, start=1) if "Natalia" in line]
    bad = Counter(BAD[line] for line in lines if line in BAD)
    return hits, dict(bad), sum(line != "" for line in lines) - bad.total()


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_every_row_is_scanned_or_quarantined_with_its_own_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, workers: int
) -> None:
    monkeypatch.setattr(json_lines, "BLOCK", 300)
    monkeypatch.setattr(json_lines, "BLOCK_ROWS", 7)
    lines, told = mixed_lines(200), Told()
    data = "\n".join(lines).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    found = audited(tmp_path, name, workers=workers, told=told)
    hits, bad, records = expected(lines)
    (account,) = found.ledger.accounts
    assert found.hits["origin"].to_pylist() == [f"{name}:{i}" for i in hits]
    assert found.hits["id"].null_count == 0
    assert (account.quarantined, account.records, account.read) == (bad, records, records + sum(bad.values()))
    assert quarantined(tmp_path) == [
        (f"{name}:{i}", BAD[line], line) for i, line in enumerate(lines, start=1) if line in BAD
    ]
    assert (told.count, told.bytes, told.size) == (records, told.size, (tmp_path / name).stat().st_size)
    assert not (tmp_path / "store").exists()


def test_a_torn_archive_gives_what_it_holds_and_one_bad_row(tmp_path: Path) -> None:
    lines = [row(f"{i} {LEAK}" if i % 100 == 0 else f"{i * 7919 % 100003:x}" * 9) for i in range(1, 30001)]
    whole = gzip.compress("\n".join(lines).encode())
    (tmp_path / "x.jsonl.gz").write_bytes(whole[: len(whole) * 3 // 4])
    found = audited(tmp_path, "x.jsonl.gz")
    (account,) = found.ledger.accounts
    assert account.quarantined == {"truncated archive": 1}
    assert 10000 < account.records < 30000
    every = range(100, account.records + 1, 100)
    assert found.hits["origin"].to_pylist() == [f"x.jsonl.gz:{i}" for i in every]
    assert quarantined(tmp_path) == [(f"x.jsonl.gz:{account.records + 1}", "truncated archive", "")]


def test_a_row_of_many_megabytes_is_scanned_with_the_rows_around_it(tmp_path: Path) -> None:
    huge = "word " * (2 << 20)
    lines = [row(LEAK), row(f"{huge} {LEAK} {huge}"), "{", row(f"again {LEAK}")]
    (tmp_path / "x.jsonl").write_text("\n".join(lines), "utf-8")
    found = audited(tmp_path, "x.jsonl")
    assert found.hits["origin"].to_pylist() == ["x.jsonl:1", "x.jsonl:2", "x.jsonl:4"]
    assert found.hits["record_spans"].to_pylist()[1][0]["start"] == len(huge) + 1
    assert found.ledger.accounts[0].quarantined == {"broken json": 1}


def test_a_normalised_file_gives_what_the_file_itself_gives(tmp_path: Path) -> None:
    lines = mixed_lines(100)
    (tmp_path / "x.jsonl").write_text("\n".join(lines), "utf-8")
    straight, told = audited(tmp_path, "x.jsonl"), Told()
    rows = quarantined(tmp_path)
    file = source_file(tmp_path / "x.jsonl", "x.jsonl")
    normalise(file, FileReading(kind="sft"), (), Store(tmp_path / "store").root / "cache" / "normalised")
    (tmp_path / "x.jsonl").read_text("utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tulu_data.sources.records.scan_file", None)
        kept = audited(tmp_path, "x.jsonl", told=told)
    assert kept.hits.equals(straight.hits)
    assert kept.ledger == straight.ledger
    assert kept.text_bytes == straight.text_bytes
    assert quarantined(tmp_path) == rows
    assert told.bytes == pytest.approx(told.size)


def test_a_file_that_turns_out_unreadable_leaves_no_rows_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "BLOCK_ROWS", 1)
    wide = json.dumps({f"key{i}": i for i in range(2500)})
    (tmp_path / "data").mkdir()
    (tmp_path / "data/odd.jsonl").write_text("\n".join([row(LEAK), "{broken", wide]), "utf-8")
    (tmp_path / "data/good.jsonl").write_text("\n".join([row(LEAK), "[]"]), "utf-8")
    found = audited(tmp_path)
    assert [account.dataset for account in found.ledger.accounts] == ["data/good.jsonl"]
    assert found.hits["origin"].to_pylist() == ["data/good.jsonl:1"]
    assert [text.split(":")[0] for text in found.ledger.unreadable] == ["data/odd.jsonl"]
    assert quarantined(tmp_path) == [("data/good.jsonl:2", "not an object", "[]")]
    with pytest.raises(SourceError, match=r"data/odd.jsonl: 2500 different keys"):
        audited(tmp_path, "data/odd.jsonl")
    with pytest.raises(SourceError, match=r"no such file"):
        audited(tmp_path / "data", "nothing.jsonl")
    assert not (tmp_path / "data/report").exists()
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["quarantined.parquet"]


class Tracked:
    """Stands for the rows of one part, so that they can be counted."""

    def __call__(self, number: int) -> str:
        return ""


def test_a_scan_keeps_a_bounded_number_of_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workers, parts = 3, 200
    alive: set[int] = set()
    most: list[int] = []

    def part(number: int) -> RawBatch:
        tracked = Tracked()
        weakref.finalize(tracked, alive.discard, number)
        alive.add(number)
        most.append(len(alive))
        rows = [{"prompt": LEAK, "completion": "yes"}]
        return replace(batch_of_rows(rows, [number]), line=tracked)

    def read_parts(*_: object, **__: object) -> Iterator[Part]:
        return (lambda number=number: part(number) for number in range(1, parts + 1))  # type: ignore[misc]

    (tmp_path / "x.jsonl").write_text(row("a"), "utf-8")
    monkeypatch.setattr(scan_module, "read_parts", read_parts)
    found = audited(tmp_path, "x.jsonl", workers=workers)
    assert found.hits.num_rows == parts
    # Those in the hands of workers and the next one; the one that is handed on, and the one before it.
    assert len(most) == parts
    assert max(most) <= workers + 3


KILLED = """
import os, signal
from tulu_data.cli.main import main
from tulu_data.decontaminate import audit
from tulu_data.sources import json_lines
from tulu_data.sources.quarantine import Quarantine
json_lines.BLOCK_ROWS = 10
{hook}
main()
"""
HOOKS = {
    "while rows are read": (
        "seen = []\n"
        "real = Quarantine.add\n"
        "def add(self, rows):\n"
        "    real(self, rows)\n"
        "    seen.append(rows)\n"
        "    len(seen) == 4 and os.kill(os.getpid(), signal.SIGKILL)\n"
        "Quarantine.add = add"
    ),
    "while hits are written": (
        "def half(table, path, **_):\n"
        "    path.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "audit.pq.write_table = half"
    ),
}


def report_of(folder: Path) -> tuple[object, list[dict[str, object]], list[dict[str, object]]]:
    tables = [pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("hits", "quarantined")]
    return json.loads((folder / "report.json").read_text("utf-8")), tables[0], tables[1]


def test_a_killed_scan_is_run_again_as_if_nothing_had_been(tmp_path: Path) -> None:
    lines = mixed_lines(100)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jsonl").write_text("\n".join(lines), "utf-8")
    (tmp_path / "evals.jsonl").write_text(json.dumps({"question": LEAK}), "utf-8")

    def run(out: str, hook: str = "") -> int:
        words = ["decontaminate", "one/x.jsonl", "two/x.jsonl", "--against", "evals.jsonl", "--out", out]
        code = [sys.executable, "-c", KILLED.format(hook=hook), *words]
        done = subprocess.run(code, cwd=tmp_path, capture_output=True, check=False)
        return done.returncode

    assert run("undisturbed") == 0
    for hook in HOOKS.values():
        assert run("killed", hook) == -signal.SIGKILL
        assert not (tmp_path / "killed/report.json").exists()
    assert run("killed") == 0
    undisturbed = report_of(tmp_path / "undisturbed")
    assert report_of(tmp_path / "killed") == undisturbed
    names = {path.name for path in (tmp_path / "killed").iterdir()}
    assert names == {"hits.parquet", "quarantined.parquet", "report.json"}
    assert {hit["origin"] for hit in undisturbed[1]} == {
        f"{name}/x.jsonl:{i}" for name in ("one", "two") for i in expected(lines)[0]
    }
