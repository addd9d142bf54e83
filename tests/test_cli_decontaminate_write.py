"""`tulu-data decontaminate --write`: cleaned copies, and every row in exactly one place."""

import gzip
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mixture_fixtures import chat, decontaminate

from tulu_data.errors import SourceError
from tulu_data.sources import copies
from tulu_data.specs.decisions import Decision, Decisions, write_decisions

QUESTIONS = [" ".join(f"w{k}x{j}" for j in range(12)) for k in range(60)]
REPORT = Path("reports/decontamination")


def line(text):
    return json.dumps(chat(text)).encode() + b"\n"


@pytest.fixture
def place(workspace, tmp_path):
    """Make two files of one base name, one of them dirty above the threshold, and files of other formats."""
    workspace.write("evals/town.jsonl", [{"id": f"i{k}", "question": q} for k, q in enumerate(QUESTIONS)])
    (tmp_path / "data/a").mkdir(parents=True)
    (tmp_path / "data/b").mkdir()
    (tmp_path / "data/a/part-0.jsonl").write_bytes(
        line("fine") + b"\n" + line(QUESTIONS[0]) + b"{broken\n" + line(f"Say: {QUESTIONS[1]}") + line("good")
    )
    (tmp_path / "data/b/part-0.jsonl").write_bytes(line("one") + line(QUESTIONS[7]) + line("two"))
    (tmp_path / "data/c.jsonl.gz").write_bytes(gzip.compress(line(QUESTIONS[9]) + line("zipped")))
    (tmp_path / "data/d.csv").write_text(f'prompt,completion\n"a\nb",c\n{QUESTIONS[3]},x\n')
    table = pa.table({"prompt": [QUESTIONS[4], "hi"], "completion": ["x", "y"]})
    pq.write_table(table, tmp_path / "data/e.parquet")
    return workspace


def run(*arguments):
    return decontaminate("--write", "clean", *arguments)


def files(folder):
    found = sorted(p for p in Path(folder).rglob("*") if p.is_file() and p.name != copies.MARK)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


def dropped(place):
    return pq.read_table(place.root / REPORT / "dropped.parquet").to_pylist()


def test_copies_hold_the_rows_that_stay_as_they_stood(place):
    before = files("data")
    done = run()
    assert done.exit_code == 0, done.output
    found = files("clean")
    assert found["data/a/part-0.jsonl"] == line("fine") + b"\n" + line("good")
    assert found["data/b/part-0.jsonl"] == line("one") + line("two")
    assert gzip.decompress(found["data/c.jsonl.gz"]) == line("zipped")
    assert found["data/d.csv"] == b'prompt,completion\n"a\nb",c\n'
    assert pq.read_table(Path("clean/data/e.parquet")).to_pylist() == [{"prompt": "hi", "completion": "y"}]
    assert files("data") == before
    assert files(REPORT / "quarantined") == {"data/a/part-0.jsonl": b"{broken\n"}
    assert files(REPORT / "dropped")["data/a/part-0.jsonl"] == line(QUESTIONS[0]) + line(
        f"Say: {QUESTIONS[1]}"
    )


def test_every_row_is_accounted_for_in_print_and_in_json(place):
    done = run()
    rows = [r.split() for r in done.stdout[done.stdout.rindex("dataset  ") :].splitlines()]
    assert rows[0] == ["dataset", "read", "quarantined", "contaminated", "kept"]
    assert rows[1] == ["data/a/part-0.jsonl", "5", "1", "2", "2"]
    assert rows[-1] == ["wrote", "clean"]
    report = json.loads(run("--json").stdout)
    assert report == json.loads((place.root / REPORT / "report.json").read_text())
    assert (report["written"]["folder"], report["written"]["action"]) == ("clean", "drop")
    for one in report["written"]["datasets"]:
        assert one["read"] == one["kept"] + sum(one["dropped"].values()) + one["quarantined"]
    reasons = {(r["origin"], r["reason"], json.loads(r["evidence"])["instance"]) for r in dropped(place)}
    assert ("data/a/part-0.jsonl:3", "contaminated", "i0") in reasons
    assert len(reasons) == 6


def test_a_scan_of_the_copies_finds_nothing(place):
    run()
    again = decontaminate("--fail-on-hit", *files_named("clean"))
    assert again.exit_code == 0, again.output
    assert "no hits" in again.output
    assert not (place.root / REPORT / "dropped").exists()
    assert not (place.root / REPORT / "dropped.parquet").exists()


def files_named(folder):
    return [f"{folder}/{name}" for name in files(folder)]


def test_drop_source_leaves_contaminated_sources_out(place):
    write = [*(f"data/{name}/part-0.jsonl" for name in "ab"), "--action", "drop_source"]
    done = run(*write)
    assert done.exit_code == 0, done.output
    assert sorted(files("clean")) == ["data/b/part-0.jsonl"]
    assert files("clean")["data/b/part-0.jsonl"] == line("one") + line("two")
    reasons = [(r["origin"].rpartition(":")[2], r["reason"], r["id"] is None) for r in dropped(place)]
    assert reasons == [
        ("1", "source_contaminated", True), ("3", "contaminated", False), ("5", "contaminated", False),
        ("6", "source_contaminated", True), ("2", "contaminated", False),
    ]  # fmt: skip
    row = next(
        r
        for r in done.stdout.splitlines()
        if r.startswith("data/a/part-0.jsonl  ") and "sft" not in r and "town" not in r
    )
    assert row.split()[1:] == ["5", "1", "2", "2", "0"]
    assert files(REPORT / "dropped")["data/a/part-0.jsonl"].count(b"\n") == 4


def test_decisions_are_obeyed(place):
    run()
    keep, drop = (r for r in dropped(place) if r["origin"].startswith("data/a/"))
    entries = [
        Decision(
            decision=word,
            suite="town",
            split="test",
            instance=json.loads(r["evidence"])["instance"],
            record=r["id"],
        )
        for word, r in (("keep", keep), ("drop", drop))
    ]
    write_decisions(place.root / "decontamination.yaml", Decisions(version=1, decisions=tuple(entries)))
    run("data/a/part-0.jsonl")
    assert [r["origin"] for r in dropped(place)] == ["data/a/part-0.jsonl:5"]
    run("data/*/part-0.jsonl", "--action", "flag")
    assert [r["origin"] for r in dropped(place)] == ["data/a/part-0.jsonl:5"]
    assert files("clean")["data/b/part-0.jsonl"] == files("data")["b/part-0.jsonl"]


def test_a_rerun_replaces_its_own_copies_and_nothing_else(place):
    run()
    run("data/b/part-0.jsonl")
    assert sorted(files("clean")) == ["data/b/part-0.jsonl"]
    (place.root / "clean/notes.txt").write_text("mine")
    with pytest.raises(SourceError) as caught:
        raise run().exception
    assert str(caught.value) == (
        "clean: holds notes.txt, which --write did not write, and would be replaced; name another folder"
    )
    assert sorted(files("clean")) == ["data/b/part-0.jsonl", "notes.txt"]


def test_a_folder_around_the_data_is_refused_before_anything_is_replaced(place):
    with pytest.raises(SourceError, match=r"^data: holds a/part-0"):
        raise decontaminate("--write", "data").exception
    (place.root / "deep").mkdir()
    shutil.move(place.root / "data", place.root / "deep/data")
    with pytest.raises(SourceError, match="deep: holds data/a"):
        raise decontaminate("deep/data/b/part-0.jsonl", "--write", "deep").exception


def test_what_goes_wrong_while_writing_changes_nothing(place, monkeypatch):
    run()
    before = files("clean"), files(REPORT / "dropped")
    real, calls = copies.split_file, []

    def full(file, fate, targets):
        calls.append(file.origin)
        if len(calls) == 3:
            raise OSError(28, "No space left on device", str(targets["kept"]))
        return real(file, fate, targets)

    monkeypatch.setattr(copies, "split_file", full)
    with pytest.raises(SourceError) as caught:
        raise run().exception
    assert "cleaned copies cannot be written (No space left on device); nothing was changed" in str(
        caught.value
    )
    assert (files("clean"), files(REPORT / "dropped")) == ({**before[0]}, {})
    assert not [*place.root.glob(".clean*"), *place.root.rglob(".rows*")]


def test_a_killed_run_leaves_nothing_that_hurts_the_next(place):
    run()
    (place.root / ".clean.new/data").mkdir(parents=True)
    (place.root / ".clean.new/data/half.jsonl").write_text("half")
    (place.root / "clean").rename(place.root / ".clean.old")
    done = run()
    assert done.exit_code == 0, done.output
    assert "data/a/part-0.jsonl" in files("clean")
    assert sorted(p.name for p in place.root.iterdir() if p.name.startswith(".")) == []


def test_a_file_that_changed_meanwhile_is_not_copied(place, monkeypatch):
    real = copies.open_records

    def later(name, **options):
        (place.root / "data/a/part-0.jsonl").write_bytes(line("other"))
        return real(name, **options)

    monkeypatch.setattr(copies, "open_records", later)
    with pytest.raises(SourceError, match=r"data/a/part-0\.jsonl: changed since it was read"):
        raise run("data/a/part-0.jsonl").exception
    assert not (place.root / "clean").exists()


def test_a_file_in_two_datasets_is_refused(place):
    place.write("data/a/part-1.jsonl", [chat("another")])
    with pytest.raises(SourceError, match=r"data/a/part-0\.jsonl: is in two of the datasets"):
        raise run("data/a/part-0.jsonl", "data/a/*.jsonl").exception


def test_versions_are_left_alone_and_said(place):
    place.mix({"b": {"uri": "data/b/part-0.jsonl"}})
    done = run("m", "data/a/part-0.jsonl")
    assert "not copied\n" in done.stderr
    assert sorted(files("clean")) == ["data/a/part-0.jsonl"]


def test_an_action_without_write_is_a_mistake_in_usage(place):
    done = decontaminate("--action", "drop")
    assert done.exit_code == 2
    assert "--action says what --write leaves out; give --write FOLDER too" in done.output
