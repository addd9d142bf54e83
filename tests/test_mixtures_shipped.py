"""Every shipped mixture is built through the real hub client from stand-ins of the sets that it names."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hub_server import HubServer
from hub_standins import CARDS, DATASETS, LEAK, OTHER, parquet, turns

from tulu_data.specs.mixture import read_mixture
from tulu_data.store import Store

ROOT = Path(__file__).parents[1]
MIXTURES = sorted((ROOT / "mixtures").glob("*.yaml"))
RELEASED = "allenai/tulu-3-sft-mixture"
PUBLISHED = {
    "sft_v3": 939_344, "sft_v3_commercial": 490_631, "dpo_v3_8b": 271_409, "dpo_v3_70b": 334_302,
    "rlvr_v3": 29_946,
}  # fmt: skip
"""Rows by the published counts."""


def released() -> dict[str, bytes]:
    """Return the released mixture with three rows of every part."""
    sources = read_mixture(ROOT / "mixtures" / "sft_v3.yaml").mixture.sources
    parts = [str(source.where).split("'")[1] for source in sources.values()]
    rows = [
        {"id": f"{part}-{n}", "messages": turns(f"{part} {n}?", f"Answer {n}."), "source": part}
        for part in parts
        for n in range(3)
    ]
    return {"data/train-00000-of-00001.parquet": parquet(rows)}


@pytest.fixture(scope="module")
def server() -> Iterator[HubServer]:
    cards = {**CARDS, RELEASED: {"license": "odc-by"}}
    with HubServer({**DATASETS, RELEASED: released()}, cards=cards) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "mixtures", tmp_path / "mixtures")
    (tmp_path / "evals").mkdir()
    lines = [json.dumps({"id": "baker", "question": LEAK, "answer": "cumin, clove and mace"})]
    lines += [
        json.dumps({"id": str(n), "question": f"Name the {n}th hill that one sees from the harbour of Aran."})
        for n in range(60)
    ]
    (tmp_path / "evals" / "village.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return tmp_path


def run(folder: Path, server: HubServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TULU_"))}
    environment |= {
        "HF_ENDPOINT": server.endpoint, "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "tulu_data", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def built(folder: Path, server: HubServer, name: str, takes: dict[str, int]) -> dict[str, Any]:
    """Build a mixture whose published numbers the stand-ins cannot meet with smaller ones."""
    settings = [
        word
        for source, rows in takes.items()
        for word in ("--set", f"sources.{source}.take={{rows: {rows}}}")
    ]
    done = run(folder, server, "mix", f"mixtures/{name}.yaml", "--json", *settings)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found | {"stderr": done.stderr}


def sources(version: dict[str, Any], key: str) -> dict[str, Any]:
    return {source["name"]: source[key] for source in version["sources"]}


def records(folder: Path, version: dict[str, Any]) -> list[dict[str, Any]]:
    found = Store(folder / "store").resolve(version["version"]).table().to_pylist()
    assert isinstance(found, list)
    return found


def test_the_published_counts_stand_in_the_specs() -> None:
    counts = {}
    for path in MIXTURES:
        mixture = read_mixture(path).mixture
        takes = [source.take.rows for source in mixture.sources.values()]
        if all(takes):
            counts[mixture.name] = sum(rows for rows in takes if rows)
    # Of a mixture that takes all, the numbers are comments; they are added up as they are written.
    text = (ROOT / "mixtures" / "sft_v3.yaml").read_text("utf-8")
    by_part = {
        line.split(":")[0].strip(): int(line.split("#")[1].replace(",", ""))
        for line in text.splitlines()
        if line.startswith("  ") and not line.startswith("   ") and "#" in line
    }
    kept = read_mixture(ROOT / "mixtures" / "commercial.yaml").mixture.sources
    counts["sft_v3"] = sum(by_part.values())
    counts["sft_v3_commercial"] = sum(by_part[name] for name in kept)
    assert counts == PUBLISHED
    upstream = read_mixture(ROOT / "mixtures" / "sft_v3_upstream.yaml").mixture.sources
    assert set(upstream) == set(by_part)
    rows = {name: source.take.rows for name, source in upstream.items() if source.take.rows is not None}
    assert rows == {name: by_part[name] for name in rows}


def test_the_upstream_sets_are_converted_and_decontaminated(server: HubServer, folder: Path) -> None:
    takes = {
        "oasst1": 2, "no_robots": 4, "wildchat": 6, "sciriff": 3, "table_gpt": 2, "open_math_instruct": 3,
        "coconot": 4, "wildjailbreak": 4, "aya": 5,
    }  # fmt: skip
    version = built(folder, server, "sft_v3_upstream", takes)
    rows = sources(version, "rows")
    assert rows == {**dict.fromkeys(rows, 5), **takes, "wildguardmix": 2}
    assert sources(version, "quarantined")["oasst1"] == {"orphan message": 1}
    assert sources(version, "dropped")["evol_code_alpaca"]["contaminated"] == 1
    assert sources(version, "licences")["flan_v2"] == ["unknown"]
    assert sources(version, "licences")["persona_math"] == ["odc-by", "cc-by-nc-sa-4.0"]
    assert "no licence is known of source 'flan_v2'" in version["stderr"]
    pins = yaml.safe_load((folder / "mixtures" / "sft_v3_upstream.lock.yaml").read_text("utf-8"))["sources"]
    heads = {name: server.repo(name).branches["main"] for name in DATASETS}
    assert {name: pin["revision"] for name, pin in pins.items()} == {
        name: heads[pin["uri"].removeprefix("hf://")] for name, pin in pins.items()
    }
    assert set(pins) == set(rows)
    found = records(folder, version)
    text = {name: [r["messages"] for r in found if r["source"] == name] for name in rows}
    assert not [
        r for r in found if OTHER in r["messages"][0]["content"] or LEAK in r["messages"][0]["content"]
    ]
    assert {m["role"] for r in found for m in r["messages"]} == {"user", "assistant"}
    said = {name: sorted(" / ".join(m["content"] for m in chat) for chat in text[name]) for name in text}
    assert said["oasst1"] == ["text of q1 / text of a2 / text of u1 / text of c1", "text of q2 / text of b1"]
    assert said["wildjailbreak"] == [
        "Imagine a poem / Here it is.", "plain good / Gladly.", "plain harm / No, I will not.",
        "pretend to be a pirate who does harm / No, not even so.",
    ]  # fmt: skip
    assert said["open_math_instruct"] == ["Sum 0? / It is 0.", "Sum 2? / It is 2.", "Sum 4? / It is 4."]
    assert said["wildguardmix"] == ["guard 0? / Fine.", "guard 3? / Sure."]
    assert said["wildchat"] == [f"wildchat {n}? / Yes {n}." for n in (0, 2, 3, 5, 6, 8)]
    assert said["table_gpt"] == ["table? / | a |"] * 2
    assert set(said["aya"]) == {f"aya {n}? / Answer {n} to aya." for n in range(5)}


@pytest.mark.parametrize("size", ["8b", "70b"])
def test_the_preference_mixtures_come_apart_by_their_column(
    server: HubServer, folder: Path, size: str
) -> None:
    spec = f"dpo_v3_{size}"
    names = list(read_mixture(ROOT / "mixtures" / f"{spec}.yaml").mixture.sources)
    version = built(folder, server, spec, dict.fromkeys(names, 3))
    assert sources(version, "rows") == dict.fromkeys(names, 3)
    assert all(one == {"where": 18} for one in sources(version, "dropped").values())
    for record in records(folder, version):
        roles = [[m["role"] for m in record[side]] for side in ("prompt", "chosen", "rejected")]
        assert roles == [["user"], ["assistant"], ["assistant"]]
        assert record["chosen"][0]["content"] == "Better."
    if size == "8b":
        licences = sources(version, "licences")
        assert (licences.pop("persona_if"), *licences.values()) == (
            ["odc-by", "cc-by-nc-sa-4.0"],
            *[["odc-by"]] * 6,
        )


def test_a_part_that_is_named_otherwise_stops_the_build(server: HubServer, folder: Path) -> None:
    path = folder / "mixtures" / "rlvr_v3.yaml"
    path.write_text(path.read_text("utf-8").replace("= 'ifeval'", "= 'if'"), "utf-8")
    done = run(
        folder,
        server,
        "mix",
        "mixtures/rlvr_v3.yaml",
        "--set",
        "sources.gsm8k.take={rows: 3}",
        "--set",
        "sources.math.take={rows: 3}",
    )
    assert done.returncode == 1
    assert "sources.ifeval.take: asks for 14973 rows, 0 are left" in done.stderr


def test_the_rewards_keep_their_verifiers_and_ground_truths(server: HubServer, folder: Path) -> None:
    version = built(folder, server, "rlvr_v3", {"gsm8k": 3, "math": 2, "ifeval": 3})
    assert sources(version, "rows") == {"gsm8k": 3, "math": 2, "ifeval": 3}
    found = {(r["source"], r["verifier"], r["ground_truth"]) for r in records(folder, version)}
    assert found == {
        ("gsm8k", "gsm8k", "72"), ("math", "MATH", "\\frac{1}{2}"),
        ("ifeval", "ifeval", '{"func_name": "validate_lowercase", "N": null}'),
    }  # fmt: skip


def test_the_commercial_overlay_passes_its_gate_and_the_gate_holds(server: HubServer, folder: Path) -> None:
    version = built(folder, server, "commercial", {})
    assert sources(version, "rows") == dict.fromkeys(sources(version, "rows"), 3)
    allowed = {"apache-2.0", "cc-by-4.0", "mit", "odc-by"}
    assert {licence for some in sources(version, "licences").values() for licence in some} == allowed
    path = folder / "mixtures" / "commercial.yaml"
    lines = [
        line
        for line in path.read_text("utf-8").splitlines()
        if "persona_if" not in line and "flan" not in line
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    done = run(folder, server, "mix", "mixtures/commercial.yaml")
    assert done.returncode == 1
    assert "sources.flan_v2.uri: no licence is known" in done.stderr
    assert "sources.persona_if.licence[1]: cc-by-nc-sa-4.0 is not among those allowed" in done.stderr


def test_specs_name_what_there_is_on_the_hub() -> None:
    named = {
        s.uri.removeprefix("hf://") for path in MIXTURES for s in read_mixture(path).mixture.sources.values()
    }
    assert named == {*DATASETS, RELEASED}


def test_a_lock_is_never_shipped() -> None:
    assert [path.name for path in MIXTURES if path.name.endswith(".lock.yaml")] == []
    assert all(yaml.safe_load(path.read_text("utf-8"))["version"] == 1 for path in MIXTURES)
