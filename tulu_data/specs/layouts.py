"""The layouts in which benchmarks are published, as field maps that have names.

The one idea: a layout is a table row, not a program. It is told by the columns that it needs; of
several that fit, the one that reads the most columns is meant, and where two read as many, nobody
guesses. Two of the layouts are ours, in which a file may name its suites by itself.
"""

from collections.abc import Collection
from dataclasses import dataclass

from tulu_data.specs.suite import Fields, Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A field map, and the columns that it is told by."""

    about: str
    """Where the layout is met."""
    needs: frozenset[str]
    """Columns that must be there; the map's other columns may be missing."""
    fields: Fields
    suite: str | None = None
    """Column that names the suite of a row."""
    each: str | None = None
    """Column with a list of which every element is an instance."""
    columns: tuple[str, ...] | None = None
    """Names of the columns where the file has no header line."""

    def read(self, columns: Collection[str]) -> frozenset[str]:
        """Return those of some columns that the layout reads."""
        return frozenset({*columns} & (self.fields.columns() | self.needs | {self.suite or ""}))


def _layout(
    about: str, needs: str, *, each: str | None = None, header: str | None = None, **fields: object
) -> Layout:
    """Make a layout; `needs` and `header` are columns with commas between them."""
    return Layout(
        about=about, needs=frozenset(needs.split(", ")), each=each, fields=Fields.model_validate(fields),
        columns=tuple(header.split(", ")) if header else None,
    )  # fmt: skip


def _marked(path: str) -> Part:
    """Return the answer that a column marks among the choices."""
    return Part(choices=path)


OURS = Layout(
    about="our own layout: question, and what else there is", needs=frozenset({"question"}), suite="suite",
    fields=Fields(
        id="id", question="question", passage="passage", answer="answer", choices="choices", split="split"
    ),
)  # fmt: skip
EVAL_KEY = Layout(
    about="the layout of decontamination tools: eval_key, eval_instance_index, question",
    needs=frozenset({"eval_key", "eval_instance_index", "question"}), suite="eval_key",
    fields=Fields(
        id="eval_instance_index", question="question", passage="passage", answer="answer", choices="choices",
        split="split",
    ),
)  # fmt: skip

_FOUR = ("choice0", "choice1", "choice2", "choice3")
_OPTIONS = ("A", "B", "C", "D")
_GPQA = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
_SIMPLE_DROP = r"(?s)^Passage: (.*)\nQuestion: "
_SIMPLE_DROP_QUESTION = r"(?s).*\nQuestion: (.*?)(?:\nAnswer:\s*)?$"

LAYOUTS: dict[str, Layout] = {
    "ours": OURS,
    "eval_key": EVAL_KEY,
    "agieval": _layout(
        "AGIEval: options with letters, or none where the answer is free", "question, options, label",
        question="question", passage="passage", choices="options", answer=(_marked("label"), "answer"),
    ),
    "agieval_query": _layout(
        "AGIEval in one query, the right choices in gold", "query, choices, gold",
        question="query", choices="choices", answer=_marked("gold"),
    ),
    "alpaca_eval": _layout(
        "AlpacaEval with its reference outputs", "instruction, output, generator",
        question="instruction", answer="output",
    ),
    "arena_hard": _layout(
        "Arena-Hard-Auto", "uid, prompt, category", id="uid", question="prompt",
    ),
    "bbh": _layout(
        "BIG-Bench Hard, one file a task", "input, target",
        id="{file}/{row}", question="input", answer="target",
    ),
    "bigcodebench": _layout(
        "BigCodeBench", "task_id, instruct_prompt, complete_prompt",
        id="task_id", question="instruct_prompt", answer="canonical_solution",
    ),
    "drop": _layout(
        "DROP on the hub", "passage, question, answers_spans",
        id="query_id", question="question", passage="passage", answer="answers_spans.spans[0]",
    ),
    "drop_simple": _layout(
        "DROP of simple-evals: passage and question in one text", "context, completion, ref_text",
        question=Part(text="context", match=_SIMPLE_DROP_QUESTION),
        passage=Part(text="context", match=_SIMPLE_DROP), answer="ref_text",
    ),
    "flashrag": _layout(
        "open questions with several right answers (FlashRAG's PopQA, NQ, TriviaQA)",
        "question, golden_answers", id="id", question="question", answer="golden_answers[0]",
    ),
    "gpqa": _layout(
        "GPQA", "Question, Correct Answer, Incorrect Answer 1, Incorrect Answer 2, Incorrect Answer 3",
        id="Record ID", question="Question", answer="Correct Answer", choices=_GPQA,
    ),
    "gsm8k": _layout("GSM8K", "question, answer", question="question", answer="answer"),
    "harmbench": _layout(
        "HarmBench", "Behavior, FunctionalCategory, BehaviorID",
        id="BehaviorID", question="Behavior", passage="ContextString",
    ),
    "humaneval": _layout(
        "HumanEval, and HumanEval+ and MBPP+ of EvalPlus", "task_id, prompt, canonical_solution",
        id="task_id", question="prompt", answer="canonical_solution",
    ),
    "ifeval": _layout(
        "IFEval", "key, prompt, instruction_id_list", id="key", question="prompt",
    ),
    "math": _layout(
        "MATH, and MATH-500", "problem, solution",
        id="unique_id", question="problem", answer="solution",
    ),
    "mbpp": _layout(
        "MBPP", "text, code, task_id, test_list", id="task_id", question="text", answer="code",
    ),
    "mbpp_sanitized": _layout(
        "MBPP sanitised, and MBPP+ on the hub", "prompt, code, task_id, test_list",
        id="task_id", question="prompt", answer="code",
    ),
    "mgsm": _layout(
        "MGSM: tsv without a header", "question, answer", header="question, answer",
        id="{file}/{row}", question="question", answer="answer",
    ),
    "mmlu": _layout(
        "MMLU on the hub: choices, and the number of the right one", "question, choices, answer",
        question="question", choices="choices", answer=_marked("answer"),
    ),
    "mmlu_choices": _layout(
        "MMLU by subject, choice0 to choice3 and the number of the right one",
        f"question, {', '.join(_FOUR)}, answer", id="{file}/{row}", question="question", choices=_FOUR,
        answer=_marked("answer"),
    ),
    "mmlu_original": _layout(
        "MMLU by subject as first published: csv without a header",
        f"question, {', '.join(_OPTIONS)}, answer",
        header=f"question, {', '.join(_OPTIONS)}, answer", id="{file}/{row}", question="question",
        choices=_OPTIONS, answer=_marked("answer"),
    ),
    "mmlu_pro": _layout(
        "MMLU-Pro", "question_id, question, options, answer_index",
        id="question_id", question="question", choices="options", answer=_marked("answer_index"),
    ),
    "mt_bench": _layout(
        "MT-Bench and Vicuna-Bench: every turn is an instance", "question_id, category, turns", each="turns",
        id="question_id", question=("turns.content", "turns"),
    ),
    "popqa": _layout(
        "PopQA on the hub", "question, possible_answers, subj, prop",
        id="id", question="question", answer="obj",
    ),
    "self_instruct": _layout(
        "Self-Instruct: every instance of an instruction", "id, instruction, instances", each="instances",
        id="id", question="instruction", passage="instances.input", answer="instances.output",
    ),
    "truthfulqa": _layout(
        "TruthfulQA as first published", "Question, Best Answer, Correct Answers",
        question="Question", answer="Best Answer",
    ),
    "truthfulqa_generation": _layout(
        "TruthfulQA on the hub, generation", "question, best_answer, correct_answers",
        question="question", answer="best_answer",
    ),
    "truthfulqa_mc": _layout(
        "TruthfulQA, multiple choice", "question, mc1_targets, mc2_targets",
        question="question", choices="mc1_targets", answer=_marked("mc1_targets"),
    ),
    "xstest": _layout(
        "XSTest", "prompt, type, focus", id="id", question="prompt",
    ),
}  # fmt: skip
"""Layouts by name."""


def fitting_layouts(columns: Collection[str]) -> list[str]:
    """Return the layouts that some columns fit best: one where the columns tell, none where none fits."""
    scores = {
        name: (len(layout.read(columns)), len(layout.needs))
        for name, layout in LAYOUTS.items()
        if layout.columns is None and layout.needs <= {*columns}
    }
    best = max(scores.values(), default=(0, 0))
    return sorted(name for name, score in scores.items() if score == best)
