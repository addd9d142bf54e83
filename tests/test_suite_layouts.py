"""Every known layout on rows as it is published: told by its columns, and read into the right fields."""

import gzip
import json
import re
from pathlib import Path

import pytest
import yaml

from tulu_data.decontaminate import load_suites
from tulu_data.errors import SuiteError
from tulu_data.specs.layouts import LAYOUTS, fitting_layouts
from tulu_data.specs.suite import read_suites

Case = tuple[str, list[dict[str, object]], dict[str, object]]

CASES: dict[str, tuple[list[dict[str, object]], dict[str, object]]] = {
    "ours": ([{"id": "a", "question": "Q?", "passage": "P", "answer": "A"}], {"id": "a", "passage": "P", "answer": "A"}),
    "eval_key": (
        [{"eval_key": "x", "eval_instance_index": 7, "split": "dev", "question": "Q?", "answer": "A"}],
        {"id": "7", "split": "dev", "answer": "A"},
    ),
    "agieval": (
        [{"passage": "P", "question": "Q?", "options": ["(A)one", "(B)two"], "label": "B", "answer": None}],
        {"passage": "P", "choices": ["(A)one", "(B)two"], "answer": "(B)two"},
    ),
    "agieval_query": (
        [{"query": "Q?", "choices": ["one", "two", "three"], "gold": [2]}],
        {"choices": ["one", "two", "three"], "answer": "three"},
    ),
    "alpaca_eval": ([{"instruction": "Q?", "output": "A", "generator": "g", "dataset": "d"}], {"answer": "A"}),
    "arena_hard": ([{"uid": "u1", "prompt": "Q?", "category": "c", "cluster": "x"}], {"id": "u1"}),
    "bbh": ([{"input": "Q?", "target": "A"}], {"id": "file/1", "answer": "A"}),
    "bigcodebench": (
        [{"task_id": "B/0", "instruct_prompt": "Q?", "complete_prompt": "def", "canonical_solution": "A"}],
        {"id": "B/0", "answer": "A"},
    ),
    "drop": (
        [{"section_id": "s", "query_id": "q9", "passage": "P", "question": "Q?",
          "answers_spans": {"spans": ["A", "B"], "types": ["span", "span"]}}],
        {"id": "q9", "passage": "P", "answer": "A"},
    ),
    "drop_simple": (
        [{"context": "Passage: P\nwith lines\nQuestion: Q?\nAnswer:", "completion": " A", "ref_text": "A"}],
        {"passage": "P\nwith lines", "answer": "A"},
    ),
    "flashrag": (
        [{"id": "t1", "question": "Q?", "golden_answers": ["A", "a"], "metadata": {"k": 1}}],
        {"id": "t1", "answer": "A"},
    ),
    "gpqa": (
        [{"Record ID": "r", "Question": "Q?", "Correct Answer": "A", "Incorrect Answer 1": "B",
          "Incorrect Answer 2": "C", "Incorrect Answer 3": "D", "Subdomain": "x"}],
        {"id": "r", "answer": "A", "choices": ["A", "B", "C", "D"]},
    ),
    "gsm8k": ([{"question": "Q?", "answer": "so\n#### 4"}], {"answer": "so\n#### 4"}),
    "harmbench": (
        [{"Behavior": "Q?", "FunctionalCategory": "contextual", "SemanticCategory": "s", "Tags": "",
          "ContextString": "P", "BehaviorID": "b"}],
        {"id": "b", "passage": "P"},
    ),
    "humaneval": (
        [{"task_id": "H/0", "prompt": "Q?", "entry_point": "f", "canonical_solution": "A", "test": "t"}],
        {"id": "H/0", "answer": "A"},
    ),
    "ifeval": (
        [{"key": 1000, "prompt": "Q?", "instruction_id_list": ["a:b"], "kwargs": [{"n": 3}]},
         {"key": 1001, "prompt": "R?", "instruction_id_list": ["c:d"], "kwargs": [{"n": "x", "m": []}]}],
        {"id": "1000"},
    ),
    "math": ([{"problem": "Q?", "level": "1", "type": "t", "solution": "A"}], {"answer": "A"}),
    "mbpp": (
        [{"text": "Q?", "code": "A", "task_id": 11, "test_setup_code": "", "test_list": ["t"]}],
        {"id": "11", "answer": "A"},
    ),
    "mbpp_sanitized": (
        [{"prompt": "Q?", "code": "A", "task_id": 2, "test_list": ["t"]}], {"id": "2", "answer": "A"}
    ),
    "mmlu": (
        [{"question": "Q?", "subject": "s", "choices": ["a", "b", "c", "d"], "answer": 2}],
        {"choices": ["a", "b", "c", "d"], "answer": "c"},
    ),
    "mmlu_choices": (
        [{"question": "Q?", "choice0": "a", "choice1": "b", "choice2": "c", "choice3": "d", "answer": "3"}],
        {"id": "file/1", "choices": ["a", "b", "c", "d"], "answer": "d"},
    ),
    "mmlu_pro": (
        [{"question_id": 70, "question": "Q?", "options": ["a", "b"], "answer": "B", "answer_index": 1,
          "category": "c"}],
        {"id": "70", "choices": ["a", "b"], "answer": "b"},
    ),
    "mt_bench": ([{"question_id": 81, "category": "c", "turns": ["Q?", "R?"], "reference": None}], {"id": "81"}),
    "popqa": (
        [{"id": 5, "subj": "s", "prop": "p", "obj": "A", "question": "Q?", "possible_answers": '["A", "a"]'}],
        {"id": "5", "answer": "A"},
    ),
    "self_instruct": (
        [{"id": "t", "instruction": "Q?", "instances": [{"input": "P", "output": "A"}], "name": "n"}],
        {"id": "t", "passage": "P", "answer": "A"},
    ),
    "truthfulqa": (
        [{"Type": "t", "Question": "Q?", "Best Answer": "A", "Correct Answers": "A; B", "Incorrect Answers": "C"}],
        {"answer": "A"},
    ),
    "truthfulqa_generation": (
        [{"type": "t", "question": "Q?", "best_answer": "A", "correct_answers": ["A"], "incorrect_answers": []}],
        {"answer": "A"},
    ),
    "truthfulqa_mc": (
        [{"question": "Q?", "mc1_targets": {"a": 0, "b": 1}, "mc2_targets": {"a": 0, "b": 1}},
         {"question": "R?", "mc1_targets": {"c": 1}, "mc2_targets": {"c": 1}}],
        {"choices": ["a", "b"], "answer": "b"},
    ),
    "xstest": ([{"id": "v-1", "prompt": "Q?", "type": "homonyms", "focus": "f", "note": "n"}], {"id": "v-1"}),
}  # fmt: skip
"""Rows of each layout that has names in its files, and the first instance that they give."""


README = (Path(__file__).parents[1] / "evals" / "README.md").read_text("utf-8")


def test_the_page_on_suites_lists_every_layout_as_it_is() -> None:
    table = [
        f"| `{name}` | {one.about} | {'name it: no header line' if one.columns else ', '.join(sorted(one.needs))} |"
        for name, one in LAYOUTS.items()
    ]
    assert re.findall(r"^\| `\w+` \| .* \| .* \|$", README.partition("| told by |")[2], re.MULTILINE) == table


def test_the_spec_on_the_page_on_suites_is_one(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    (tmp_path / "s.yaml").write_text(block, "utf-8")
    assert {*read_suites(tmp_path / "s.yaml").spec.suites} == {"law", "quiz"}


def load(folder: Path, name: str, data: bytes, **keys: object) -> list[dict[str, object]]:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    spec = {"version": 1, "suites": {"s": {"uri": name, **keys}}}
    (folder / "s.yaml").write_text(yaml.safe_dump(spec), "utf-8")
    (suite,) = load_suites(["s.yaml"], folder)
    found: list[dict[str, object]] = suite.instances.to_pylist()
    return found


def lines(rows: list[dict[str, object]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def test_every_layout_whose_files_name_their_columns_has_a_case() -> None:
    assert {*CASES} == {name for name, layout in LAYOUTS.items() if layout.columns is None}


@pytest.mark.parametrize("name", CASES)
def test_a_layout_is_told_by_its_columns_and_read_into_the_right_fields(tmp_path: Path, name: str) -> None:
    rows, expected = CASES[name]
    first = load(tmp_path, "file.jsonl", lines(rows))[0]
    blank = {"id": "1", "split": "test", "question": "Q?", "passage": None, "answer": None, "choices": None}
    assert first == {**blank, **expected}
    assert fitting_layouts(list(rows[0])) == [name]
    assert load(tmp_path, "file.jsonl", lines(rows), layout=name)[0] == first


def test_every_turn_of_mt_bench_is_an_instance(tmp_path: Path) -> None:
    found = load(tmp_path, "file.jsonl", lines(CASES["mt_bench"][0]))
    assert [(row["id"], row["question"]) for row in found] == [("81", "Q?"), ("81/2", "R?")]


def test_turns_may_be_structs(tmp_path: Path) -> None:
    rows = [{"question_id": 1, "category": "c", "turns": [{"content": "Q?"}, {"content": "R?"}]}]
    assert [row["question"] for row in load(tmp_path, "file.jsonl", lines(rows))] == ["Q?", "R?"]


def test_bbh_is_read_out_of_the_object_around_its_examples(tmp_path: Path) -> None:
    body = json.dumps({"canary": "never train", "examples": [{"input": "Q?", "target": "A"}]}).encode()
    assert load(tmp_path, "task.json", body)[0]["id"] == "task/1"


@pytest.mark.parametrize(
    ("layout", "name", "text", "expected"),
    [
        ("mgsm", "mgsm_en.tsv", 'Q "one"?\t18\nR?\t3\n', {"id": "mgsm_en/1", "question": 'Q "one"?', "answer": "18"}),
        (
            "mmlu_original", "law_test.csv", '"Q, one?",a,b,c,d,C\nR?,a,b,c,d,A\n',
            {"id": "law_test/1", "question": "Q, one?", "choices": ["a", "b", "c", "d"], "answer": "c"},
        ),
    ],
)  # fmt: skip
def test_files_without_a_header_lose_no_row(
    tmp_path: Path, layout: str, name: str, text: str, expected: dict[str, object]
) -> None:
    found = load(tmp_path, name, text.encode(), layout=layout)
    assert len(found) == 2
    assert {key: found[0][key] for key in expected} == expected


def test_a_byte_order_mark_and_an_archive_change_nothing(tmp_path: Path) -> None:
    text = "Question,Best Answer,Correct Answers\nQ?,A,A; B\n"
    assert load(tmp_path, "a.csv", b"\xef\xbb\xbf" + text.encode())[0]["question"] == "Q?"
    assert load(tmp_path, "b.csv.gz", gzip.compress(text.encode()))[0]["answer"] == "A"


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (
            {"name": "pair-v2", "prompt_template": "x", "text": "y"},
            "f.jsonl: its columns (name, prompt_template, text) fit no known layout; "
            "say which one holds the question: --question text",
        ),
        (
            {"question_id": 1, "model_id": "m", "answer_id": "x"},
            "f.jsonl: its columns (question_id, model_id, answer_id) fit no known layout; "
            "say which one holds the question: --question COLUMN",
        ),
    ],
)
def test_columns_that_fit_no_layout_are_refused(tmp_path: Path, row: dict[str, object], text: str) -> None:
    with pytest.raises(SuiteError) as caught:
        load(tmp_path, "f.jsonl", lines([row]))
    assert str(caught.value) == text


def test_a_first_line_that_is_a_row_is_not_taken_for_names(tmp_path: Path) -> None:
    with pytest.raises(
        SuiteError, match=r"looks like a row, .*--columns question,answer, .* mgsm or mmlu_original$"
    ):
        load(tmp_path, "f.tsv", b"How many eggs are left after breakfast on Monday?\t18\nR?\t3\n")


@pytest.mark.parametrize(
    ("name", "text", "more", "cure"),
    [
        ("f.csv", "question,choice0,choice1,choice2,choice3,answer\nQ?,a,b,c,d,0\n", "layout: mmlu_original",
         "then its columns tell the layout mmlu_choices"),
        ("f.tsv", "Prompt\tAnswer\nQ?\t1\n", "layout: mgsm",
         "and say which holds the question: --question Prompt"),
        ("f.csv", "id,input\n1,Q?\n", "columns: [number, question], fields: {question: question}",
         "and say which holds the question: --question input"),
    ],
)  # fmt: skip
def test_names_of_columns_are_not_taken_for_a_row(
    tmp_path: Path, name: str, text: str, more: str, cure: str
) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / "s.yaml").write_text(f"version: 1\nsuites:\n  s: {{uri: {name}, {more}}}\n")
    with pytest.raises(SuiteError, match="its first row looks like names of columns") as caught:
        load_suites(["s.yaml"], tmp_path)
    assert str(caught.value).endswith(cure)


def test_columns_that_fit_two_layouts_alike_are_refused(tmp_path: Path) -> None:
    row = {**CASES["bbh"][0][0], "problem": "p", "solution": "s"}
    with pytest.raises(SuiteError, match=r"fit several layouts: bbh, math; choose one with --layout$"):
        load(tmp_path, "f.jsonl", lines([row]))
