"""`tulu-data dedup` from files to report, clusters and copies."""

import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from mixture_fixtures import chat

from tulu_data.cli.dedup import command
from tulu_data.dedup import duplicates, examples
from tulu_data.errors import SourceError, StoreError

BREAD = (
    "The baker of the old village keeps a sour dough in the cellar, feeds it with rye flour each evening, "
    "and bakes twelve round loaves before the market opens on Saturday morning"
)
EDITED = BREAD.replace("old", "small").replace("twelve", "many")
PART = " ".join(BREAD.split()[:16])
TRAIN = "A train leaves the harbour town at {} in the morning with {} passengers; how many get off at noon?"
OTHER = "Nobody knows who painted the blue ceiling of the chapel, nor why the abbot paid for it in wine"
REPORT = Path("reports/dedup")
CLUSTERS = [
    "cluster", "size", "dataset", "source", "origin", "id", "kept", "reason", "stands", "jaccard",
    "containment",
]  # fmt: skip
NEAR = ["--jaccard-threshold", "0.5", "--words-threshold", "0.5", "--containment-threshold", "0.9"]
"""Nothing here is about the default thresholds."""


def line(row):
    return json.dumps(row).encode() + b"\n"


@pytest.fixture
def place(workspace):
    """Make three files with the same record, the same text, near-duplicates and rows that are no records."""
    workspace.write(
        "data/a.jsonl", [chat(BREAD), chat(OTHER), chat("Same"), chat("Same"), chat(TRAIN.format(9, 240))]
    )
    workspace.write("data/b/part.jsonl", [chat(EDITED), chat(OTHER.upper()), chat(TRAIN.format(7, 180))])
    (workspace.root / "data/c.jsonl.gz").write_bytes(
        gzip.compress(line(chat(BREAD)) + b"{broken\n\n" + line(chat("", "")) + line(chat(PART)))
    )
    return workspace


def run(*arguments):
    done = CliRunner().invoke(command, [*NEAR, *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def report():
    return json.loads((REPORT / "report.json").read_text())


def clusters():
    return pq.read_table(REPORT / "clusters.parquet")


def gone():
    """Return why each record that does not stay goes, by its origin."""
    return {row["origin"]: row["reason"] for row in clusters().to_pylist() if not row["kept"]}


def files(folder):
    found = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path for path in found if path.name != ".copies.json"}


def test_what_is_there_twice_is_told_by_its_reason(place):
    done = run("data/a.jsonl", "data/b/part.jsonl", "data/c.jsonl.gz")
    assert done.exit_code == 0, done.output
    reasons = gone()
    near = {origin: reason for origin, reason in reasons.items() if reason == "near_duplicate"}
    assert sorted(set(reasons.values())) == [
        "contained", "duplicate_record", "duplicate_text", "near_duplicate",
    ]  # fmt: skip
    assert reasons["data/c.jsonl.gz:5"] == "contained"
    assert len(near) == 1
    assert "data/a.jsonl:5" not in reasons
    assert "data/b/part.jsonl:3" not in reasons
    assert not (place.root / "store/cache/dedup").exists() or not list(
        (place.root / "store/cache/dedup").iterdir()
    )


def test_tables_and_report_add_up(place):
    done = run()
    for row in report()["datasets"]:
        assert row["read"] == row["records"] + sum(row["quarantined"].values())
        counted = [origin for origin in gone() if origin.startswith(f"{row['dataset']}:")]
        assert len(counted) == sum(row["dropped"].values())
        cells = [cell.split() for cell in done.stdout.splitlines()]
        kept = row["records"] - len(counted)
        table = [row["dataset"], *map(str, [row["records"], *row["dropped"].values(), kept])]
        assert table in cells
    found = report()
    assert (found["command"], found["records"], found["kept"]) == ("dedup", 11, 11 - len(gone()))
    assert found["wordless"] == 1
    bad = pq.read_table(REPORT / "quarantined.parquet").to_pylist()
    assert [row["origin"] for row in bad] == ["data/c.jsonl.gz:2"]


def test_json_is_the_report(place):
    printed = json.loads(run("--json").stdout)
    assert printed == report()
    assert printed["near"]["jaccard_threshold"] == 0.5


def test_clusters_are_a_table_that_reads_from_top_to_bottom(place):
    run()
    table = clusters()
    assert table.column_names == CLUSTERS
    rows = table.to_pylist()
    order = [(-r["size"], r["cluster"], not r["kept"], r["id"], r["dataset"], r["origin"]) for r in rows]
    assert order == sorted(order)
    by_cluster: dict = {}
    for row in rows:
        by_cluster.setdefault(row["cluster"], []).append(row)
    for name, members in by_cluster.items():
        first, *others = members
        assert (first["kept"], first["id"], first["size"]) == (True, name, len(members))
        assert [first[column] for column in ("reason", "stands", "jaccard", "containment")] == [None] * 4
        origins = {row["origin"] for row in members}
        for row in others:
            assert not row["kept"]
            assert row["stands"] in origins
            if row["reason"].startswith("duplicate"):
                assert row["jaccard"] == row["containment"] == 1
            else:
                assert 0 < row["jaccard"] < 1
    assert report()["clusters"] == len(by_cluster)
    assert report()["largest"] == max(map(len, by_cluster.values()))


@pytest.mark.parametrize("more", [[], ["--exact"], ["--key", "prompt"], ["--key", "record"]])
def test_what_is_written_holds_no_duplicates_and_adds_up(place, more):
    options = [] if "--exact" in more or "record" in more else NEAR

    def dedup(*arguments):
        done = CliRunner().invoke(command, [*options, *more, *arguments])
        assert done.exit_code == 0, done.output
        return done

    before = {name: path.read_bytes() for name, path in files("data").items()}
    dedup("--write", "clean")
    assert {name: path.read_bytes() for name, path in files("data").items()} == before
    dropped = {row["origin"]: row for row in pq.read_table(REPORT / "dropped.parquet").to_pylist()}
    assert {origin: row["reason"] for origin, row in dropped.items()} == gone()
    for one in report()["written"]["datasets"]:
        assert one["read"] == one["kept"] + sum(one["dropped"].values()) + one["quarantined"]
    written = report()["written"]["datasets"]
    evidence = json.loads(next(iter(dropped.values()))["evidence"])
    assert sorted(evidence) == ["cluster", "containment", "jaccard", "stands"]
    names = [f"clean/{name}" for name in files("clean")]
    assert names == ["clean/data/a.jsonl", "clean/data/b/part.jsonl", "clean/data/c.jsonl.gz"]
    dedup("--fail-on-duplicate", *names)
    assert len(clusters()) == 0
    assert len(clusters()) == 0
    dedup("--fail-on-duplicate", "clean")
    assert report()["records"] == sum(one["kept"] for one in written)


def test_kept_rows_are_copied_as_they_stand(place):
    run("data/c.jsonl.gz", "data/a.jsonl", "--prefer", "data/a.jsonl", "--write", "clean")
    assert (place.root / "clean/data/a.jsonl").read_bytes() == b"".join(
        map(line, [chat(BREAD), chat(OTHER), chat("Same"), chat(TRAIN.format(9, 240))])
    )
    assert gzip.decompress((place.root / "clean/data/c.jsonl.gz").read_bytes()) == line(chat("", ""))


def test_the_preferred_source_keeps_its_record(place):
    for first, others in (("data/a.jsonl", "data/b/part.jsonl"), ("data/b/part.jsonl", "data/a.jsonl")):
        run(first, others, "--prefer", first)
        # Of the two equal records of one file one goes in any case.
        assert {origin.rpartition(":")[0] for origin in gone()} <= {others, "data/a.jsonl"}
        assert f"{first}:2" not in gone()
        assert f"{others}:2" in gone()
        assert f"{first}:1" not in gone()
        assert f"{others}:1" in gone()


def test_an_unknown_source_is_refused_with_the_nearest(place):
    with pytest.raises(SourceError) as caught:
        run("data/a.jsonl", "data/b/part.jsonl", "--prefer", "data/b/part.json")
    assert str(caught.value) == (
        "prefer: no source 'data/b/part.json'; did you mean 'data/b/part.jsonl'? "
        "(sources: data/a.jsonl, data/b/part.jsonl)"
    )


def test_records_that_differ_in_numbers_go_where_it_is_asked(place):
    files_ = ["data/a.jsonl", "data/b/part.jsonl"]
    assert "--swapped-numbers" in run(*files_).stdout
    assert not {"data/a.jsonl:5", "data/b/part.jsonl:3"} & set(gone())
    run(*files_, "--swapped-numbers")
    assert len({"data/a.jsonl:5", "data/b/part.jsonl:3"} & set(gone())) == 1


def test_exact_looks_for_nothing_near(place):
    done = CliRunner().invoke(command, ["--exact"])
    assert done.exit_code == 0, done.output
    assert set(gone().values()) == {"duplicate_record", "duplicate_text"}
    assert (report()["near"], report()["search"]) == (None, None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ["--exact", "--num-perm", "64", "--swapped-numbers"],
            "--exact looks for no near-duplicates; remove it or --swapped-numbers, --num-perm",
        ),
        (["--words-threshold", "nan"], "--words-threshold: expected a number, found nan"),
        (["--key", "record", "--n", "3"], "--key record looks for no near-duplicates; remove it or --n"),
        (
            ["--recall", "0.9999", "--num-perm", "16", "--jaccard-threshold", "0.1"],
            "with 16 lanes; lower --recall, or give more with --num-perm",
        ),
    ],
)
def test_what_cannot_be_is_a_mistake_in_usage(place, given, said):
    done = CliRunner().invoke(command, ["data/a.jsonl", *given])
    assert done.exit_code == 2, done.output
    assert said in " ".join(done.output.split())
    assert not REPORT.exists()


def test_kinds_are_read_together_and_compared_apart(place):
    pair = {"prompt": [{"role": "user", "content": BREAD}]}
    answers = {name: [{"role": "assistant", "content": name}] for name in ("chosen", "rejected")}
    place.write("data/pairs.jsonl", [pair | answers, pair | answers])
    place.write("data/sums.jsonl", [{**pair, "ground_truth": truth, "verifier": "math"} for truth in "44"])
    names = ["data/a.jsonl", "data/pairs.jsonl", "data/sums.jsonl"]
    for key in ("record", "conversation", "prompt", "answer"):
        done = CliRunner().invoke(command, [*names, "--key", key])
        assert done.exit_code == 0, done.output
        by_dataset = {row["dataset"]: sum(row["dropped"].values()) for row in report()["datasets"]}
        assert [by_dataset[name] for name in names[1:]] == [1, 1], key
        assert [row["kind"] for row in report()["datasets"]] == ["sft", "preference", "rlvr"]


def test_a_duplicate_fails_where_it_is_asked(place):
    assert run("data/a.jsonl", "--fail-on-duplicate").exit_code == 1
    assert run("data/b/part.jsonl", "--fail-on-duplicate").exit_code == 0


def test_versions_are_compared_and_left_alone(place):
    version = place.mix({"x": {"uri": "data/a.jsonl"}}, steps=[{"step": "dedup"}])
    with (place.root / "data/a.jsonl").open("ab") as file:
        file.write(line(chat("Something new")))
    done = run("m", "data/a.jsonl", "--prefer", f"{version.ref} x", "--write", "clean")
    assert done.exit_code == 0, done.output
    assert len(gone()) == 5
    assert all(origin.startswith("data/a.jsonl:") for origin in gone())
    assert {row["source"] for row in clusters().to_pylist()} == {f"{version.ref} x", "data/a.jsonl"}
    assert list(files("clean")) == ["data/a.jsonl"]
    assert files("clean")["data/a.jsonl"].read_bytes() == line(chat("Something new"))
    assert f"{version.ref}: not copied" in done.stderr
    assert run(f"m@{version.content_id[:8]}", "--fail-on-duplicate").exit_code == 0


def test_without_a_dataset_the_files_below_data_are_read_and_no_version(place):
    place.mix({"x": {"uri": "data/a.jsonl"}})
    place.write("elsewhere.jsonl", [chat(BREAD)])
    done = run("--write", "clean")
    assert done.exit_code == 0, done.output
    names = ["data/a.jsonl", "data/b/part.jsonl", "data/c.jsonl.gz"]
    assert [row["dataset"] for row in report()["datasets"]] == names
    assert not (set(clusters()["source"].to_pylist()) - set(names))
    assert "not copied" not in done.stderr


def test_without_a_dataset_and_without_data_it_says_what_may_be_named(place):
    version = place.mix({"x": {"uri": "data/a.jsonl"}})
    for name in files("data"):
        (place.root / "data" / name).unlink()
    said = r"no data file lies below data/; name a file, .* or a stored version \(versions: m@latest\)$"
    with pytest.raises(SourceError, match=said):
        run()
    assert run("m@latest").exit_code == 0
    assert [row["dataset"] for row in report()["datasets"]] == [version.ref]


def test_files_that_cannot_be_read_are_accounted_for(place):
    (place.root / "data/torn.jsonl.gz").write_bytes(gzip.compress(line(chat(OTHER)) * 50)[:-20])
    (place.root / "data/notes.jsonl").write_text("no record\n")
    done = run()
    torn = next(row for row in report()["datasets"] if row["dataset"] == "data/torn.jsonl.gz")
    assert torn["read"] == torn["records"] + 1
    assert torn["quarantined"] == {"truncated archive": 1}
    assert "torn.jsonl.gz" in done.stderr
    assert "data/notes.jsonl" in done.output
    assert sum(origin.startswith("data/torn.jsonl.gz:") for origin in gone()) >= torn["records"] - 1 > 0


def test_a_dataset_without_records_is_said(place):
    (place.root / "data/broken.jsonl").write_text("{broken\n{worse\n")
    (place.root / "data/empty.jsonl").write_text("")
    done = run("data/broken.jsonl", "data/b/part.jsonl")
    assert done.exit_code == 0, done.output
    assert "data/broken.jsonl: none of its 2 rows could be read as records" in done.stderr
    (place.root / "data/one.jsonl").write_text("{broken\n")
    only = "data/one.jsonl: its only row is no record (broken json 1); nothing was looked at"
    assert only in run("data/one.jsonl", "data/b/part.jsonl").stderr
    done = run("data/broken.jsonl", "--write", "clean")
    assert done.exit_code == 1
    assert (report()["records"], report()["clusters"], report()["largest"]) == (0, 0, 0)
    assert len(clusters()) == 0


def test_an_interrupted_run_leaves_nothing_in_the_store(place, monkeypatch):
    run("data/a.jsonl")
    before = report()

    def interrupted(*_, **__):
        assert not list((place.root / "store/cache/dedup").iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(duplicates.Finder, "settle", interrupted)
    assert run("data/a.jsonl", "data/b/part.jsonl").output == "\nAborted!\n"
    assert list((place.root / "store/cache/dedup").iterdir()) == []
    assert report() == before
    assert not [path for path in (place.root / REPORT).iterdir() if path.name.startswith(".")]


def test_a_store_that_takes_no_file_is_said(place):
    (place.root / "store").mkdir()
    (place.root / "store/cache").write_text("a file")
    with pytest.raises(StoreError) as caught:
        run()
    assert str(caught.value).startswith(f"{place.root}/store/cache/dedup: cannot hold the texts")


def test_names_of_workers_and_order_change_nothing(place):
    names = ["data/a.jsonl", "data/b/part.jsonl", "data/c.jsonl.gz"]
    run(*names, "--workers", "1")
    expected = clusters()
    run(*reversed(names), "--workers", "3")
    assert clusters().equals(expected)


def test_the_record_that_most_others_were_compared_with_is_named(place, monkeypatch):
    monkeypatch.setattr(examples, "CROWD", 1)
    done = run("data/a.jsonl", "data/b/part.jsonl")
    (first, *_) = report()["crowded"]
    assert f"compared most: {first['origin']}, with {first['compared']} others" in done.output
    assert first["compared"] == max(one["compared"] for one in report()["crowded"]) >= 1
    monkeypatch.setattr(examples, "CROWD", 1000)
    done = run("data/a.jsonl", "data/b/part.jsonl")
    assert "compared most" not in done.output
    assert report()["crowded"] == []
