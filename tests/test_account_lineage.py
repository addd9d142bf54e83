"""`lineage`: the chain of a version up and down, as text, as a mermaid chart that parses, and as JSON."""

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from mixture_fixtures import Place, chats

from tulu_data.account.drawn import as_data, as_lines, as_mermaid, escaped
from tulu_data.account.lineage import lineage
from tulu_data.cli.lineage import command
from tulu_data.store import Version

LABEL = r'"(?P<label>(?:[^"#<>&`\\]|#\d+;|<br/>)*)"'
NODE = rf"n\d+(?:\[{LABEL}\]|\[\({LABEL}\)\]|\({LABEL}\)|\(\[{LABEL}\]\)|\{{\{{{LABEL}\}}\}})"
EDGE = rf"n\d+ (?:-->|-\.->|==>)(?:\|{LABEL}\|)? n\d+"


def parsed(lines: list[str]) -> tuple[set[str], set[tuple[str, str]]]:
    """Read a flowchart strictly; return nodes and edges."""
    assert lines[0] == "flowchart LR"
    nodes: set[str] = set()
    edges: set[tuple[str, str]] = set()
    for line in lines[1:]:
        text = line.removeprefix("  ")
        if re.fullmatch(re.sub(r"\(\?P<label>", "(?:", NODE), text):
            name = text[: re.match(r"n\d+", text).end()]  # type: ignore[union-attr]
            assert name not in nodes
            nodes.add(name)
        else:
            assert re.fullmatch(re.sub(r"\(\?P<label>", "(?:", EDGE), text), text
            edges.add((text.split()[0], text.split()[-1]))
    assert {end for edge in edges for end in edge} <= nodes
    return nodes, edges


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    (tmp_path / "tulu-data.yaml").write_text("version: 1\n")
    place.write("web.jsonl", chats(20, "web"))
    place.write('od"d #1 <b>&`.jsonl', chats(4, "odd"))
    place.write("evals/eggs.jsonl", [{"question": "How many eggs does the red hen lay on a rainy Tuesday?"}])
    return place


@pytest.fixture
def chain(place: Place) -> tuple[Version, Version, Version]:
    """Build a version, one made of it, and one that is compared with that."""
    steps = [{"step": "dedup"}, {"step": "decontaminate", "against": ["evals/"]}]
    first = place.mix({"web": {"uri": "web.jsonl", "licence": "mit"}}, name="first", steps=steps)
    second = place.mix(
        {"old": {"uri": "first@latest", "take": {"rows": 5}}, "odd": {"uri": 'od"d #1 <b>&`.jsonl'}},
        name="second",
    )
    third = place.mix(
        {"web": {"uri": "web.jsonl"}}, name="third", steps=[{"step": "dedup", "against": ["second"]}]
    )
    return first, second, third


def train(place: Place, version: Version, *, done: bool) -> None:
    """Write what a run leaves behind."""
    about = {"version": {"ref": version.ref, "content_id": version.content_id}, "progress": {"step": 3}}
    run = place.root / "runs" / version.name
    for step in (2, 3):
        folder = run / f"checkpoints/step-{step:08d}"
        folder.mkdir(parents=True)
        told = {**about, "progress": {"step": step}, "config": {"model": "models/tiny"}}
        (folder / "checkpoint.json").write_text(json.dumps(told))
    if done:
        (run / "model").mkdir()
        summary = {"version": version.ref, "content_id": version.content_id, "steps": 7}
        (run / "model/training.json").write_text(
            json.dumps({"summary": summary, "config": {"model": "models/tiny"}})
        )


def test_the_chain_is_followed_up_and_down(place: Place, chain: tuple[Version, Version, Version]) -> None:
    first, second, third = chain
    train(place, second, done=True)
    train(place, third, done=False)
    up = as_data(lineage(third, place.store, place.root / "runs"))
    assert [one["version"] for one in up["steps"][0]["against"]] == [second.ref]
    inner = up["steps"][0]["against"][0]["sources"][0]
    assert (inner["name"], inner["version"]["version"], inner["revision"]) == (
        "old", first.ref, first.content_id
    )  # fmt: skip
    assert inner["version"]["sources"][0]["files"][0]["origin"] == "web.jsonl"
    assert [s["name"] for s in inner["version"]["steps"][1]["suites"]] == ["eggs"]
    assert up["models"] == [{"run": "runs/third", "base": "models/tiny", "steps": 3, "done": False}]
    down = as_data(lineage(first, place.store, place.root / "runs"))
    (made,) = down["made"]
    assert (made["version"], made["of"], made["models"][0]["run"]) == (
        second.ref,
        ["source old"],
        "runs/second",
    )
    assert made["models"][0]["done"]
    assert [(one["version"], one["of"]) for one in made["made"]] == [(third.ref, ["dedup"])]


def test_the_text_names_files_steps_suites_and_what_is_gone(
    place: Place, chain: tuple[Version, Version, Version]
) -> None:
    first, second, _ = chain
    lines = [line.strip() for line in as_lines(lineage(first, place.store, place.root / "runs"))]
    assert "source web  20 rows (20 of 20 read)  web.jsonl  mit" in lines
    assert any(line.startswith("web.jsonl  sha256 ") for line in lines)
    assert any(line.startswith("suite eggs  evals/eggs.jsonl  sha256 ") for line in lines)
    assert "made of it" in lines
    shutil.rmtree(first.path)
    found = lineage(second, place.store, place.root / "runs")
    assert any(f"{first.ref}  not in this store" in line for line in as_lines(found))
    parsed(as_mermaid(found))


def test_the_chart_is_mermaid_whatever_files_are_called(
    place: Place, chain: tuple[Version, Version, Version]
) -> None:
    train(place, chain[2], done=True)
    chart = as_mermaid(lineage(chain[2], place.store, place.root / "runs"))
    nodes, edges = parsed(chart)
    # Versions 3, steps 3, files 2, suite 1, model 1.
    assert len(nodes) == 10
    assert len(edges) == 10


@given(st.text())
def test_a_label_never_leaves_its_quotes(text: str) -> None:
    assert re.fullmatch(LABEL, f'"{escaped(text)}"')
    assert re.sub(r"#(\d+);", lambda found: chr(int(found[1])), escaped(text)) == " ".join(text.split())


def test_accounts_that_name_each_other_end(place: Place, chain: tuple[Version, Version, Version]) -> None:
    first, second, _ = chain
    path = first.path / "spec.yaml"
    ref = f"second@{second.content_id}"
    path.write_text(path.read_text().replace("uri: web.jsonl", f"uri: {ref}"))
    found = lineage(first, place.store, place.root / "runs")
    assert as_lines(found)
    parsed(as_mermaid(found))
    assert as_data(found)


def test_the_command_prints_all_three(
    place: Place, chain: tuple[Version, Version, Version], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.root)
    text = CliRunner().invoke(command, ["third"])
    assert (text.exit_code, text.stdout.split()[0]) == (0, chain[2].ref)
    assert CliRunner().invoke(command, ["third", "--format", "mermaid"]).stdout.startswith("flowchart LR\n")
    for options in (["--json"], ["--format", "json"]):
        assert json.loads(CliRunner().invoke(command, ["third", *options]).stdout)["version"] == chain[2].ref
