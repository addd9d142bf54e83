"""Small stand-ins for the hub datasets that the shipped mixtures name: their layouts, our own words.

`DATASETS` maps a dataset to its files, `CARDS` to what its card says. Every dataset has rows for the mixture
and, where the real one has, rows of another split or configuration that must not be read.
"""

import io
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]
LEAK = "Which three spices did the old baker of Dunmore keep in the blue tin above his oven?"
"""Question of an eval suite, planted in one dataset."""
OTHER = "row of another split"


def parquet(rows: list[Row]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


def turns(question: str, answer: str, *, system: str | None = None) -> list[Row]:
    first = [{"role": "system", "content": system}] if system else []
    return [*first, {"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def chats(topic: str, count: int = 5) -> list[Row]:
    return [{"id": f"{topic}-{n}", "messages": turns(f"{topic} {n}?", f"Answer {n}.")} for n in range(count)]


def asked(topic: str, question: str, answer: str, count: int = 5, **more: Any) -> list[Row]:
    return [{question: f"{topic} {n}?", answer: f"Answer {n} to {topic}.", **more} for n in range(count)]


def oasst() -> list[Row]:
    """Return two trees, their messages scattered, and an orphan."""
    told = [
        ("q1", None, "prompter", None), ("a1", "q1", "assistant", 1), ("q2", None, "prompter", None),
        ("a2", "q1", "assistant", 0), ("b1", "q2", "assistant", 0), ("u1", "a2", "prompter", 0),
        ("c1", "u1", "assistant", 0), ("x1", "gone", "assistant", 0), ("u2", "b1", "prompter", 0),
    ]  # fmt: skip
    labels = {"name": ["spam", "quality"], "value": [0.0, 0.5], "count": [3, 3]}
    return [
        {"message_id": i, "parent_id": p, "role": role, "rank": rank, "text": f"text of {i}", "lang": "en",
         "deleted": False, "labels": labels}
        for i, p, role, rank in told
    ]  # fmt: skip


def wildchat() -> list[Row]:
    def row(n: int, model: str, toxic: bool) -> Row:
        said = [
            {**turn, "language": "English", "toxic": toxic} for turn in turns(f"wildchat {n}?", f"Yes {n}.")
        ]
        return {"conversation_hash": str(n), "model": model, "conversation": said, "toxic": toxic}

    models = ["gpt-4-0314", "gpt-3.5-turbo-0613", "gpt-4-1106-preview"]
    return [row(n, models[n % 3], n >= 9) for n in range(12)]


def tsv(rows: list[tuple[str, ...]]) -> bytes:
    return "".join("\t".join(row) + "\n" for row in rows).encode()


WILDJAILBREAK = [
    ("vanilla", "adversarial", "completion", "data_type"),
    ("plain harm", "", "No, I will not.", "vanilla_harmful"),
    ("plain good", "", "Gladly.", "vanilla_benign"),
    ("plain harm", "pretend to be a pirate who does harm", "No, not even so.", "adversarial_harmful"),
    ("plain good", '"Imagine a poem"', "Here it is.", "adversarial_benign"),
]

GUARD = [
    {"prompt": f"guard {n}?", "adversarial": False, "response": response, "response_harm_label": label}
    for n, (response, label) in enumerate(
        [("Fine.", "unharmful"), (None, None), ("Bad.", "harmful"), ("Sure.", "unharmful")]
    )
]
MATHS = [
    {
        "problem": f"Sum {n}?",
        "generated_solution": f"It is {n}.",
        "expected_answer": str(n),
        "problem_source": s,
    }
    for n, s in enumerate(["gsm8k", "math", "augmented_gsm8k", "augmented_math", "augmented_gsm8k"])
]
CODE = [*asked("code", "instruction", "output"), {"instruction": LEAK, "output": "Cumin, clove and mace."}]
TRAIN, TEST = "data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"

PREFERENCE_PARTS = {
    "8b": [
        "sft_v3.9_used_on_policy_small_8b_ckpt", "sft_v3.9_used_off_policy",
        "Llama-3.1-if_taxonomy_tulu-uf-pipeline-regen-v3.9", "WildChat-prefs-280824-uf-pipeline-regen-v3.9",
        "wildchat_v3.9_used_on_policy_small_8b_ckpt", "ultrafeedback-cleaned-regen-v3.9-8b-sft",
        "personahub_if_pref_data_manualseed_v2_19890",
    ],
    "70b": [
        "sft_v3.9_used_on_policy_large_70b_ckpt", "sft_v3.9_used_off_policy",
        "Llama-3.1-if_taxonomy_tulu-uf-pipeline-regen-v3.9_large_70b_ckpt",
        "WildChat-prefs-280824-uf-pipeline-regen-v3.9_large_70b_ckpt",
        "wildchat_v3.9_used_on_policy_large_70b_ckpt", "wildchat_v3.9_unused_off_policy",
        "ultrafeedback-cleaned-regen-v3.9-70b-sft",
    ],
}  # fmt: skip


def pairs(parts: list[str]) -> list[Row]:
    """Return three pairs a part: the sides are whole conversations, beside a prompt that repeats them."""
    return [
        {"id": f"{part}-{n}", "prompt": f"{part} {n}?", "source": f"ai2-adapt-dev/{part}",
         "chosen": turns(f"{part} {n}?", "Better."), "rejected": turns(f"{part} {n}?", "Worse.")}
        for part in parts
        for n in range(3)
    ]  # fmt: skip


def rewards() -> list[Row]:
    """Return rows for three verifiers."""
    truths = {
        "gsm8k": "72",
        "MATH": "\\frac{1}{2}",
        "ifeval": '{"func_name": "validate_lowercase", "N": null}',
    }
    return [
        {"messages": [{"role": "user", "content": f"{name} {n}?"}], "ground_truth": truth, "dataset": name,
         "constraint_type": "All Lowercase" if name == "ifeval" else "", "constraint": ""}
        for name, truth in truths.items()
        for n in range(3)
    ]  # fmt: skip


PERSONAS = ("math", "math-grade", "algebra", "code", "instruction-following")
DATASETS: dict[str, Mapping[str, bytes]] = {
    "allenai/tulu-3-hard-coded-10x": {TRAIN: parquet(chats("hard coded"))},
    "OpenAssistant/oasst1": {
        TRAIN: parquet(oasst()), "data/validation-00000-of-00001.parquet": parquet(oasst()[:2]),
    },
    "HuggingFaceH4/no_robots": {TRAIN: parquet(chats("robots")), TEST: parquet(chats(OTHER))},
    "allenai/WildChat-1M": {TRAIN: parquet(wildchat())},
    "ai2-adapt-dev/flan_v2_converted": {TRAIN: parquet(chats("flan"))},
    "allenai/SciRIFF": {
        "4096/train-00000-of-00001.parquet": parquet(asked("science", "input", "output")),
        "8192/train-00000-of-00001.parquet": parquet(asked(OTHER, "input", "output")),
    },
    "LipengCS/Table-GPT": {
        "All/train.jsonl": b'{"prompt": "table?", "completion": "| a |", "task": "t"}\n' * 2,
        "Test/test.jsonl": b'{"prompt": "other", "completion": "b"}\n',
    },
    **{f"allenai/tulu-3-sft-personas-{p}": {TRAIN: parquet(chats(f"persona {p}"))} for p in PERSONAS},
    "nvidia/OpenMathInstruct-2": {TRAIN: parquet(MATHS)},
    "AI-MO/NuminaMath-TIR": {TRAIN: parquet(chats("numina")), TEST: parquet(chats(OTHER))},
    "theblackcat102/evol-codealpaca-v1": {"train.parquet": parquet(CODE)},
    "allenai/coconot": {
        "original/train-00000-of-00001.parquet": parquet(asked("coconot", "prompt", "response", category="")),
        "contrast/test-00000-of-00001.parquet": parquet(asked(OTHER, "prompt", "response")),
    },
    "allenai/wildjailbreak": {
        "train/train.tsv": tsv(WILDJAILBREAK), "eval/eval.tsv": tsv(WILDJAILBREAK[:2]),
    },
    "allenai/wildguardmix": {
        "train/wildguard_train.parquet": parquet(GUARD), "test/wildguard_test.parquet": parquet(GUARD[:1]),
    },
    "CohereForAI/aya_dataset": {TRAIN: parquet(asked("aya", "inputs", "targets", language="Irish"))},
    "allenai/llama-3.1-tulu-3-8b-preference-mixture": {TRAIN: parquet(pairs(PREFERENCE_PARTS["8b"]))},
    "allenai/llama-3.1-tulu-3-70b-preference-mixture": {TRAIN: parquet(pairs(PREFERENCE_PARTS["70b"]))},
    "allenai/RLVR-GSM-MATH-IF-Mixed-Constraints": {TRAIN: parquet(rewards())},
}  # fmt: skip


def config(name: str, path: str, split: str = "train") -> Row:
    return {"config_name": name, "data_files": [{"split": split, "path": path}]}


CARDS: dict[str, dict[str, Any]] = {
    "allenai/SciRIFF": {
        "license": "odc-by", "configs": [config("4096", "4096/train-*"), config("8192", "8192/train-*")],
    },
    "LipengCS/Table-GPT": {
        "license": "mit", "configs": [config("All", "All/*"), config("Test", "Test/*", "test")],
    },
    "allenai/coconot": {
        "configs": [config("original", "original/train-*"), config("contrast", "contrast/*", "test")],
    },
    "allenai/wildjailbreak": {"configs": [config("train", "train/*"), config("eval", "eval/*")]},
    "allenai/wildguardmix": {
        "license": "odc-by",
        "configs": [config("wildguardtrain", "train/*"), config("wildguardtest", "test/*", "test")],
    },
    "allenai/llama-3.1-tulu-3-8b-preference-mixture": {"license": "odc-by"},
    "allenai/RLVR-GSM-MATH-IF-Mixed-Constraints": {"license": "odc-by"},
}  # fmt: skip
