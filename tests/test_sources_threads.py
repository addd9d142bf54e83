"""Conversation trees: messages that name their parents, and trees written out, read as threads."""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tulu_data.errors import SourceError
from tulu_data.sources import copies, threads
from tulu_data.sources.cache import normalise
from tulu_data.sources.files import SourceFile, source_file
from tulu_data.sources.forest import MOST_TURNS, Forest, Message
from tulu_data.sources.reading import Reading
from tulu_data.sources.rows import RawBatch
from tulu_data.sources.scan import scan_file
from tulu_data.sources.where import Where

READING = Reading(kind="sft", adapter="threads")
BEST = "thread.best AND thread.leaf"
Row = dict[str, object]


def said(ident: str, parent: str | None, role: str, rank: int | None = None, **more: object) -> Row:
    text = f"text of {ident}"
    return {"message_id": ident, "parent_id": parent, "role": role, "text": text, "rank": rank, **more}


TREE = [
    said("q", None, "prompter", lang="en"),
    said("a0", "q", "assistant", 1, lang="en"),
    said("a1", "q", "assistant", 0, lang="en"),
    said("u0", "a1", "prompter", 0, lang="en"),
    said("u1", "a1", "prompter", 1, lang="en"),
    said("b0", "u1", "assistant", 0, lang="en"),
    said("b1", "u1", "assistant", 1, lang="de"),
]
"""u0 ranks before u1, but nobody answered it: the best way goes by u1."""


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., SourceFile]:
    def write(rows: list[Row], name: str = "x.jsonl") -> SourceFile:
        path = tmp_path / name
        if name.endswith(".parquet"):
            pq.write_table(pa.Table.from_pylist(rows), path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return replace(source_file(path, name), threads=True)

    return write


def read(file: SourceFile, where: str = "true") -> tuple[list[tuple[int, str]], dict[int, str], int]:
    """Return threads as (row, words), bad rows by reason, and the rows that were read."""
    found, bad, count = list[tuple[int, str]](), dict[int, str](), 0
    for part in scan_file(file, READING, [Where(where)]):
        kept = part.records.filter(part.masks[0])
        for row, turns in zip(kept["row"].to_pylist(), kept["messages"].to_pylist(), strict=True):
            found.append((row, " ".join(t["content"].removeprefix("text of ") for t in turns)))
        here = part.bad.filter(part.bad_masks[0])
        bad |= dict(zip(here["row"].to_pylist(), here["reason"].to_pylist(), strict=True))
        count += part.read
    return found, bad, count


@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.parquet"])
def test_every_answer_is_read_with_what_leads_to_it(written: Callable[..., SourceFile], name: str) -> None:
    found, bad, count = read(written(TREE, name))
    assert found == [(2, "q a0"), (3, "q a1"), (6, "q a1 u1 b0"), (7, "q a1 u1 b1")]
    assert (bad, count) == ({4: "no answer"}, 5)


def test_a_condition_chooses_threads_and_sees_the_answers_own_columns(
    written: Callable[..., SourceFile],
) -> None:
    file = written(TREE)
    assert read(file, BEST)[:2] == ([(6, "q a1 u1 b0")], {})
    assert read(file, "thread.leaf AND lang = 'en'")[0] == [(2, "q a0"), (6, "q a1 u1 b0")]
    assert read(file, "thread.turns > 2 AND rank = 1")[0] == [(7, "q a1 u1 b1")]


def test_a_mask_that_is_added_later_is_the_same(written: Callable[..., SourceFile], tmp_path: Path) -> None:
    file = written(TREE)
    first = normalise(file, READING, [], tmp_path / "cache")
    later = normalise(file, READING, [Where(BEST)], tmp_path / "cache")
    assert first.table.num_rows == 4
    assert later.rows(BEST).tolist() == [2]


def test_what_belongs_to_no_thread_is_counted_with_a_reason(written: Callable[..., SourceFile]) -> None:
    rows = [
        said("q", None, "prompter"),
        said("gone", "q", "assistant", deleted=True),
        said("below", "gone", "prompter"),
        said("lost", "nowhere", "assistant"),
        said("c1", "c2", "assistant"),
        said("c2", "c1", "prompter"),
        said("q", None, "prompter"),
        said("a", "q", "assistant") | {"text": None},
        said("ok", "q", "assistant"),
    ]
    found, bad, count = read(written(rows))
    assert found == [(9, "q ok")]
    assert Counter(bad.values()) == {
        "orphan message": 4, "deleted message": 1, "repeated message": 1, "missing value": 1
    }  # fmt: skip
    assert count == len(found) + len(bad)


def test_a_chain_longer_than_a_thread_may_be_is_cut_and_counted() -> None:
    roles = ("prompter", "assistant")
    chain = [
        Message(ident=str(i), parent=str(i - 1) if i else None, role=roles[i % 2])
        for i in range(MOST_TURNS + 3)
    ]
    forest = Forest(chain)
    assert [forest.troubles[i].reason for i in sorted(forest.troubles)] == [
        "too deep",
        "orphan message",
        "orphan message",
    ]
    assert max(len(forest.way(i)) for i in range(len(chain)) if forest.is_thread(i)) == MOST_TURNS
    assert forest.leaves == {MOST_TURNS - 1}


def nested(rows: list[Row]) -> Row:
    """Write one tree out."""
    nodes = {str(row["message_id"]): {**row, "replies": []} for row in rows}
    for row in rows:
        if row["parent_id"] is not None:
            nodes[str(row["parent_id"])]["replies"].append(nodes[str(row["message_id"])])  # type: ignore[attr-defined]
    for node in nodes.values():
        del node["parent_id"]
    return {"message_tree_id": "t", "prompt": nodes[str(rows[0]["message_id"])]}


def test_trees_that_are_written_out_give_the_same_threads(written: Callable[..., SourceFile]) -> None:
    other = [said("r", None, "prompter"), said("d", "r", "assistant", 0)]
    trees = written([nested(TREE), {"message_tree_id": "u", "prompt": None}, nested(other)], "y.jsonl")
    found, bad, count = read(trees)
    # Messages are numbered each before its replies, which is the order of TREE; the broken tree is one row.
    assert found == [*read(written(TREE))[0], (10, "r d")]
    assert bad == {4: "no answer", 8: "broken messages"}
    assert read(trees, BEST)[0] == [(6, "q a1 u1 b0"), (10, "r d")]
    assert count == len(found) + len(bad)


def test_rows_that_are_no_messages_of_trees_are_refused(written: Callable[..., SourceFile]) -> None:
    with pytest.raises(SourceError) as caught:
        read(written([{"message_id": "a", "parent": None, "role": "user", "text": "x"}]))
    assert str(caught.value) == (
        "x.jsonl: no column 'parent_id' (columns: message_id, parent, role, text); "
        "adapter 'threads' joins messages by message_id, parent_id, role, text, or takes apart trees "
        "(prompt with replies)"
    )


def test_files_of_messages_are_not_copied_row_by_row(written: Callable[..., SourceFile]) -> None:
    with pytest.raises(SourceError, match="its rows are messages of trees, and a copy without some would"):
        copies._check_apart([written(TREE)])


def test_more_than_may_be_held_is_refused(
    written: Callable[..., SourceFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "MOST_BYTES", 100)
    with pytest.raises(SourceError, match="cut it into files of whole trees"):
        read(written(TREE))


@st.composite
def forests(draw: st.DrawFn) -> list[Row]:
    """Draw trees: every message replies to an earlier one or begins a tree."""
    rows = list[Row]()
    for i in range(draw(st.integers(1, 25))):
        parent = draw(st.one_of(st.none(), st.integers(0, i - 1))) if i else None
        role = draw(st.sampled_from(["prompter", "assistant"]))
        rank = draw(st.one_of(st.none(), st.integers(0, 3)))
        rows.append(said(f"m{i}", None if parent is None else f"m{parent}", role, rank))
    return rows


def message(row: Row) -> Message:
    named = {"ident": row["message_id"], "parent": row["parent_id"], "role": row["role"]}
    return Message(rank=row["rank"], **named)  # type: ignore[arg-type]


@given(forests(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_threads_follow_from_the_tree_and_not_from_the_order_of_the_file(
    rows: list[Row], chance: random.Random
) -> None:
    shuffled = chance.sample(rows, len(rows))
    seen = []
    for some in (rows, shuffled):
        forest = Forest([message(row) for row in some])
        names = [str(row["message_id"]) for row in some]
        ways = {
            names[i]: tuple(names[j] for j in forest.way(i)) for i in range(len(some)) if forest.is_thread(i)
        }
        best = {names[i] for i in forest.best & forest.leaves}
        seen.append((ways, best, {names[i] for i in forest.leaves}))
    assert seen[0] == seen[1]
    ways, best, leaves = seen[0]
    parents = {str(row["message_id"]): row["parent_id"] for row in rows}
    answers = {str(row["message_id"]) for row in rows if row["role"] == "assistant"}
    for end, way in ways.items():
        assert (way[-1], parents[way[0]]) == (end, None)
        assert all(parents[below] == above for above, below in pairwise(way))
    assert answers <= set(ways)
    above = {name for end in answers for name in ways[end][:-1]}
    assert leaves == answers - above
    # Every tree in which somebody answers has one best thread.
    roots = {ways[end][0] for end in answers}
    assert sorted(ways[end][0] for end in best) == sorted(roots)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_the_answers_of_a_message_are_the_threads_that_hold_it(
    parents: list[int], order: random.Random
) -> None:
    rows = [said("m0", None, "prompter")]
    for i, parent in enumerate(parents, 1):
        rows.append(said(f"m{i}", f"m{parent % i}", order.choice(["prompter", "assistant"])))
    order.shuffle(rows)
    table = pa.Table.from_pylist(rows)

    def raw() -> RawBatch:
        return RawBatch(table=table, rows=pa.array(range(1, len(rows) + 1)))

    texts = {
        number: [turn["content"] for turn in thread["messages"]]
        for batch in threads.joined(iter([raw()]), None, "x")
        for number, thread in zip(
            batch.rows.to_pylist(), batch.table.column("thread").to_pylist(), strict=True
        )
    }
    for row, message in enumerate(rows, 1):
        expected = sorted(number for number, turns in texts.items() if message["text"] in turns)
        assert threads.answers_through(iter([raw()]), row, "x") == expected
    assert threads.answers_through(iter([raw()]), len(rows) + 1, "x") == []
