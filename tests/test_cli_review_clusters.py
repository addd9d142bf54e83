"""`tulu-data review` and `sql` on a report of `dedup`, and what `dedup` itself shows."""

import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from mixture_fixtures import chat, decontaminate

from tulu_data.cli.dedup import command as dedup_command
from tulu_data.cli.review import command as review_command
from tulu_data.cli.sql import command as sql_command
from tulu_data.errors import SourceError, StoreError

STORY = (
    "A heron stood all morning in the shallow water below the old mill and waited for the ice to break, "
    "while two boys on the bridge counted the carts that went by on their way to the market in town"
)
OTHER = STORY.replace("heron", "stork").replace("boys", "girls").replace("old mill", "old [tower]")
SHORT = STORY.replace("the market in town", "church")
LONG = [letter * 40 for letter in "bcdfghklmnprst"]


@pytest.fixture
def place(workspace):
    """Make a workspace with one cluster of four and one pair of records that differ in case."""
    workspace.write(
        "data/a.jsonl",
        [chat(STORY, "So be it."), chat(OTHER, "So be it."), chat("Is it?", "It is so, for all I know.")],
    )
    workspace.write(
        "data/b.jsonl",
        [chat("IS IT?", "IT IS SO, for all I know."), chat(SHORT, "So be it."), chat(STORY, "So be it.")],
    )
    return workspace


def run(command, *arguments, keys=""):
    done = CliRunner().invoke(command, arguments, input=keys)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def dedup(*arguments):
    # Nothing here is about the default thresholds.
    done = run(dedup_command, "--jaccard-threshold", "0.5", "--containment-threshold", "0.9", *arguments)
    assert done.exit_code == 0, done.output
    return done


def review(*arguments, keys=""):
    return run(review_command, "reports/dedup", *arguments, keys=keys)


def pairs(*arguments):
    return json.loads(review("--json", *arguments).stdout)


def places(*arguments):
    return sorted(pair["dropped"]["origin"] for pair in pairs(*arguments))


def test_both_records_of_a_pair_are_shown_with_the_words_that_one_alone_has(place):
    dedup()
    done = review("--list")
    assert done.exit_code == 0, done.output
    assert "/2  near_duplicate  jaccard 0." in done.stdout
    assert "in a cluster of 4\n" in done.stdout
    said = done.stdout.replace("\n    ", " ")
    assert "A [[heron]] stood" in said
    assert "A [[stork]] stood" in said
    assert "below the old [[[tower]]] and" in said
    assert "and 1 more text, all shared" in done.stdout
    assert done.stdout.endswith(
        "\n2 dropped records of 1 cluster; not chosen: 1 duplicate_record, 1 duplicate_text "
        "(--reason any chooses these too)\n"
    )


def test_json_gives_both_texts_with_the_places_where_they_differ(place):
    dedup()
    found = next(pair for pair in pairs() if pair["dropped"]["origin"] == "data/a.jsonl:2"
                 or pair["like"]["origin"] == "data/a.jsonl:2")  # fmt: skip
    sides = {side["origin"]: side["texts"][0] for side in (found["dropped"], found["like"])}
    text = sides["data/a.jsonl:2"]
    assert text["text"] == OTHER
    marked = [text["text"][span["start"] : span["end"]] for span in text["spans"]]
    assert marked == ["stork", "tower", "girls"]
    assert found["size"] == 4
    assert found["kept"] in sides


def test_every_dropped_record_is_a_pair_with_the_one_that_the_table_names(place):
    dedup()
    rows = pq.read_table("reports/dedup/clusters.parquet").to_pylist()
    wanted = sorted((row["origin"], row["stands"], row["reason"]) for row in rows if not row["kept"])
    found = [(p["dropped"]["origin"], p["like"]["origin"], p["reason"]) for p in pairs("--reason", "any")]
    assert sorted(found) == wanted
    assert len(wanted) == 4


def test_filters_choose(place):
    dedup()
    near = {pair["dropped"]["origin"]: pair["jaccard"] for pair in pairs()}
    middle = sum(near.values()) / 2
    assert len(near) == 2
    assert places("--min-jaccard", str(middle)) == [o for o, j in near.items() if j >= middle]
    assert places("--max-jaccard", str(middle)) == [o for o, j in near.items() if j <= middle]
    assert len(places("--reason", "duplicate_text")) == 1
    assert places("--source", "nothing") == []
    assert len(places("--source", "data/a*", "--reason", "any")) == 4
    assert (
        "nothing to show; not chosen: 1 duplicate_record, 1 duplicate_text, 2 near"
        in review("--list", "--source", "nothing").stdout
    )


def test_a_record_that_is_the_same_is_shown_once(place):
    dedup()
    same = review("--list", "--reason", "duplicate_record").stdout
    assert same.count("turn 1 user") == 1
    assert "\nthe same record as data/" in same
    words = review("--list", "--reason", "duplicate_text").stdout
    assert "[[" not in words
    assert "\nthe same words as data/" in words


def test_keys_go_on_back_and_to_the_next_cluster(place):
    dedup()
    every = ("--reason", "any")

    def seen(keys):
        lines = review(*every, keys=keys).stdout.splitlines()
        return [line.split("/")[0] for line in lines if line[:1].isdigit() and "/4  " in line]

    assert seen("nn nq") == ["1", "2", "3", "4"]
    assert seen("nbq") == ["1", "2", "1"]
    assert seen("ncq") == ["1", "2", "4"]
    assert seen("n") == ["1", "2"]
    assert "  this is the first" in review(keys="bq").stdout
    assert "no key 'x'; ? for help" in review(keys="xq").stdout
    assert "  c  on to the next cluster" in review(keys="?q").stdout


def test_a_record_that_moved_is_found_and_one_that_is_gone_is_said(place):
    dedup()
    place.write("data/a.jsonl", [chat("new first"), chat(STORY, "So be it.")])
    done = review("--list")
    assert done.exit_code == 0, done.output
    assert "  not shown: data/a.jsonl changed since the report, and this record is gone" in done.stdout
    assert STORY in done.stdout.replace("\n    ", " ")
    (place.root / "data/a.jsonl").unlink()
    gone = review("--list")
    assert "  not shown: cannot be read back: data/a.jsonl: no such file" in gone.stdout
    (texts,) = [p["dropped"] for p in pairs() if p["dropped"]["origin"] == "data/a.jsonl:2"] or [
        p["like"] for p in pairs()[:1]
    ]
    assert "missing" in texts


def test_a_long_stretch_that_one_record_alone_has_is_cut(place):
    place.write("data/a.jsonl", [chat(f"{STORY} {' '.join(LONG)}", "Yes.")])
    place.write("data/b.jsonl", [chat(STORY, "Yes.")])
    dedup()
    done = review("--list")
    assert "1/1  contained" in done.stdout
    said = "".join(done.stdout.split())
    assert f"[[{LONG[0]}" in said
    assert f"{LONG[-1]}]]" in said
    assert LONG[len(LONG) // 2] not in said
    assert "characters…[[" in said


def test_a_stored_version_and_its_texts_are_shown(place):
    place.mix({"a": {"uri": "data/a.jsonl"}, "b": {"uri": "data/b.jsonl"}})
    dedup("m")
    done = review("--list")
    assert "A [[heron]] stood" in done.stdout.replace("\n    ", " ")
    assert "not shown" not in done.stdout


def test_what_a_stored_version_has_already_is_shown_from_there(place):
    place.write("data/a.jsonl", [chat(STORY, "So be it.")])
    place.mix({"a": {"uri": "data/a.jsonl"}})
    # The same places now hold other records.
    place.write("data/a.jsonl", [chat(OTHER, "So be it.")])
    done = dedup("data/a.jsonl", "--against", "m")
    assert "A [[stork]] stood" in done.stdout
    (pair,) = pairs()
    texts = [pair[side]["texts"][0]["text"] for side in ("dropped", "like")]
    assert (texts, pair["kept"]) == ([OTHER, STORY], "data/a.jsonl:1")
    said = review("--list").stdout.replace("\n    ", " ")
    assert "A [[stork]] stood" in said
    assert "A [[heron]] stood" in said


def test_the_clusters_of_a_version_are_shown_from_its_sources(place):
    near = {"step": "dedup", "near": {"jaccard_threshold": 0.5}}
    sources = {"a": {"uri": "data/a.jsonl"}, "b": {"uri": "data/b.jsonl"}}
    place.mix(sources, steps=[near, near])
    done = run(review_command, "m", "--clusters", "--list")
    said = done.stdout.replace("\n    ", " ")
    assert "A [[heron]] stood" in said
    assert "A [[stork]] stood" in said
    assert "not shown" not in said
    assert ", a, record " in said
    assert done.stdout.endswith("2 dropped records of 1 cluster; not chosen: 1 duplicate_record, "
                                "1 duplicate_text (--reason any chooses these too)\n")  # fmt: skip
    found = json.loads(run(review_command, "m", "--clusters", "--source", "b", "--json").stdout)
    assert {"a", "b"} >= {pair["dropped"]["source"] for pair in found}
    place.mix(sources, name="plain")
    with pytest.raises(StoreError, match="has no clusters; its mixture has no step dedup"):
        run(review_command, "plain", "--clusters")
    with pytest.raises(StoreError, match=r"so it has no hits \(--clusters shows its duplicates\)$"):
        run(review_command, "m")
    with pytest.raises(StoreError, match=r"so it has no hits$"):
        run(review_command, "plain")


def test_the_ground_truth_is_compared_and_shown(place):
    def row(truth):
        return {"messages": [{"role": "user", "content": STORY}], "ground_truth": truth, "dataset": "math"}

    place.write("data/a.jsonl", [row("seven carts"), row("eight carts")])
    (place.root / "data/b.jsonl").unlink()
    dedup("--swapped-numbers")
    done = review("--list").stdout
    assert done.count("  ground truth\n") == 2
    assert "    [[seven]] carts\n" in done
    assert "    [[eight]] carts\n" in done


def test_options_of_the_other_kind_of_report_are_refused(place):
    dedup()
    done = review("--suite", "x", "--all", "--list")
    assert done.exit_code == 2
    said = " ".join(done.output.split())
    assert "--suite, --undecided/--all: cannot choose here; clusters have no such thing" in said
    place.write("evals/e.jsonl", [{"id": "1", "question": STORY}])
    decontaminate()
    hits = run(review_command, "--reason", "any", "--list")
    assert hits.exit_code == 2
    assert "--reason: cannot choose here" in hits.output


def test_where_no_report_is_named_one_that_is_there_is(place):
    dedup()
    with pytest.raises(
        SourceError, match=r"^reports/decontamination: no report \(is not there; reports/dedup is one\);"
    ):
        run(review_command, "--list")
    assert run(review_command, "--clusters", "--list").stdout == review("--list").stdout


def test_a_report_without_its_table_is_refused(place):
    dedup()
    Path("reports/dedup/clusters.parquet").unlink()
    with pytest.raises(SourceError, match=r"clusters\.parquet: is not there, though report\.json is"):
        review("--list")


def test_the_report_is_only_read(place):
    dedup()

    def digests():
        return {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in Path("reports").rglob("*.*")}

    before = digests()
    review(keys="nnnn")
    review("--json")
    assert digests() == before


def sql(query):
    return json.loads(run(sql_command, query, "reports/dedup", "--json").stdout)


def test_the_views_of_a_report(place):
    place.write("data/c.jsonl", [{"messages": []}, chat("Something else altogether, is it not?")])
    dedup("--write", "clean")
    assert sql("SELECT count(*) AS n, max(size) AS size FROM clusters") == [{"n": 6, "size": 4}]
    assert sql("SELECT origin, reason FROM quarantined") == [
        {"origin": "data/c.jsonl:1", "reason": "no messages"}
    ]
    assert sql("SELECT origin FROM dropped ORDER BY 1") == sql(
        "SELECT origin FROM clusters WHERE NOT kept ORDER BY 1"
    )
    joined = (
        "SELECT DISTINCT r.messages[1].content AS text FROM clusters JOIN records r USING (id) WHERE size = 4"
    )
    assert sorted(row["text"] for row in sql(joined)) == sorted([STORY, OTHER, SHORT])
    listed = run(sql_command, "reports/dedup").stdout
    assert [line.split(":")[0] for line in listed.splitlines()] == [
        "records", "clusters", "dropped", "quarantined",
    ]  # fmt: skip


def test_dedup_shows_what_its_thresholds_mean(place):
    done = dedup()
    report = json.loads(Path("reports/dedup/report.json").read_text())
    assert sum(report["jaccard"].values()) == 2
    counts = ", ".join(f"{tenth}: {count}" for tenth, count in report["jaccard"].items())
    assert f"\nnear-duplicates by jaccard {counts}\n" in done.stdout
    assert "\nlargest clusters\n  4 records, of which data/" in done.stdout
    assert "A [[stork]] stood" in done.stdout
    after = done.stdout.split("\nexamples", 1)[1]
    assert all(len(line) <= 100 for line in after.splitlines() if line.startswith("    "))
    assert "2 clusters, the largest of 4 records\n" in done.stdout
    like = ", which shows each beside the one that it is like"
    drop = "drop them with --write FOLDER or by step dedup in a mixture spec"
    assert f"next: tulu-data review reports/dedup{like}; {drop}\n" in done.stdout
    assert f"next: tulu-data review reports/dedup{like}\n" in dedup("--write", "clean").stdout
    (place.root / "data/b.jsonl").write_text((place.root / "data/a.jsonl").read_text())
    exact = dedup("--jaccard-threshold", "0.99", "data/a.jsonl", "data/b.jsonl").stdout
    assert f"next: tulu-data review reports/dedup --reason any{like}; {drop}\n" in exact
    assert "\n3 clusters, the largest of 2 records\n0 pairs compared in 1 round\n" in exact


def test_near_duplicates_are_counted_by_tenths_from_the_table(place):
    dedup()
    report = json.loads(Path("reports/dedup/report.json").read_text())
    rows = pq.read_table("reports/dedup/clusters.parquet").to_pylist()
    near = [row["jaccard"] for row in rows if row["reason"] == "near_duplicate"]
    for tenth, count in report["jaccard"].items():
        low, high = map(float, tenth.split("-"))
        assert count == sum(low <= j < high or j == high == 1.0 for j in near)
    assert near


def test_dedup_shows_no_examples_where_nothing_is_alike(place):
    place.write("data/a.jsonl", [chat("One thing that is said here.")])
    place.write("data/b.jsonl", [chat("Quite another story is told there.")])
    done = dedup()
    for word in ("examples", "largest clusters", "by jaccard"):
        assert word not in done.stdout
    assert "next: nothing to remove" in done.stdout
