"""Cards: sums that come out, and a head that is YAML whatever it says and that the hub's library reads."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from mixture_fixtures import Place, chat, chats
from version_fixtures import say, stored

from tulu_data.cli.main import VERBS, group
from tulu_data.errors import SpecError
from tulu_data.mix.card import HUB_LICENCES, front_matter, render_card
from tulu_data.store import SourceEntry, Version

TRAIN = "A train leaves the harbour town at nine and reaches the capital at noon; how long is the ride"


def run(*arguments: str) -> str:
    result = CliRunner().invoke(group, list(arguments), prog_name="tulu-data", catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def table(card: str, heading: str) -> list[dict[str, str]]:
    """Read the first table below a heading, as a reader of Markdown does."""
    lines = iter(card.split(f"## {heading}\n", 1)[1].splitlines())
    head = next(line for line in lines if line.startswith("| "))
    names = cells(head)
    assert next(lines).replace("-", "").replace(":", "").replace("|", "") == ""
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(names, cells(line), strict=True)))
    return rows


def cells(line: str) -> list[str]:
    marked = line.replace("\\|", "\0")
    return [
        cell.strip().removeprefix("**").removesuffix("**").replace("\0", "|")
        for cell in marked.strip().strip("|").split("|")
    ]


def number(text: str) -> int:
    return int(text.replace(",", ""))


@pytest.fixture
def version(workspace: Place) -> Version:
    """Mix sources that lose rows in every way there is."""
    workspace.write("evals/trains.jsonl", [{"id": "t1", "question": TRAIN}])
    rows = [*chats(40, "a"), chat("empty", ""), chat(f"{TRAIN}?"), chat("a 1"), {"messages": []}]
    workspace.write("a.jsonl", rows)
    workspace.write("b.jsonl", [*chats(25, "b"), chat("a 3")])
    workspace.write("c.jsonl", chats(1, "c"))
    steps = [
        {"step": "filter", "drop": ["empty_turn"]}, {"step": "dedup", "key": "record"},
        {"step": "decontaminate", "against": ["evals/"]},
    ]  # fmt: skip
    sources = {
        "a": {"uri": "a.jsonl", "licence": "mit", "tags": ["x", "y"], "take": {"epochs": 1.5}},
        "b": {"uri": "b.jsonl", "licence": "odc-by", "tags": ["y"], "take": {"rows": 20}},
        "c": {"uri": "c.jsonl", "take": {"all": True}},
    }
    return workspace.mix(sources, steps=steps, description="What it is: a [test] | of cards.")


def test_every_table_adds_up(version: Version) -> None:
    card = (version.path / "README.md").read_text("utf-8")
    *rows, total = table(card, "Sources")
    assert [row["source"] for row in rows] == ["a", "b", "c"]
    assert total["source"] == "total"
    for name in ("rows", "read", "quarantined", "dropped", "not drawn", "kept"):
        assert sum(number(row[name]) for row in rows) == number(total[name])
    assert number(total["rows"]) == version.num_rows == len(version.table(["id"]))
    assert round(sum(float(row["share"].rstrip("%")) for row in rows), 2) == 100
    for row in rows:
        out = sum(number(row[name]) for name in ("quarantined", "dropped", "not drawn", "kept"))
        assert out == number(row["read"])
    *left, everything = table(card, "Left out")
    assert sum(number(row["rows"]) for row in left) == number(everything["rows"])
    assert number(everything["rows"]) == number(total["read"]) - number(total["kept"])
    assert {row["reason"]: row["rows"] for row in left} == {
        "not drawn": "5", "duplicate_record": "2", "contaminated": "1", "empty_turn": "1",
        "quarantined: no messages": "1",
    }  # fmt: skip
    *licences, rows_of_all = table(card, "Licences")
    assert {row["licence"]: number(row["rows"]) for row in licences} == {
        "mit": number(rows[0]["rows"]), "odc-by": 20, "unknown": 1,
    }  # fmt: skip
    assert number(rows_of_all["rows"]) == version.num_rows


def test_what_was_found_of_suites_stands_in_the_card(version: Version) -> None:
    card = (version.path / "README.md").read_text("utf-8")
    (row,) = table(card, "Decontamination")
    assert (row["source"], row["suite"], row["instances"], row["hit"], row["records"]) == (
        "a", "trains", "1", "1", "1",
    )  # fmt: skip
    assert "Rule `tulu3` against 1 suite: trains. 1 record with a hit (1 hits): dropped." in card
    assert "was found" not in card


def test_a_card_without_drops_or_suites_says_so(tmp_path: Path) -> None:
    one = stored(tmp_path, "sft", [{"messages": [say("user", "x")]}])
    card = render_card(one.manifest, {})
    assert "Nothing: every row that was read is in the version." in card
    assert "Not decontaminated, as its spec says." in card
    assert "## Duplicates" not in card
    assert "\n\n\n" not in card


ODD = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@given(names=st.lists(ODD, min_size=1, max_size=3), licence=ODD, said=ODD, uri=ODD)
def test_the_head_is_yaml_and_tables_keep_their_cells_whatever_is_said(
    names: list[str], licence: str, said: str, uri: str
) -> None:
    sources = tuple(
        SourceEntry(name=f"{name} {i}", uri=uri, licences=(licence,), read=1, not_drawn=0, kept=1, rows=1)
        for i, name in enumerate(names)
    )
    manifest = MANIFEST.model_copy(update={"sources": sources, "card": {"pretty_name": said}})
    card = render_card(manifest, {})
    assert card.startswith("---\n")
    head = yaml.safe_load(card.split("---\n")[1])
    assert head == yaml.safe_load(front_matter(manifest))
    assert head["pretty_name"] == said
    rows = table(card, "Sources")
    assert [row["source"] for row in rows] == [*(" ".join(s.name.split()) for s in sources), "total"]


MANIFEST: Any = None


@pytest.fixture(autouse=True, scope="module")
def _a_manifest(tmp_path_factory: pytest.TempPathFactory) -> None:
    globals()["MANIFEST"] = stored(
        tmp_path_factory.mktemp("v"), "sft", [{"messages": [say("user", "x")]}]
    ).manifest


def entry(licences: tuple[str, ...]) -> SourceEntry:
    return SourceEntry(name="s", uri="s", licences=licences, read=1, not_drawn=0, kept=1, rows=1)


@pytest.mark.parametrize(
    ("licences", "licence", "name"),
    [
        ([("mit",)], "mit", None),
        ([("odc-by",), ("mit",), ("mit",)], ["mit", "odc-by"], None),
        ([("mit",), ()], ["mit", "unknown"], None),
        ([("our-own-1.0", "mit")], ["mit", "other"], "our-own-1.0"),
        ([("our-own-1.0",), ("b",)], "other", "b-and-our-own-1.0"),
    ],
)
def test_licences_are_those_that_the_hub_knows(
    licences: list[tuple[str, ...]], licence: object, name: str | None
) -> None:
    manifest = MANIFEST.model_copy(update={"sources": tuple(map(entry, licences))})
    head = yaml.safe_load(front_matter(manifest))
    assert (head["license"], head.get("license_name")) == (licence, name)
    assert {"mit", "odc-by", "cc-by-nc-4.0"} <= HUB_LICENCES


@pytest.mark.parametrize(
    ("rows", "size"),
    [(999, "n<1K"), (1000, "1K<n<10K"), (939_344, "100K<n<1M"), (10**6, "1M<n<10M"), (10**9, "n>100M")],
)
def test_sizes_are_those_of_the_hub(rows: int, size: str) -> None:
    head = yaml.safe_load(front_matter(MANIFEST.model_copy(update={"rows": rows})))
    assert head["size_categories"] == [size]


def test_the_head_lets_the_library_of_the_hub_load_the_folder(version: Version, tmp_path: Path) -> None:
    from datasets import load_dataset

    # As on the hub: the library refuses a local folder that it can map instead.
    shutil.copytree(version.path, tmp_path / "hub", ignore=shutil.ignore_patterns("state.json"))
    found = load_dataset(str(tmp_path / "hub"), cache_dir=str(tmp_path / "cache"))
    assert list(found) == ["train"]
    assert found["train"]["id"][:] == version.table(["id"])["id"].to_pylist()


def test_card_prints_what_the_build_wrote_and_renews_it(workspace: Place, version: Version) -> None:
    card = (version.path / "README.md").read_text("utf-8")
    assert run("card", "m") == card
    assert "\n\nWhat it is: a [test] | of cards.\n\n" in card
    (version.path / "README.md").write_text("old")
    text = (workspace.root / "mixtures" / "m.yaml").read_text("utf-8")
    spec = workspace.root / "mixtures" / "new.yaml"
    spec.write_text(text.replace("What it is: a [test] | of cards.", "Mended."))
    assert "\n\nMended.\n\n" in run("card", "m", "--spec", "mixtures/new.yaml")
    assert (version.path / "README.md").read_text("utf-8") == "old"
    assert run("card", "m", "--spec", "mixtures/new.yaml", "--write") == ""
    after = workspace.store.resolve("m")
    assert (version.path / "README.md").read_text("utf-8") == run("card", "m")
    assert "\n\nMended.\n\n" in run("card", "m")
    assert after.manifest.model_copy(update={"card": {}}) == version.manifest.model_copy(update={"card": {}})
    assert sorted(p.name for p in version.path.parent.iterdir()) == [".lock", version.content_id]
    assert json.loads(run("card", "m", "--json"))["license"] == ["mit", "odc-by", "unknown"]


def test_what_the_spec_says_for_people_stands_in_the_card_and_in_no_id(workspace: Place) -> None:
    workspace.write("a.jsonl", chats(3))
    sources = {"a": {"uri": "a.jsonl"}}
    plain = workspace.mix(sources, name="n")
    said = {
        "pretty_name": "A: few", "language": ["en"], "tags": ["fruit", "sft"], "homepage": "https://x.example",
        "citation": "@misc{a,\n  title={A}\n}",
    }  # fmt: skip
    made = workspace.mix(sources, card=said)
    assert made.manifest.recipe_id == workspace.mix(sources).manifest.recipe_id
    assert made.content_id == plain.content_id
    card = (made.path / "README.md").read_text("utf-8")
    head = yaml.safe_load(card.split("---\n")[1])
    assert (head["pretty_name"], head["language"], head["tags"]) == (
        "A: few", ["en"], ["tulu-data", "sft", "fruit"],
    )  # fmt: skip
    assert {"homepage", "citation", "description"}.isdisjoint(head)
    assert "\nHomepage: <https://x.example>\n" in card
    assert card.endswith("## How to cite it\n\n    @misc{a,\n      title={A}\n    }\n")
    assert card.startswith("---\n")
    assert f"# m@{made.content_id[:8]}\n" in card


def test_the_spec_of_another_dataset_is_refused(workspace: Place, version: Version) -> None:
    workspace.spec({"a": {"uri": "a.jsonl"}}, name="other")
    result = CliRunner().invoke(group, ["card", "m", "--spec", "mixtures/other.yaml"])
    assert isinstance(result.exception, SpecError)
    assert str(result.exception) == (
        "mixtures/other.yaml: is of 'other' (sft), not of 'm' (sft); give the spec of this dataset"
    )


def test_tokens_are_shown_where_they_were_counted(workspace: Place) -> None:
    run("init", "w")
    workspace.write("a.jsonl", chats(3))
    made = workspace.mix({"a": {"uri": "a.jsonl"}, "b": {"uri": "a.jsonl"}}, tokenizer="w/models/tiny")
    *rows, total = table((made.path / "README.md").read_text("utf-8"), "Sources")
    assert sum(number(row["tokens"]) for row in rows) == number(total["tokens"]) > 0


def test_the_help_is_the_one_in_the_table() -> None:
    from tulu_data.cli.card import command

    assert command.get_short_help_str(limit=200) == VERBS["card"][1]
