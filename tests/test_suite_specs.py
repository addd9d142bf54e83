"""Suite specs: mistakes at their places, field maps, and folders in which specs and files lie together."""

import json
import os
from pathlib import Path

import pytest
import yaml

from tulu_data.decontaminate import find_suites, load_suites
from tulu_data.decontaminate.suites import Suite, reading
from tulu_data.errors import SpecError, SuiteError
from tulu_data.sources import readers
from tulu_data.specs.suite import read_suites


def write(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")


def spec(path: Path, **suites: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"version": 1, "suites": suites}), "utf-8")


def questions(suites: tuple[Suite, ...]) -> dict[str, list[str]]:
    return {suite.name: suite.instances["question"].to_pylist() for suite in suites}


def read_one(folder: Path, lines: list[dict[str, object]], **keys: object) -> Suite:
    write(folder / "x.jsonl", lines)
    spec(folder / "s.yaml", s={"uri": "x.jsonl", **keys})
    (suite,) = load_suites(["s.yaml"], folder)
    return suite


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("suites: {a: {uri: x.jsonl, layot: math}}", "2:28 suites.a.layot: unknown key 'layot'; did you mean 'layout'?"),
        ("suites: {a: {uri: x.jsonl, layout: mat}}", "2:36 suites.a.layout: no layout 'mat'; did you mean 'math'?"),
        ("suites: {a: {uri: x, role: dev}}", "2:28 suites.a.role: expected one of development, unseen, found 'dev'"),
        ("suites: {a: {uri: x, fields: {question: 'turns['}}}", "2:41 suites.a.fields.question: expected a path such as"),
        ("suites: {a: {uri: x, fields: {question: '{p'}}}", "2:41 suites.a.fields.question: a brace without its other"),
        (
            "suites: {a: {uri: x, fields: {question: {text: q, match: '('}}}}",
            "2:58 suites.a.fields.question.match: is no regular expression: missing )",
        ),
        ("suites: {a: {uri: x, fields: {answer: {text: q}}}}", "2:39 suites.a.fields.answer: give {text: PATH, match:"),
        ("suites: {a: {uri: x, fields: {id: {choices: q}}}}", "2:35 suites.a.fields.id: only the answer is one of the"),
        ("suites: {a: {uri: x, config: main}}", "2:22 suites.a.config: only an hf:// source has a config; remove it"),
        ("suites: {a: {uri: 's3://x'}}", "2:19 suites.a.uri: scheme 's3://' is not supported; use hf://owner/name, or"),
        ("suites: {a: {uri: x, each: t}}", "2:22 suites.a.each: needs fields with a question"),
        ("suites: {a: {uri: x, columns: question}}", "2:31 suites.a.columns: expected a list, found 'question'"),
        ("suites: {a/b: {uri: x}}", "2:10 suites['a/b']: a suite's name has at most 100 letters"),
        ("suites: {a: x.jsonl}", "2:13 suites.a: expected keys and values, found 'x.jsonl'; write {uri: x.jsonl}"),
        ("suites: {}", "2:9 suites: must not be empty"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_place(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"version: 1\n{text}\n", "utf-8")
    with pytest.raises(SpecError) as caught:
        read_suites(path, "s.yaml")
    assert caught.value.problems[0].startswith(f"s.yaml:{problem}")
    assert len(caught.value.problems) == 1


def test_paths_reach_into_structs_lists_and_json_text(tmp_path: Path) -> None:
    row = {
        "a": {"b": [{"c": "Q?"}]}, "opts": [{"t": "x"}, {"t": "y"}], "more": '{"gold": ["z"]}', "d.e": "id 1",
    }  # fmt: skip
    fields = {"question": "a.b[0].c", "choices": "opts[*].t", "answer": "more.gold[0]", "id": "d.e"}
    (found,) = read_one(tmp_path, [row], fields=fields).instances.to_pylist()
    assert found == {
        "id": "id 1", "split": "test", "question": "Q?", "passage": None, "answer": "z", "choices": ["x", "y"],
    }  # fmt: skip


def test_a_template_joins_columns_and_a_list_is_tried_in_order(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"p": "P", "q": "Q", "x": None, "y": "y"},
        {"p": "R", "q": None, "x": "x", "y": "z"},
    ]
    fields = {"question": "{{{p}}}\n{q}", "answer": ["x", "y"], "id": "{file}-{row}", "split": "y"}
    found = read_one(tmp_path, rows, fields=fields).instances.to_pylist()
    assert [row["question"] for row in found] == ["{P}\nQ", "{R}\n"]
    assert [row["answer"] for row in found] == ["y", "x"]
    assert [(row["id"], row["split"]) for row in found] == [("x-1", "y"), ("x-2", "z")]


def test_a_part_of_a_text_is_cut_out_and_a_row_without_it_is_bad(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"t": "Question: Q?\nAnswer: 4"}, {"t": "nothing of the kind"}]
    suite = read_one(tmp_path, rows, fields={"question": {"text": "t", "match": "Question: (.*)"}})
    assert suite.instances["question"].to_pylist() == ["Q?"]
    assert suite.bad == (("x.jsonl", 2, "no question"),)


@pytest.mark.parametrize(
    ("mark", "answer"),
    [(1, "b"), ("1", "b"), ("B", "b"), ("(B)", "b"), ([1], "b"), ([0, 1, 0], "b"), ([True, False, False], "a"),
     ("c", "c"), (-1, None), (3, None), ("x", None), (None, None)],
)  # fmt: skip
def test_an_answer_is_the_choice_that_is_marked(tmp_path: Path, mark: object, answer: str | None) -> None:
    rows: list[dict[str, object]] = [{"q": "Q?", "c": ["a", "b", "c"], "m": mark}]
    suite = read_one(tmp_path, rows, fields={"question": "q", "choices": "c", "answer": {"choices": "m"}})
    assert suite.instances["answer"].to_pylist() == [answer]


def test_a_missing_choice_keeps_its_place(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"q": "Q?", "a": "x", "b": None, "c": "z", "m": 2}, {"q": "R?", "m": 0}]
    fields = {"question": "q", "choices": ["a", "b", "c"], "answer": {"choices": "m"}}
    found = read_one(tmp_path, rows, fields=fields).instances.to_pylist()
    assert [(row["choices"], row["answer"]) for row in found] == [(["x", "", "z"], "z"), (None, None)]


def test_where_and_rows_say_which_rows_are_instances(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"q": f"Q{k}?", "k": k} for k in range(10)]
    suite = read_one(tmp_path, rows, fields={"question": "q"}, where="k % 2 = 1", rows=6)
    assert suite.instances["question"].to_pylist() == ["Q1?", "Q3?", "Q5?"]
    assert suite.instances["id"].to_pylist() == ["2", "4", "6"]


def test_elements_of_a_list_are_instances_and_a_row_without_any_is_bad(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"title": "T", "qas": [{"q": "one?", "a": "1"}, {"q": "two?", "a": "2"}]}, {"title": "U", "qas": []},
    ]  # fmt: skip
    fields = {"question": "qas.q", "answer": "qas.a", "passage": "title"}
    suite = read_one(tmp_path, rows, each="qas", fields=fields)
    found = [
        (row["id"], row["passage"], row["question"], row["answer"]) for row in suite.instances.to_pylist()
    ]
    assert found == [("1", "T", "one?", "1"), ("1/2", "T", "two?", "2")]
    assert suite.bad == (("x.jsonl", 2, "no list in qas"),)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"fields": {"question": "qestion"}}, "x.jsonl: no column 'qestion'; did you mean 'question'? (columns: question, n, l)"),
        ({"fields": {"question": "question", "answer": "a.b"}}, "x.jsonl: no column 'a' (columns: question, n, l)"),
        ({"layout": "math"}, "x.jsonl: no column 'problem' (columns: question, n, l)"),
        ({"where": "m > 1"}, "x.jsonl: where 'm > 1': no column 'm' (columns: l, n, question)"),
        ({"where": "n > 7"}, "x.jsonl: no eval instance: `where` is true for none of 1 rows"),
        ({"fields": {"question": "n"}}, "x.jsonl: no eval instance, found 1 bad rows (question is not text); map `question` to a text"),
        ({"fields": {"question": "l[*]"}}, "x.jsonl: no eval instance, found 1 bad rows (question is a list); take one element (COLUMN[0]), or make every one an instance (--each COLUMN --question COLUMN)"),
        ({"columns": ["question", "n"]}, "x.jsonl: only csv and tsv files can lack names; remove columns or the layout"),
    ],
)  # fmt: skip
def test_a_map_that_does_not_fit_its_file_is_refused(
    tmp_path: Path, keys: dict[str, object], text: str
) -> None:
    with pytest.raises(SuiteError) as caught:
        read_one(tmp_path, [{"question": "Q?", "n": 1, "l": ["a"]}], **keys)
    assert str(caught.value) == text


def test_several_files_keep_their_rows_apart(tmp_path: Path) -> None:
    write(tmp_path / "d/a.jsonl", [{"problem": "A?", "solution": "1"}])
    write(tmp_path / "d/b.jsonl", [{"problem": "B?", "solution": "2"}])
    spec(tmp_path / "s.yaml", m={"uri": "d/*.jsonl", "role": "unseen", "split": "dev"})
    (suite,) = load_suites(["s.yaml"], tmp_path)
    assert suite.instances["id"].to_pylist() == ["a/1", "b/1"]
    assert (suite.role, suite.splits, suite.path, suite.uri) == ("unseen", ("dev",), "d", "d/*.jsonl")


def test_a_folder_holds_specs_and_files_and_nothing_is_read_twice(tmp_path: Path) -> None:
    write(tmp_path / "evals/raw/x.jsonl", [{"problem": "mapped?", "solution": "s"}])
    write(tmp_path / "evals/own.jsonl", [{"question": "own?"}])
    spec(tmp_path / "evals/s.yaml", mine={"uri": "raw/x.jsonl"})
    (tmp_path / "evals/s.lock.yaml").write_text("version: 1\n", "utf-8")
    found = load_suites(["evals/"], tmp_path)
    assert questions(found) == {"mine": ["mapped?"], "own": ["own?"]}
    assert [suite.files[0][0] for suite in found] == ["evals/raw/x.jsonl", "evals/own.jsonl"]
    assert questions(load_suites(["evals/*.jsonl", "evals/s.yaml"], tmp_path)) == questions(found)
    assert questions(load_suites(["evals/", "evals/s.yaml"], tmp_path)) == questions(found)


def test_a_folder_with_a_broken_spec_is_not_read_without_it(tmp_path: Path) -> None:
    write(tmp_path / "evals/own.jsonl", [{"question": "own?"}])
    (tmp_path / "evals/s.yaml").write_text("version: 1\nsuite: {}\n", "utf-8")
    with pytest.raises(
        SpecError, match=r"evals/s.yaml:2:1 suite: unknown key 'suite'; did you mean 'suites'\?"
    ):
        load_suites(["evals/"], tmp_path)


def test_a_missing_file_is_told_at_its_place(tmp_path: Path) -> None:
    spec(tmp_path / "evals/s.yaml", a={"uri": "gone.jsonl"})
    with pytest.raises(SpecError, match=r"^evals/s.yaml:3:10 suites.a.uri: gone.jsonl: no such file"):
        load_suites(["evals/"], tmp_path)


def test_one_name_is_one_suite(tmp_path: Path) -> None:
    write(tmp_path / "x.jsonl", [{"problem": "Q?", "solution": "s"}])
    write(tmp_path / "y.jsonl", [{"suite": "m", "question": "R?"}])
    spec(tmp_path / "a.yaml", m={"uri": "x.jsonl"})
    spec(tmp_path / "b.yaml", m={"uri": "x.jsonl"})
    with pytest.raises(SuiteError, match=r"^suite 'm' is in .*a.yaml and in .*b.yaml; rename one of them$"):
        load_suites(["a.yaml", "b.yaml"], tmp_path)
    with pytest.raises(SuiteError, match=r"^y.jsonl: its rows name the suite 'm', which .*a.yaml names too"):
        load_suites(["a.yaml", "y.jsonl"], tmp_path)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the files whose rows are read."""
    seen: list[str] = []

    def read_raw(file, *rest):  # type: ignore[no-untyped-def]
        seen.append(file.origin)
        return readers.read_raw(file, *rest)

    monkeypatch.setattr(reading, "read_raw", read_raw)
    return seen


def test_what_was_read_once_is_not_read_again_until_it_changes(tmp_path: Path, opened: list[str]) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / f"evals/{name}.jsonl", [{"question": f"{name}?"}] * 2)
    write(tmp_path / "evals/raw/x.jsonl", [{"problem": "mapped?", "solution": "s"}])
    spec(tmp_path / "evals/s.yaml", m={"uri": "raw/x.jsonl", "layout": "math"})
    first = load_suites(["evals"], tmp_path)
    assert {*opened} == {"evals/a.jsonl", "evals/b.jsonl", "evals/c.jsonl", "evals/raw/x.jsonl"}
    opened.clear()
    again = load_suites(["evals"], tmp_path)
    assert opened == []
    assert [(s.name, s.key, s.bad, s.instances.to_pylist()) for s in again] == [
        (s.name, s.key, s.bad, s.instances.to_pylist()) for s in first
    ]
    write(tmp_path / "evals/d.jsonl", [{"question": "d?"}])
    assert len(load_suites(["evals"], tmp_path)) == len(first) + 1
    assert {*opened} == {"evals/d.jsonl"}
    opened.clear()
    before = (tmp_path / "evals/a.jsonl").stat()
    write(tmp_path / "evals/a.jsonl", [{"question": "A?"}] * 2)
    os.utime(tmp_path / "evals/a.jsonl", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert questions(load_suites(["evals"], tmp_path))["a"] == ["A?", "A?"]
    assert {*opened} == {"evals/a.jsonl"}


def test_another_map_of_the_same_bytes_is_another_suite(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"question": "Q?", "prompt": "R?"}]
    one = read_one(tmp_path, rows, fields={"question": "question"})
    two = read_one(tmp_path, rows, fields={"question": "prompt"})
    assert one.sha256 == two.sha256
    assert one.key != two.key
    assert two.instances["question"].to_pylist() == ["R?"]


def test_what_a_plan_knows_of_suites_changes_with_the_bytes_and_with_the_map(tmp_path: Path) -> None:
    seen = []
    for question, column in (("one?", "q"), ("two?", "q"), ("two?", "r")):
        write(tmp_path / "evals/raw/x.jsonl", [{"q": question, "r": question}])
        spec(tmp_path / "evals/s.yaml", m={"uri": "raw/x.jsonl", "fields": {"question": column}})
        ((origin, key),) = find_suites(["evals"], tmp_path).inputs()
        seen.append(key)
    assert origin == "evals/raw/x.jsonl"
    assert len({*seen}) == 3


def test_a_damaged_entry_is_made_anew_and_old_ones_do_not_pile_up(tmp_path: Path) -> None:
    for question in ("one?", "two?", "three?"):
        read_one(tmp_path, [{"q": question}], fields={"question": "q"})
    (entry,) = (tmp_path / ".index").glob("*.arrow")
    entry.write_bytes(entry.read_bytes()[:100])
    found = read_one(tmp_path, [{"q": "three?"}], fields={"question": "q"})
    assert found.instances["question"].to_pylist() == ["three?"]


def test_a_folder_that_cannot_be_written_leaves_its_suites_to_the_cache(
    tmp_path: Path, opened: list[str]
) -> None:
    write(tmp_path / "evals/a.jsonl", [{"question": "a?"}])
    (tmp_path / "evals/.index").write_text("in the way of a folder", "utf-8")
    for _ in range(2):
        (suite,) = load_suites(["evals"], tmp_path, cache=tmp_path / "cache")
        assert suite.instances["question"].to_pylist() == ["a?"]
    assert opened == ["evals/a.jsonl"]
    assert load_suites(["evals"], tmp_path)[0].key == suite.key
