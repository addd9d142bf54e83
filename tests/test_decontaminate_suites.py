"""Eval suites: both layouts, names that never merge by accident, and clear refusals."""

import gzip
import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tulu_data.decontaminate import load_suites
from tulu_data.decontaminate.suites import fields
from tulu_data.errors import SuiteError


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")


def names(suites):
    return {suite.name: suite.instances["question"].to_pylist() for suite in suites}


def test_only_the_question_is_required(tmp_path):
    write(tmp_path / "evals/tiny.jsonl", [{"question": "One?"}, {"question": "Two?"}])
    (suite,) = load_suites(["evals"], tmp_path)
    assert (suite.name, suite.path, suite.splits) == ("tiny", "evals/tiny.jsonl", ("test",))
    assert suite.instances.to_pylist()[1] == {
        "id": "2", "split": "test", "question": "Two?", "passage": None, "answer": None, "choices": None,
    }  # fmt: skip
    assert len(suite.sha256) == 64


def test_every_column_of_our_layout_is_kept(tmp_path):
    row = {
        "suite": "s",
        "id": 7,
        "split": "dev",
        "question": "Q",
        "passage": "P",
        "answer": 5,
        "choices": ["a", "b"],
    }
    write(tmp_path / "evals/x.jsonl", [row])
    (suite,) = load_suites(["evals"], tmp_path)
    assert suite.name == "s"
    assert suite.instances.to_pylist() == [
        {"id": "7", "split": "dev", "question": "Q", "passage": "P", "answer": "5", "choices": ["a", "b"]}
    ]


def test_rows_that_repeat_a_question_per_choice_are_one_instance(tmp_path):
    row = {"eval_key": "mmlu", "eval_instance_index": 3, "split": "test", "question": "Q", "passage": None}
    write(tmp_path / "evals/part-1.jsonl", [{**row, "answer": a} for a in "ABCD"])
    write(
        tmp_path / "evals/part-2.jsonl",
        [{**row, "answer": "E"}, {**row, "eval_instance_index": 4, "answer": "A"}],
    )
    (suite,) = load_suites(["evals"], tmp_path)
    assert suite.name == "mmlu"
    assert suite.instances["id"].to_pylist() == ["3", "4"]
    assert [path for path, _ in suite.files] == ["evals/part-1.jsonl", "evals/part-2.jsonl"]
    assert suite.path == "evals"


def test_files_of_one_base_name_in_two_folders_are_two_suites(tmp_path):
    write(tmp_path / "evals/a/part-0.jsonl", [{"question": "in a"}])
    write(tmp_path / "evals/b/part-0.jsonl", [{"question": "in b"}])
    write(tmp_path / "evals/b/part-0.csv", [])
    (tmp_path / "evals/b/part-0.csv").write_text("question\nin csv\n", "utf-8")
    assert names(load_suites(["evals"], tmp_path)) == {
        "evals/a/part-0": ["in a"],
        "evals/b/part-0.jsonl": ["in b"],
        "evals/b/part-0.csv": ["in csv"],
    }


def test_a_file_never_joins_a_suite_that_another_file_names(tmp_path):
    write(tmp_path / "evals/one.jsonl", [{"suite": "gsm8k", "question": "named"}])
    write(tmp_path / "evals/gsm8k.jsonl", [{"question": "by file"}])
    assert names(load_suites(["evals"], tmp_path)) == {"gsm8k": ["named"], "evals/gsm8k": ["by file"]}


def test_another_question_under_the_same_id_is_another_instance(tmp_path):
    write(
        tmp_path / "e.jsonl",
        [{"id": 1, "question": "One"}, {"id": 1, "question": "Two"}, {"id": 1, "question": "One"}],
    )
    (suite,) = load_suites(["e.jsonl"], tmp_path)
    assert suite.instances["id"].to_pylist() == ["1", "1 (e.jsonl:2)"]


def test_bad_rows_are_counted(tmp_path):
    (tmp_path / "e.jsonl").write_text('{"question": "Q"}\n{"question": null}\nnot json\n', "utf-8")
    (suite,) = load_suites(["e.jsonl"], tmp_path)
    assert suite.instances.num_rows == 1
    assert sorted((row, reason) for _, row, reason in suite.bad) == [
        (2, "no question"), (3, "broken json"),
    ]  # fmt: skip


def test_parquet_csv_json_and_gz_are_read(tmp_path):
    (tmp_path / "evals").mkdir()
    pq.write_table(pa.table({"question": ["p"]}), tmp_path / "evals/p.parquet")
    (tmp_path / "evals/c.csv").write_text("question,answer\nc,1\n", "utf-8")
    (tmp_path / "evals/j.json").write_text('[{"question": "j"}]', "utf-8")
    (tmp_path / "evals/z.jsonl.gz").write_bytes(gzip.compress(b'{"question": "z"}\n'))
    (tmp_path / "evals/README.md").write_text("not a suite", "utf-8")
    assert names(load_suites(["evals"], tmp_path)) == {"c": ["c"], "j": ["j"], "p": ["p"], "z": ["z"]}


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (
            {"prompt": "Q", "answer": "A"},
            "evals/x.jsonl: not an eval suite: no column 'question', found columns prompt, answer; "
            "say how it is read: tulu-data evals add x evals/x.jsonl --question prompt",
        ),
        (
            {"question": None},
            "evals/x.jsonl: no eval instance, found 1 bad rows (no question); "
            "give each row a text in 'question'",
        ),
    ],
)
def test_a_file_that_is_no_suite_is_refused(tmp_path, row, text):
    write(tmp_path / "evals/x.jsonl", [row])
    with pytest.raises(SuiteError) as caught:
        load_suites(["evals"], tmp_path)
    assert str(caught.value) == text


def test_a_missing_folder_and_an_empty_one_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SuiteError, match=r"nope: no such file"):
        load_suites(["nope"], tmp_path)
    with pytest.raises(SuiteError, match=r"empty: no data file in .* a column 'question'"):
        load_suites(["empty"], tmp_path)


texts = st.one_of(st.none(), st.sampled_from(["", "a", "b", "[1, 2]"]))
rows = st.fixed_dictionaries(
    {"question": st.sampled_from(["Q", "R", "", None, 3])},
    optional={
        "suite": st.sampled_from([None, "s", "t", "", 4]), "id": st.sampled_from([None, 1, 2, "1", 2.5]),
        "split": texts, "passage": texts, "answer": st.one_of(texts, st.integers(0, 3), st.booleans()),
        "choices": st.one_of(texts, st.lists(st.sampled_from(["a", "b", None]), max_size=2)),
        "eval_key": st.sampled_from(["k", "l", None]), "eval_instance_index": st.sampled_from([1, 2, None]),
    },
)  # fmt: skip


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, min_size=1, max_size=5))
def test_columns_are_read_as_rows_are(tmp_path, drawn):
    write(tmp_path / "e.jsonl", [{"question": "first"}, *drawn])
    shutil.rmtree(tmp_path / ".index", ignore_errors=True)
    quick = load_suites(["e.jsonl"], tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fields, "plain", lambda column: column.to_pylist())
        shutil.rmtree(tmp_path / ".index")
        slow = load_suites(["e.jsonl"], tmp_path)
    assert [(s.name, s.instances.to_pylist(), s.bad) for s in quick] == [
        (s.name, s.instances.to_pylist(), s.bad) for s in slow
    ]
