"""Saved indexes: what is opened is what is built, and only what is new is read."""

import importlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from decontaminate_fixtures import batch, suite
from hypothesis import given, settings
from hypothesis import strategies as st

from tulu_data import decontaminate
from tulu_data.decontaminate import build_index, index, load_suites, open_index, segments
from tulu_data.decontaminate.scan import scan
from tulu_data.kernels.numbering import numbered
from tulu_data.kernels.tokens import tokens_of
from tulu_data.kernels.words import hash_all
from tulu_data.store import whole
from tulu_data.store.saved import arrays_of

QUESTIONS = {
    "town": ["Which river runs through the old town of Graz?", "Why?", "Name the 3 largest towns of 1,200."],
    "plant": [
        "What do green plants take out of the air by day?",
        "Why?",
        "Name the 3 largest plants of 1,200.",
    ],
    "moon": ["How long does the moon take to go around us once?", "\u6708\u306f\u306a\u305c\u5149\u308b?"],
}


def arrays(built):
    """All arrays and numbers of an index, by place."""
    parts = {"wording": built.wording, **{f"grams {k}": grams for k, grams in enumerate(built.grams)}}
    flat = {f"{name}.{place}": array for name, part in parts.items() for place, array in arrays_of(part)}
    units = {name: getattr(built.units, name) for name in ("text", "begin", "end")}
    return flat | units | {name: getattr(built, name) for name in ("words", "suite", "field", "row")}


def assert_same(one, other):
    left, right = arrays(one), arrays(other)
    assert left.keys() == right.keys()
    for place in left:
        assert left[place].dtype == right[place].dtype, place
        assert np.array_equal(left[place], right[place]), place


@pytest.fixture
def evals(tmp_path):
    """Make a folder of three suites, one of which has passages."""
    folder = tmp_path / "evals"
    folder.mkdir()
    for name, questions in QUESTIONS.items():
        write(folder, name, questions)
    return folder


def write(folder, name, questions):
    rows = [{"question": q, **({"passage": f"{name} {q}"} if name == "moon" else {})} for q in questions]
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def load(folder, *names):
    return load_suites([f"evals/{name}.jsonl" for name in names] or ["evals"], folder.parent)


def files(folder, label):
    return sorted(path.name for path in (folder / ".index").glob(f"{label}*.arrow"))


def counted(monkeypatch):
    """Note how many texts are read as words and as tokens, and what is joined or indexed anew."""
    calls = []

    def noting(module, name, size):
        function = getattr(module, name)

        def noted(*given):
            calls.append((name, size(*given)))
            return function(*given)

        monkeypatch.setattr(module, name, noted)

    noting(segments, "hash_all", lambda _text, begin, *_: len(begin))
    noting(segments, "tokens_of", lambda _text, begin, *_: len(begin))
    noting(index, "join_wording", lambda _keys, _exact, at, _digests: len(at) - 1)
    noting(index, "index_units", lambda _hashes, at, *_: len(at) - 1)
    return calls


@pytest.mark.parametrize("rule", ["tulu3", "auto", "any-13,coverage", "lexical"])
def test_an_opened_index_is_the_built_one_array_by_array(evals, rule):
    suites = load(evals)
    built, first, again = build_index(suites, rule), open_index(suites, rule), open_index(suites, rule)
    assert_same(first, built)
    assert_same(again, built)
    assert again.key == built.key
    records = batch([[text] for questions in QUESTIONS.values() for text in questions] * 2)
    hits = [scan([records], "sft", each).table for each in (built, first, again)]
    assert hits[0].num_rows > 0
    assert hits[0].equals(hits[1])
    assert hits[0].equals(hits[2])


def test_arrays_come_back_as_kernels_take_them(evals):
    open_index(load(evals), "auto")
    opened, built = open_index(load(evals), "auto"), build_index(load(evals), "auto")
    for place, array in arrays(opened).items():
        if array.ndim:
            assert array.flags.c_contiguous, place
            assert array.flags.aligned, place
            assert not array.flags.writeable, place
            assert arrays(built)[place].flags.writeable == array.flags.writeable, place
    assert type(opened.grams[0].n) is int
    assert type(opened.grams[0].mask) is np.uint64
    assert opened.wording.numbers.dtype == np.bool_


def test_the_second_time_nothing_is_read_or_made(evals, monkeypatch):
    calls = counted(monkeypatch)
    open_index(load(evals), "auto")
    assert {name for name, _ in calls} == {"hash_all", "tokens_of", "join_wording", "index_units"}
    calls.clear()
    open_index(load(evals), "auto")
    assert calls == []


def test_adding_a_suite_reads_that_suite_alone(evals, monkeypatch):
    open_index(load(evals), "tulu3")
    calls = counted(monkeypatch)
    write(evals, "added", ["Is this question new here, or was it there before?", "And this one?"])
    suites = load(evals)
    opened = open_index(suites, "tulu3")
    assert calls == [("hash_all", 2), ("tokens_of", 2), ("join_wording", 12), ("index_units", 12)]
    assert_same(opened, build_index(suites, "tulu3"))


def test_leaving_a_suite_out_reads_no_suite(evals, monkeypatch):
    open_index(load(evals))
    calls = counted(monkeypatch)
    suites = load(evals, "moon", "town")
    opened = open_index(suites)
    assert [name for name, _ in calls] == ["join_wording", "index_units"]
    assert_same(opened, build_index(suites))


def test_another_rule_adds_its_n_grams_alone(evals, monkeypatch):
    open_index(load(evals), "tulu3")
    calls = counted(monkeypatch)
    open_index(load(evals), "auto")
    assert calls == []
    opened = open_index(load(evals), "tulu3,any-13")
    assert calls == [("index_units", 10)]
    assert_same(opened, build_index(load(evals), "tulu3,any-13"))


def test_a_changed_file_is_read_anew(evals):
    open_index(load(evals))
    write(evals, "town", ["Which bridge crosses the river of the old town?"])
    suites = load(evals)
    assert_same(open_index(suites), build_index(suites))
    assert len(files(evals, "words-")) == 3


def test_the_code_and_the_tables_of_unicode_are_part_of_the_key(evals, monkeypatch):
    suites = load(evals)
    open_index(suites)
    kept = files(evals, "texts-")
    monkeypatch.setattr(index, "_code", lambda: ["another"])
    open_index(suites)
    assert len(files(evals, "texts-")) == 2
    assert set(kept) < set(files(evals, "texts-"))


def test_the_folder_from_which_suites_are_seen_is_no_part_of_the_key(evals, monkeypatch):
    open_index(load(evals))
    calls = counted(monkeypatch)
    open_index(load_suites(["."], evals))
    assert calls == []


def break_off(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


def no_arrow(path):
    path.write_text("nothing of ours", "utf-8")


def other_arrow(path):
    table = pa.table({"question": ["Why?"]})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def folder_instead(path):
    path.unlink()
    path.mkdir()


def another_key(path):
    rewrite(path, lambda facts: facts | {"key": "0" * 64}, lambda table: table)


def another_shape(path):
    rewrite(
        path, lambda facts: facts | {"shapes": {place: [1] for place in facts["shapes"]}}, lambda table: table
    )


def fewer_arrays(path):
    rewrite(path, lambda facts: facts, lambda table: table.select(table.column_names[:-1]))


def other_numbers(path):
    def rounded(table):
        schema = pa.schema([(name, pa.large_list(pa.float32())) for name in table.column_names])
        return table.cast(schema, safe=False)

    rewrite(path, lambda facts: facts, rounded)


def no_lists(path):
    rewrite(path, lambda facts: facts, lambda table: pa.table({name: [1] for name in table.column_names}))


def no_rows(path):
    rewrite(path, lambda facts: facts, lambda table: table.slice(0, 0))


def rewrite(path, facts, change):
    table = pa.ipc.open_file(pa.BufferReader(path.read_bytes())).read_all()
    known = json.loads(table.schema.metadata[b"saved"])
    table = change(table).replace_schema_metadata({b"saved": json.dumps(facts(known)).encode()})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize(
    "damage",
    [
        break_off, empty, zeros, no_arrow, other_arrow, folder_instead, another_key, another_shape,
        fewer_arrays, other_numbers, no_lists, no_rows,
    ],
)  # fmt: skip
@pytest.mark.parametrize("label", ["texts-", "grams-", "words-"])
def test_a_torn_or_foreign_file_is_made_anew(evals, label, damage):
    suites = load(evals)
    open_index(suites)
    for name in files(evals, label):
        damage(evals / ".index" / name)
    if label == "words-":
        # Segments are asked for only where something has to be joined.
        for path in (evals / ".index").glob("[tg]*-*.arrow"):
            path.unlink()
    assert_same(open_index(suites), build_index(suites))
    assert_same(open_index(suites), build_index(suites))


def test_where_no_folder_can_be_written_the_cache_is_used_and_else_memory(evals, tmp_path, monkeypatch):
    (evals / ".index").write_text("a file where the folder would be", "utf-8")
    suites, elsewhere = load(evals), tmp_path / "cache"
    assert_same(open_index(suites), build_index(suites))
    open_index(suites, cache=elsewhere)
    assert {path.name.split("-")[0] for path in elsewhere.glob("*.arrow")} == {"words", "texts", "grams"}
    calls = counted(monkeypatch)
    open_index(suites, cache=elsewhere)
    assert calls == []


def test_suites_of_two_folders_lie_beside_themselves_and_their_index_beside_the_first(evals, tmp_path):
    other = tmp_path / "more"
    other.mkdir()
    write(other, "zoo", ["Which animals live in the zoo behind the hill?"])
    open_index(load_suites(["more", "evals"], tmp_path))
    assert [len(files(evals, label)) for label in ("words-", "texts-", "grams-")] == [3, 1, 1]
    assert [len(files(other, label)) for label in ("words-", "texts-", "grams-")] == [1, 0, 0]


def test_suites_that_came_from_no_folder_are_indexed_in_memory():
    made = [suite(questions, name) for name, questions in QUESTIONS.items()]
    assert_same(open_index(made), build_index(made))
    assert_same(open_index([]), build_index([]))


def test_no_more_than_a_handful_of_indexes_stay(evals):
    for k in range(index.FEW + 2):
        write(evals, "town", [f"Which river runs through the old town number {k}?"])
        open_index(load(evals))
    assert len(files(evals, "texts-")) == index.FEW
    assert len(files(evals, "words-")) == 3
    assert len(files(evals, "grams-")) == index.FEW + 2
    assert not list((evals / ".index").glob(".new-*"))


def test_an_index_stays_usable_when_its_files_are_removed(evals):
    suites = load(evals)
    open_index(suites)
    opened = open_index(suites)
    for path in (evals / ".index").glob("*.arrow"):
        path.unlink()
    assert_same(opened, build_index(suites))


def test_an_unfinished_file_of_the_dead_goes_and_one_in_the_making_stays(evals):
    open_index(load(evals))
    old, young = evals / ".index/.new-1-1-texts-a.arrow", evals / ".index/.new-2-2-texts-b.arrow"
    for path in (old, young):
        path.write_bytes(b"unfinished")
    long_ago = young.stat().st_mtime - 2 * whole._ABANDONED
    os.utime(old, (long_ago, long_ago))
    open_index(load(evals), "any-13")
    assert not old.exists()
    assert young.exists()


KILLED = """
import os, signal, sys
from pathlib import Path
import pyarrow as pa
from tulu_data.decontaminate import load_suites, open_index
left, replaced = int(sys.argv[2]), Path.replace
def dying(path, target):
    global left
    left -= 1
    if left == 0:
        if sys.argv[3] == "torn":
            os.truncate(path, path.stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    return replaced(path, target)
suites = load_suites(["evals"], Path(sys.argv[1]))
Path.replace = dying
open_index(suites)
"""


@pytest.mark.parametrize(("renames", "how"), [(4, "whole"), (5, "torn")])
def test_nothing_that_a_killed_process_leaves_is_believed(evals, renames, how):
    command = [sys.executable, "-c", KILLED, str(evals.parent), str(renames), how]
    done = subprocess.run(command, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list((evals / ".index").glob(".new-*"))) == 1
    suites = load(evals)
    assert len(files(evals, "words-") + files(evals, "texts-") + files(evals, "grams-")) == renames - 1
    assert_same(open_index(suites), build_index(suites))


def open_at_once(folder, barrier, done):
    suites = load_suites(["evals"], Path(folder))
    barrier.wait()
    opened = open_index(suites, "auto")
    done.put({place: array.tobytes() for place, array in arrays(opened).items()})


def test_processes_that_build_at_once_all_end_well(evals):
    start = multiprocessing.get_context("spawn")
    barrier, done = start.Barrier(2), start.Queue()
    made = [start.Process(target=open_at_once, args=(str(evals.parent), barrier, done)) for _ in range(2)]
    for process in made:
        process.start()
    found = [done.get(timeout=120) for _ in made]
    for process in made:
        process.join(timeout=120)
    assert [process.exitcode for process in made] == [0, 0]
    built = {place: array.tobytes() for place, array in arrays(build_index(load(evals), "auto")).items()}
    assert found == [built, built]
    assert not list((evals / ".index").glob(".new-*"))


words = st.sampled_from(
    ["why", "Graz", "the", "1,200", "12", "\u6708", "\u5149", "twelve", "x-ray", "\u00e9t\u00e9", "?"]
)
texts = st.lists(words, max_size=12).map(" ".join)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.tuples(texts, st.none() | texts), max_size=4), min_size=1, max_size=4))
def test_segments_joined_are_what_reading_all_texts_at_once_gives(rows):
    suites = [
        suite([{"question": question, "passage": passage} for question, passage in each], f"s{k}")
        for k, each in enumerate(rows)
    ]
    read = [segments.read_segment(each) for each in suites]
    everything = segments.text_array(suites)
    data = np.frombuffer("".join(everything.to_pylist()).encode(), np.uint8)
    sizes = np.cumsum([0, *(len(text.encode()) for text in everything.to_pylist())])
    hashes, at = hash_all(data, sizes[:-1], sizes[1:], segments.folding())
    tokens = tokens_of(data, sizes[:-1], sizes[1:])
    for parts, column, expected, starts in (
        ([each.words for each in read], 0, hashes, at),
        ([each.tokens for each in read], 0, tokens.keys, tokens.at),
        ([each.tokens for each in read], 1, tokens.exact, tokens.at),
    ):
        found, places = segments.joined(parts, column)
        assert found.tolist() == expected.tolist()
        assert places.tolist() == starts.tolist()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(texts, max_size=4), min_size=1, max_size=4), st.randoms())
def test_suites_added_one_by_one_are_indexed_as_all_at_once(tmp_path_factory, said, random):
    suites = [suite(questions, f"s{k}") for k, questions in enumerate(said)]
    added, cache = random.sample(suites, len(suites)), tmp_path_factory.mktemp("cache")
    for count in range(1, len(suites)):
        open_index([one for one in suites if one in added[:count]], "tulu3,idf", cache=cache)
    assert_same(open_index(suites, "tulu3,idf", cache=cache), build_index(suites, "tulu3,idf"))


@given(st.lists(st.integers(0, 5) | st.integers(0, 2**64 - 1), max_size=200))
def test_equal_keys_get_equal_numbers_in_order_of_first_occurrence(keys):
    first, ids = numbered(np.array(keys, np.uint64))
    order = list(dict.fromkeys(keys))
    assert [keys[k] for k in first] == order
    assert [keys.index(order[k]) for k in range(len(order))] == first.tolist()
    assert ids.tolist() == [order.index(key) for key in keys]


def test_every_exported_name_is_the_one_that_its_module_defines():
    for module, names in decontaminate._EXPORTS.items():
        for name in names:
            assert getattr(decontaminate, name) is getattr(importlib.import_module(module), name)
    assert dir(decontaminate) == sorted(name for names in decontaminate._EXPORTS.values() for name in names)
    with pytest.raises(AttributeError, match="no attribute 'built_index'"):
        decontaminate.built_index  # noqa: B018


def test_listing_suites_loads_no_compiler(evals):
    code = f"""
import sys
from click.testing import CliRunner
from tulu_data.cli.main import group
assert CliRunner().invoke(group, ["evals", "list", {str(evals)!r}]).exit_code == 0
print(int("numba" in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
