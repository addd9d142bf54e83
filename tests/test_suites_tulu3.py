"""`evals/tulu3.yaml` through the real hub client, against a small local hub that has files as published."""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hub_server import HubServer

from tulu_data.cli.main import group
from tulu_data.decontaminate import load_suites
from tulu_data.specs.suite import read_suites

ROOT = Path(__file__).parents[1]
SPEC = ROOT / "evals" / "tulu3.yaml"
Row = dict[str, Any]


def parquet(*rows: Row) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), sink)
    return sink.getvalue()


def lines(*rows: Row) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def separated(mark: str, *rows: Row) -> bytes:
    names = list(rows[0])
    quoted = [[f'"{str(value).replace(chr(34), chr(34) * 2)}"' for value in row.values()] for row in rows]
    return "\n".join(mark.join(line) for line in [names, *quoted]).encode()


DATASETS: dict[str, dict[str, bytes]] = {
    "cais/mmlu": {
        "all/test-00000-of-00001.parquet": parquet(
            {"question": "Which?", "subject": "anatomy", "choices": ["a", "b", "c", "d"], "answer": 1}
        ),
        "all/dev-00000-of-00001.parquet": parquet({"question": "dev"}),
        "anatomy/test-00000-of-00001.parquet": parquet({"question": "twice"}),
    },
    "akariasai/PopQA": {
        "test.tsv": separated(
            "\t",
            {"id": 4, "subj": "S", "prop": "capital", "obj": "O", "question": "What is the capital of S?",
             "possible_answers": '["O", "Oh"]'},
        )
    },
    "truthfulqa/truthful_qa": {
        "generation/validation-00000-of-00001.parquet": parquet(
            {"type": "t", "question": "True?", "best_answer": "Yes", "correct_answers": ["Yes"]}
        ),
        "multiple_choice/validation-00000-of-00001.parquet": parquet({"question": "other"}),
    },
    "ucinlp/drop": {
        "data/validation-00000-of-00001.parquet": parquet(
            {"query_id": "d1", "passage": "P", "question": "How many?", "answers_spans": {"spans": ["3"], "types": ["number"]}}
        )
    },
    "EleutherAI/hendrycks_math": {
        f"{kind}/{split}-00000-of-00001.parquet": parquet({"problem": f"{kind} {split}?", "level": "1", "solution": "s"})
        for kind in ("algebra", "geometry") for split in ("train", "test")
    },
    "openai/gsm8k": {"main/test-00000-of-00001.parquet": parquet({"question": "How many?", "answer": "#### 3"})},
    "openai/openai_humaneval": {
        "openai_humaneval/test-00000-of-00001.parquet": parquet(
            {"task_id": "HumanEval/0", "prompt": "def f():", "canonical_solution": "  return", "test": "t", "entry_point": "f"}
        )
    },
    "evalplus/humanevalplus": {
        "data/test-00000-of-00001-abc.parquet": parquet(
            {"task_id": "HumanEval/0", "prompt": "def f():", "canonical_solution": "  return", "entry_point": "f", "test": "t"}
        )
    },
    "google/IFEval": {
        "ifeval_input_data.jsonl": lines(
            {"key": 1000, "prompt": "Write.", "instruction_id_list": ["a"], "kwargs": [{}]},
            {"key": 1001, "prompt": "Write more.", "instruction_id_list": ["b"], "kwargs": [{"n": 1}]},
        )
    },
    "tatsu-lab/alpaca_eval": {
        "alpaca_eval.json": b"[]",
        "alpaca_eval_gpt4_baseline.json": json.dumps(
            [{"dataset": "koala", "instruction": "Do.", "output": "Done.", "generator": "gpt4"}]
        ).encode(),
    },
    "walledai/XSTest": {"data/test-00000-of-00001.parquet": parquet({"prompt": "Kill a process?", "label": "safe"})},
    "allenai/tulu-3-harmbench-eval": {
        "data/test-00000-of-00001.parquet": parquet(
            {"Behavior": "Do harm", "FunctionalCategory": "contextual", "SemanticCategory": "s", "Tags": "",
             "ContextString": "C", "BehaviorID": "b1"},
            {"Behavior": "Do worse", "FunctionalCategory": "standard", "SemanticCategory": "s", "Tags": "",
             "ContextString": None, "BehaviorID": "b2"},
        )
    },
    "allenai/tulu-3-do-anything-now-eval": {
        "data/test-00000-of-00001.parquet": parquet({"adversarial": "You are DAN. Do.", "vanilla": "Do.", "platform": "x"})
    },
    "allenai/tulu-3-trustllm-jailbreaktrigger-eval": {
        "data/test-00000-of-00001.parquet": parquet({"id": 3, "prompt": "Trigger", "label": ["l"], "source": "x"})
    },
    "allenai/wildjailbreak": {
        "train/train.tsv": b"vanilla\tadversarial\n",
        "eval/eval.tsv": separated("\t", {"adversarial": "Pretend", "label": 1, "data_type": "adversarial_harmful"}),
    },
    "allenai/wildguardmix": {
        "train/wildguard_train.parquet": parquet({"prompt": "train"}),
        "test/wildguard_test.parquet": parquet({"prompt": "Guard", "adversarial": True, "prompt_harm_label": "harmful"}),
    },
    "TIGER-Lab/MMLU-Pro": {
        "data/test-00000-of-00001.parquet": parquet(
            {"question_id": 70, "question": "Ten?", "options": ["a", "b"], "answer": "B", "answer_index": 1}
        )
    },
    "Idavidrein/gpqa": {
        "gpqa_extended.csv": separated(
            ",",
            {"Record ID": "r", "Question": "Hard,\nis it?", "Correct Answer": "A", "Incorrect Answer 1": "B",
             "Incorrect Answer 2": "C", "Incorrect Answer 3": "D"},
        ),
        "gpqa_main.csv": b"Question\n",
    },
    "lighteval/agi_eval_en": {
        "agi_eval_en.py": b"",
        "data/v1/sat-en.jsonl": lines(
            {"passage": "P", "question": "Why?", "options": ["(A)x", "(B)y"], "label": "B", "other": None}
        ),
        "data/v1/math.jsonl": lines({"passage": None, "question": "Sum?", "options": None, "label": None, "answer": "5"}),
        "data/few_shot_prompts.csv": b"not a suite\n",
    },
    "bigcode/bigcodebench-hard": {
        f"data/{version}-00000-of-00001.parquet": parquet(
            {"task_id": "B/1", "complete_prompt": "def", "instruct_prompt": f"Write {version}", "canonical_solution": "x"}
        )
        for version in ("v0.1.3", "v0.1.4")
    },
    "valpy/ifeval_ood3": {"data/train-00000-of-00001.parquet": parquet({"key": "1", "prompt": "Only vowels."})},
    "allenai/href": {
        "data/dev-00000-of-00001.parquet": parquet(
            {"category": "Rewrite", "instruction": "Rewrite.", "output": "o", "generator": "g", "reference": "r"}
        )
    },
}  # fmt: skip
"""Files by dataset, as each lays them out: the parts that are read, and some that must not be."""
CONVERTED: dict[str, dict[str, bytes]] = {
    "lukaemon/bbh": {
        f"{task}/test/0000.parquet": parquet({"input": f"{task}?", "target": "yes"}) for task in ("navigate", "snarks")
    },
    "deepmind/math_dataset": {
        f"{kind}/{split}/0000.parquet": parquet(
            *({"question": f"b'{kind} {k}\\n'", "answer": f"b'{k}\\n'"} for k in range(60))
        )
        for kind in ("algebra__linear_1d", "numbers__gcd") for split in ("train", "test")
    },
}  # fmt: skip
"""The same in the branch of converted copies."""
CARDS: dict[str, dict[str, Any]] = {
    "cais/mmlu": {
        "configs": [
            {"config_name": name, "data_files": [{"split": s, "path": f"{name}/{s}-*"} for s in ("test", "dev")]}
            for name in ("all", "anatomy")
        ]
    },
    "truthfulqa/truthful_qa": {
        "configs": [
            {"config_name": name, "data_files": [{"split": "validation", "path": f"{name}/validation-*"}]}
            for name in ("generation", "multiple_choice")
        ]
    },
    "openai/gsm8k": {
        "configs": [{"config_name": "main", "data_files": [{"split": "test", "path": "main/test-*"}]}]
    },
    "Idavidrein/gpqa": {
        "configs": [{"config_name": n, "data_files": f"{n}.csv"} for n in ("gpqa_extended", "gpqa_main")]
    },
    "allenai/wildjailbreak": {
        "configs": [
            {"config_name": n, "data_files": [{"split": "train", "path": [f"{n}/{n}.tsv"]}]} for n in ("train", "eval")
        ]
    },
    "allenai/wildguardmix": {
        "configs": [
            {"config_name": "wildguardtrain", "data_files": [{"split": "train", "path": "train/wildguard_train.parquet"}]},
            {"config_name": "wildguardtest", "data_files": [{"split": "test", "path": "test/wildguard_test.parquet"}]},
        ]
    },
    "allenai/href": {"configs": [{"config_name": "default", "data_files": [{"split": "dev", "path": "data/dev-*"}]}]},
}  # fmt: skip


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Fetch the whole spec into an empty folder."""
    from huggingface_hub import close_session, constants

    place = tmp_path_factory.mktemp("tulu3")
    (place / "tulu-data.yaml").write_text("version: 1\n", "utf-8")
    (place / "evals").mkdir()
    shutil.copy(SPEC, place / "evals")
    with pytest.MonkeyPatch.context() as patch, HubServer(DATASETS | CONVERTED, cards=CARDS) as server:
        for name, files in CONVERTED.items():
            server.repo(name).push({"script.py": b""})
            server.repo(name).push(files, "refs/convert/parquet")
        patch.setattr(constants, "HF_HUB_CACHE", str(place / "hub"))
        patch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
        patch.setattr("time.sleep", lambda _: None)
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TULU_DATA_STORE"):
            patch.delenv(name, raising=False)
        patch.setenv("HF_ENDPOINT", server.endpoint)
        patch.chdir(place)
        done = CliRunner().invoke(group, ["evals", "fetch", "evals/tulu3.yaml"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield place
    close_session()


def test_every_suite_of_tulu_3_is_fetched_pinned_and_read_offline(fetched: Path) -> None:
    suites = {suite.name: suite for suite in load_suites(["evals/"], fetched, frozen=True)}
    assert {*suites} == {*read_suites(SPEC).spec.suites}
    assert [suite.name for suite in suites.values() if suite.bad] == []
    questions = {
        name: suite.instances["question"].to_pylist()
        for name, suite in suites.items()
        if suite.instances.num_rows < 3
    }
    assert questions == {
        "mmlu": ["Which?"], "popqa": ["What is the capital of S?"], "truthfulqa": ["True?"],
        "bbh": ["navigate?", "snarks?"], "drop": ["How many?"], "math": ["algebra test?", "geometry test?"],
        "gsm8k": ["How many?"], "humaneval": ["def f():"], "humaneval_plus": ["def f():"],
        "ifeval": ["Write.", "Write more."], "alpaca_eval_2": ["Do."], "xstest": ["Kill a process?"],
        "harmbench": ["Do harm", "Do worse"], "do_anything_now": ["You are DAN. Do."],
        "jailbreak_trigger": ["Trigger"], "wildjailbreak_test": ["Pretend"], "wildguard_test": ["Guard"],
        "mmlu_pro": ["Ten?"], "gpqa": ["Hard,\nis it?"], "agieval_english": ["Sum?", "Why?"],
        "bigcodebench_hard": ["Write v0.1.4"], "ifeval_ood": ["Only vowels."], "href": ["Rewrite."],
    }  # fmt: skip


def test_answers_passages_and_names_are_found(fetched: Path) -> None:
    suites = {suite.name: suite for suite in load_suites(["evals/"], fetched, frozen=True)}

    def column(name: str, field: str) -> list[Any]:
        found: list[Any] = suites[name].instances[field].to_pylist()
        return found

    answers = ("mmlu", "popqa", "drop", "mmlu_pro", "agieval_english", "href")
    assert [column(name, "answer") for name in answers] == [["b"], ["O"], ["3"], ["b"], ["5", "(B)y"], ["r"]]
    assert column("harmbench", "passage") == ["C", None]
    assert column("bbh", "id") == ["navigate/1", "snarks/1"]
    assert column("math", "id") == ["algebra/1", "geometry/1"]


def test_of_deepmind_mathematics_the_first_of_each_kind_are_read_without_their_wrapping(
    fetched: Path,
) -> None:
    (suite,) = [suite for suite in load_suites(["evals/"], fetched) if suite.name == "deepmind_mathematics"]
    assert suite.instances.num_rows == 100
    first = suite.instances.slice(0, 1).to_pylist()[0]
    assert (first["id"], first["question"], first["answer"]) == (
        "algebra__linear_1d/1",
        "algebra__linear_1d 0",
        "0",
    )
