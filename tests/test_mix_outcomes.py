"""Steps whose outcome is known are not run again, and nothing can be told from the version."""

import pytest
from mixture_fixtures import Place, chat, chats

from tulu_data.mix import decontamination, deduplication, filtering

LEAK = "Seven friends share ninety one marbles so how many marbles does each of them get in the end?"
STEPS = [
    {"step": "filter", "drop": ["refusal", "empty_turn"]},
    {"step": "dedup", "key": "conversation", "near": True},
    {"step": "decontaminate", "against": ["evals/"], "action": "drop_source"},
]


@pytest.fixture
def place(tmp_path) -> Place:
    place = Place(tmp_path)
    place.write("evals/suite.jsonl", [{"id": "1", "question": LEAK, "answer": "13"}])
    # Enough of these that one leak is no large part of them.
    rows = [
        *chats(12),
        chat("q 3"),
        chat("please", "I'm sorry, but I can't help with that."),
        chat("empty", " "),
    ]
    place.write("a.jsonl", rows)
    place.write("b.jsonl", [chat(LEAK), *chats(6, "b")])
    return place


def sources(rows: int) -> dict:
    return {"a": {"uri": "a.jsonl", "take": {"rows": rows}}, "b": {"uri": "b.jsonl"}}


def tables(version) -> dict[str, bytes]:
    names = ("dropped.parquet", "clusters.parquet", "hits.parquet")
    return {name: (version.path / name).read_bytes() for name in names}


def ran(monkeypatch) -> list[str]:
    """Note which steps run."""
    found: list[str] = []
    for name, module in (("filter", filtering), ("dedup", deduplication), ("decontaminate", decontamination)):
        real = getattr(module, f"run_{name}")

        def noted(*arguments, name=name, real=real):
            found.append(name)
            return real(*arguments)

        monkeypatch.setattr(module, f"run_{name}", noted)
    return found


def test_another_take_runs_no_step_and_gives_what_a_build_from_nothing_does(place, monkeypatch, tmp_path):
    place.mix(sources(3), steps=STEPS)
    found = ran(monkeypatch)
    again = place.mix(sources(5), steps=STEPS)
    assert found == []
    assert "dedup: 20 -> 19 records (known from a build before)" in place.said
    fresh = Place(tmp_path / "fresh")
    for name in ("a.jsonl", "b.jsonl", "evals/suite.jsonl"):
        target = fresh.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((place.root / name).read_bytes())
    other = fresh.mix(sources(5), steps=STEPS)
    assert found == ["filter", "dedup", "decontaminate"]
    assert other.content_id == again.content_id
    assert tables(other) == tables(again)
    same = {"created": "", "shards": ()}
    assert other.manifest.model_copy(update=same) == again.manifest.model_copy(update=same)


@pytest.mark.parametrize(
    ("change", "run"),
    [
        (lambda s: s[0].update(drop=["refusal"]), ["filter", "dedup", "decontaminate"]),
        (lambda s: s[1].update(key="prompt"), ["dedup", "decontaminate"]),
        (lambda s: s[2].update(scope="all"), ["decontaminate"]),
        (lambda s: s[2].update(action="flag"), ["decontaminate"]),
        (lambda s: s.pop(2), []),
        (lambda s: s.pop(0), ["dedup", "decontaminate"]),
    ],
)
def test_a_step_that_changed_is_run_with_those_behind_it(place, monkeypatch, change, run):
    place.mix(sources(3), steps=STEPS)
    changed = [dict(step) for step in STEPS]
    change(changed)
    found = ran(monkeypatch)
    place.mix(sources(3), steps=changed)
    assert found == run


def test_another_file_suite_or_source_is_looked_at_anew(place, monkeypatch):
    place.mix(sources(3), steps=STEPS)
    found = ran(monkeypatch)
    place.write("evals/suite.jsonl", [{"id": "1", "question": LEAK + " Say why.", "answer": "13"}])
    place.mix(sources(3), steps=STEPS)
    assert found == ["decontaminate"]
    found.clear()
    place.write("b.jsonl", chats(6, "c"))
    place.mix(sources(3), steps=STEPS)
    assert found == ["filter", "dedup", "decontaminate"]
    found.clear()
    place.mix({**sources(3), "c": {"uri": "b.jsonl", "where": "true"}}, steps=STEPS)
    assert found == ["filter", "dedup", "decontaminate"]


def test_a_damaged_or_missing_outcome_is_made_again(place, monkeypatch):
    first = place.mix(sources(3), steps=STEPS)
    folder = place.store.root / "cache" / "steps"
    for number, path in enumerate(sorted(folder.glob("*.arrow"))):
        if number % 2:
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:100])
    found = ran(monkeypatch)
    place.mix(sources(4), steps=STEPS)
    assert found == ["filter", "dedup", "decontaminate"]
    again = place.mix(sources(3), steps=STEPS, description="once more")
    assert again.content_id == first.content_id
