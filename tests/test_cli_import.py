"""`tulu-data import`: lists of other tools as mixture specs, and what is not carried over, by name."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from tulu_data.cli.main import group
from tulu_data.errors import SpecError
from tulu_data.imports import read_draft, spec_text
from tulu_data.specs.base import validate
from tulu_data.specs.document import parse_document
from tulu_data.specs.mixture import Mixture
from tulu_data.store import Store


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TULU_DATA_STORE", raising=False)


def imported(format_name: str, file: str, text: str, *more: str) -> Result:
    Path(file).write_text(text, "utf-8")
    return CliRunner().invoke(group, ["import", format_name, file, *more])


def spec(done: Result) -> dict[str, Any]:
    assert done.exit_code == 0, done.stderr
    validate(Mixture, parse_document(done.stdout, "spec"))
    found = yaml.safe_load(done.stdout)
    assert isinstance(found, dict)
    return found


def warnings(done: Result) -> list[str]:
    return [line.removeprefix("warning: ") for line in done.stderr.splitlines()]


SCRIPT = r"""#!/bin/bash
# python old.py --dataset_mixer_list nobody/reads 1.0
accelerate launch open_instruct/finetune.py \
    --model_name_or_path meta/llama \
    --dataset_mixer_list allenai/all 1.0 \
        allenai/one 1 \
        allenai/many 5000 allenai/half 0.5 \
    --dataset_mixer_list_splits train_sft \
    --max_seq_length 4096
echo done
"""


def test_a_number_with_a_point_is_a_share_and_one_without_is_rows() -> None:
    done = imported("open-instruct", "run.sh", SCRIPT)
    found = spec(done)
    assert (found["name"], found["kind"]) == ("run", "sft")
    takes = {name: source["take"] for name, source in found["sources"].items()}
    assert takes == {
        "all": {"all": True},
        "one": {"rows": 1},
        "many": {"rows": 5000},
        "half": {"fraction": 0.5},
    }
    assert {source["split"] for source in found["sources"].values()} == {"train_sft"}
    assert found["sources"]["one"]["uri"] == "hf://allenai/one"
    assert "# `1` is one row there, as it is here; all of them would have been 1.0" in done.stdout
    assert warnings(done) == [
        "run.sh:9:5 max_seq_length: has no equivalent in a mixture",
        "run.sh: settings of training, of which a mixture has none: model_name_or_path",
    ]


@pytest.mark.parametrize(
    ("text", "kind", "takes"),
    [
        ("dataset_mixer: {a/b: 1.0, c/d: 3, e/f: 2.5}", "sft", [{"all": True}, {"rows": 3}, {"epochs": 2.5}]),
        ("dataset_mixer_list: [a/b, '1.0', c/d, '1']", "sft", [{"all": True}, {"rows": 1}]),
        ("dataset_mixer_list: a/b 0.25 c/d 0", "sft", [{"fraction": 0.25}, {"rows": 0}]),
        ("dataset_mixer_list: [a/b, 1.0]\ndataset_transform_fn: [rlvr_tokenize_v1]", "rlvr", [{"all": True}]),
        ("dataset_mixer_list: [a/b, 1.0]\ntransform_fn: [preference_v1]", "preference", [{"all": True}]),
    ],
)  # fmt: skip
def test_configs_hold_lists_as_mappings_lists_and_text(text: str, kind: str, takes: list[Any]) -> None:
    found = spec(imported("open-instruct", "mix.yaml", text))
    assert found["kind"] == kind
    assert [source["take"] for source in found["sources"].values()] == takes


def test_every_place_in_a_script_is_that_of_the_word() -> None:
    text = (
        "#!/bin/bash\n\npython dpo.py \\\n"
        "    --seed 7 --dataset_mixer_list a/b 1.0 \\\n"
        "  'no where' 2 \\\n    c/d x \\\n  --dataset_mixer_eval_list e/f 1.0 --max_train_samples 9\n"
    )
    done = imported("open-instruct", "oi.sh", text)
    assert spec(done)["seed"] == 7
    assert [line.partition(" ")[0] for line in warnings(done)] == [
        "oi.sh:5:3", "oi.sh:6:5", "oi.sh:7:3", "oi.sh:7:37"
    ]  # fmt: skip


def test_splits_are_listed_beside_datasets_and_numbers() -> None:
    text = "dataset_mixer_list: [a/b, 1.0, c/d, 1.0]\ndataset_mixer_list_splits: [x, x, 'y[:50%]', y]\n"
    found = spec(imported("open-instruct", "s.yaml", text))["sources"]
    assert [(one["split"], one["take"]) for one in found.values()] == [
        ("x", {"all": True}), ("y", {"fraction": 0.5})
    ]  # fmt: skip


def test_a_number_above_the_rows_of_a_file_repeats_them() -> None:
    Path("few.jsonl").write_text('{"prompt": "p", "completion": "c"}\n' * 4, "utf-8")
    text = "dataset_mixer_list: [few.jsonl, 10, few.jsonl, 3]\n"
    found = spec(imported("open-instruct", "s.yaml", text))["sources"]
    assert [one["take"] for one in found.values()] == [{"epochs": 2.5}, {"rows": 3}]


AMOUNTS = st.one_of(
    st.integers(0, 10**6).map(str),
    st.floats(0.001, 50, allow_nan=False).map(lambda x: f"{x:.3f}"),
)


@given(st.lists(AMOUNTS, min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_every_number_means_what_it_meant(
    tmp_path_factory: pytest.TempPathFactory, amounts: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("mixer")
    file = folder / "m.yaml"
    file.write_text(json.dumps({"dataset_mixer_list": [x for a in amounts for x in ("o/same", a)]}), "utf-8")
    draft = read_draft("open-instruct", file, folder, None)
    read = validate(Mixture, parse_document(spec_text(draft, name="m", origin="m"), "m"))
    rows = 1000
    for take, amount in zip((s.take for s in read.sources.values()), amounts, strict=True):
        there = round(float(amount) * rows) if "." in amount else int(amount)
        given_rows = take.rows if take.rows is not None else rows if take.all else 0
        here = given_rows + round(((take.fraction or 0) + (take.epochs or 0)) * rows)
        assert here == there


AXOLOTL = """
base_model: x
datasets:
  - path: owner/instructions
    type: alpaca:phi
    name: en
    split: train[:10%]
    revision: v1
  - path: data/chat.jsonl
    type: chat_template
    ds_type: json
    field_messages: conversations
    message_property_mappings: {role: from, content: value}
    roles: {user: [human], assistant: [gpt, robot]}
    roles_to_train: [assistant]
  - path: owner/sharded
    type: sharegpt
    shards: 4
  - {path: owner/text, type: completion}
  - {path: owner/files, data_files: [a.jsonl, sub/b.jsonl], type: {field_instruction: q, field_output: a}}
  - {path: owner/odd, type: made_up, wat: 1}
dataset_exact_deduplication: true
val_set_size: 0.1
"""


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("alpaca_chat.load_qa", {"prompt": "question", "completion": "answer"}),
        ("alpaca_chat.load_camel_ai", {"prompt": "message_1", "completion": "message_2"}),
    ],
)
def test_questions_of_axolotl_are_in_columns_of_their_own(kind: str, columns: dict[str, str]) -> None:
    (source,) = spec(imported("axolotl", "ax.yml", f"datasets: [{{path: o/n, type: {kind}}}]"))[
        "sources"
    ].values()
    assert (source["adapter"], source["columns"]) == ("prompt_completion", columns)


def test_an_axolotl_config_keeps_layouts_and_names_what_is_a_trainers_business() -> None:
    done = imported("axolotl", "ax.yml", AXOLOTL)
    found = spec(done)
    alpaca, columns = {"adapter": "alpaca"}, {"instruction": "q", "output": "a"}
    assert found["sources"] == {
        "instructions": {"uri": "hf://owner/instructions", "revision": "v1", "config": "en", **alpaca,
                         "take": {"fraction": 0.1}},
        "chat": {"uri": "data/chat.jsonl", "adapter": "messages", "columns": {"messages": "conversations"}},
        "sharded": {"uri": "hf://owner/sharded", "adapter": "sharegpt", "take": {"fraction": 0.25}},
        "a": {"uri": "hf://owner/files/a.jsonl", **alpaca, "columns": columns},
        "b": {"uri": "hf://owner/files/sub/b.jsonl", **alpaca, "columns": columns},
        "odd": {"uri": "hf://owner/odd"},
    }  # fmt: skip
    assert found["steps"] == [{"step": "dedup", "key": "conversation"}]
    assert found["splits"] == {"validation": {"fraction": 0.1}}
    told = "\n".join(warnings(done))
    for text in (
        "ax.yml:5:5 datasets[0].type: 'phi'",
        "datasets[0].split: the slice [:10%] takes certain rows there; here as many are drawn",
        "datasets[1].roles: robot as words for assistant",
        "datasets[1].roles_to_train: how chats are rendered",
        "datasets[3]: type 'completion': plain text to go on with; records are chats; left out",
        "datasets[5].wat: has no equivalent in a mixture",
        "ax.yml: settings of training, of which a mixture has none: base_model",
    ):  # fmt: skip
        assert text in told
    assert "type 'made_up' is not known here" in done.stdout


@pytest.mark.parametrize(
    ("split", "shards", "take"),
    [
        ("train[:10%]", 4, {"fraction": 0.025}),
        ("train[10%:30%]", 1, {"fraction": 0.2}),
        ("train[-5%:]", 1, {"fraction": 0.05}),
        ("train[:100]", 4, {"rows": 25}),
        ("train[100:300]", 1, {"rows": 200}),
        ("train[-40:]", 1, {"rows": 40}),
        ("train[100:]", 2, {"fraction": 0.5}),
        ("train", 1, None),
    ],
)
def test_a_slice_and_shards_come_to_as_much_as_there(
    split: str, shards: int, take: dict[str, float] | None
) -> None:
    text = json.dumps({"seed": 123, "datasets": [{"path": "o/n", "split": split, "shards": shards}]})
    found = spec(imported("axolotl", "ax.yml", text))
    assert found["sources"]["n"].get("take") == take
    assert found["seed"] == 123


def test_a_dataset_with_several_configurations_is_as_many_sources() -> None:
    text = "datasets: [{path: o/n, name: [en, de], type: alpaca}]"
    found = spec(imported("axolotl", "ax.yml", text))["sources"]
    assert [one["config"] for one in found.values()] == ["en", "de"]


@given(st.sets(st.from_regex(r"k[a-z]{3,8}", fullmatch=True), max_size=6))
@settings(max_examples=30, deadline=None)
def test_no_key_is_passed_over_in_silence(tmp_path_factory: pytest.TempPathFactory, keys: set[str]) -> None:
    folder = tmp_path_factory.mktemp("keys")
    extra = dict.fromkeys(sorted(keys), 1)
    entry, info = {"path": "o/n", "type": "alpaca", **extra}, {"hf_hub_url": "o/n", **extra}
    texts = {
        "axolotl": {"datasets": [entry], **extra},
        "open-instruct": {"dataset_mixer_list": ["o/n", 1.0], **extra},
        "llama-factory": {"n": info},
    }
    for name, data in texts.items():
        file = folder / f"{name}.yaml"
        file.write_text(json.dumps(data), "utf-8")
        left = " ".join(read_draft(name, file, folder, None).left)
        assert all(left.count(key) >= (2 if name == "axolotl" else 1) for key in keys)


WORDS = [
    "", "o/n", "data/x.jsonl", "s3://b/x.jsonl", "https://x.y/z", "train[:1%]", "a: b", "#", "\u00fc", "json",
    "0.5", "chat_template", "alpaca:x", "dpo",
]  # fmt: skip
PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 3000), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(WORDS),
)  # fmt: skip
ODD = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(WORDS), inner, max_size=3)
    ),
    max_leaves=6,
)
"""Values that a file of another tool may hold where something else belongs."""
KEYS = {
    "axolotl": [
        "path", "type", "name", "split", "revision", "data_files", "shards", "field_messages", "roles",
        "message_property_mappings", "chat_template", "ds_type",
    ],
    "llama-factory": [
        "hf_hub_url", "file_name", "columns", "tags", "formatting", "ranking", "subset", "split",
        "num_samples", "script_url", "folder",
    ],
}  # fmt: skip


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_a_file_says_becomes_a_spec_that_is_right_or_a_mistake_at_its_place(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    name = data.draw(st.sampled_from([*KEYS, "open-instruct"]))
    entry = data.draw(st.dictionaries(st.sampled_from(KEYS.get(name, ["k"])), ODD, max_size=6))
    whole: dict[str, Any] = {
        "axolotl": {"datasets": [{"path": "o/n", **entry}, data.draw(ODD)], "val_set_size": data.draw(ODD)},
        "llama-factory": {"n": {"hf_hub_url": "o/n", **entry}},
        "open-instruct": {"dataset_mixer_list": data.draw(ODD), "dataset_mixer_list_splits": data.draw(ODD)},
    }[name]
    file = folder / "odd.yaml"
    file.write_text(json.dumps(whole), "utf-8")
    try:
        draft = read_draft(name, file, folder, None)
    except SpecError as error:
        told = str(error)
    else:
        told = str(file)
        validate(Mixture, parse_document(spec_text(draft, name="odd", origin="odd"), "odd"))
    assert str(file) in told


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("chatml.intel", {"prompt": "question"}),
        ("chat_template.default", {"prompt": "conv", "chosen": "good", "rejected": "bad"}),
    ],
)
def test_pairs_are_read_by_their_columns(kind: str, columns: dict[str, str]) -> None:
    named = {"field_messages": "conv", "field_chosen": "good", "field_rejected": "bad"}
    fields = named if "chosen" in columns else {}
    text = json.dumps({"rl": "dpo", "datasets": [{"path": "o/n", "type": kind, **fields}]})
    found = spec(imported("axolotl", "dpo.yml", text))
    assert found["kind"] == "preference"
    assert found["sources"]["n"] == {"uri": "hf://o/n", "adapter": "preference", "columns": columns}


INFO = {
    "plain": {"file_name": "plain.json"},
    "mapped": {"file_name": "mapped.jsonl", "columns": {"prompt": "input", "response": "target"}},
    "chats": {"file_name": "chats.json", "formatting": "sharegpt", "columns": {"messages": "talk"},
              "tags": {"role_tag": "role", "content_tag": "content"}},
    "remote": {"hf_hub_url": "o/remote", "subset": "en", "num_samples": 7},
    "pairs": {"file_name": "pairs.json", "ranking": True, "formatting": "sharegpt",
              "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}},
    "seen": {"file_name": "seen.json", "columns": {"images": "images"}},
    "marks": {"file_name": "marks.json", "columns": {"prompt": "p", "kto_tag": "label"}},
    "bare": {"hf_hub_url": "wiki_qa"},
}  # fmt: skip


def registry() -> None:
    folder = Path("data")
    folder.mkdir()
    (folder / "dataset_info.json").write_text(json.dumps(INFO), "utf-8")
    rows: dict[str, list[dict[str, Any]]] = {
        "plain.json": [{"instruction": f"q{i}", "input": "x", "output": "a"} for i in range(3)],
        "mapped.jsonl": [{"input": "asked", "target": "told", "output": "not this"}],
        "chats.json": [{"talk": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}],
    }
    for name, some in rows.items():
        lines = "".join(json.dumps(row) + "\n" for row in some)
        (folder / name).write_text(lines if name.endswith("l") else json.dumps(some), "utf-8")


def test_a_train_config_takes_what_it_names_from_the_registry_and_builds() -> None:
    registry()
    text = (
        "stage: sft\ndataset: plain, mapped,chats,nowhere\nmax_samples: 1\ntemplate: llama3\nval_size: 20\n"
    )
    done = imported("llama-factory", "train.yaml", text, "--out", "mixtures/train.yaml")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == (
        "mixtures/train.yaml: sft, 3 sources; 4 things not carried over, named in it\n"
        "next: tulu-data check mixtures/train.yaml\n"
    )
    assert "train.yaml:2:1 dataset: no dataset 'nowhere' in" in done.stderr
    runner = CliRunner()
    assert runner.invoke(group, ["check"]).exit_code == 0
    built = runner.invoke(group, ["mix", "mixtures/train.yaml", "--json"])
    assert built.exit_code == 0, built.stderr
    assert {s["name"]: s["rows"] for s in json.loads(built.stdout)["sources"]} == {
        "plain": 1,
        "mapped": 1,
        "chats": 1,
    }
    # `input` is the prompt of that dataset, and its `output` is a column that nobody named.
    records = Store(Path("store")).resolve("train").table().to_pylist()
    mapped = next(record for record in records if record["source"] == "mapped")
    assert [turn["content"] for turn in mapped["messages"]] == ["asked", "told"]


def counts(*names: str) -> dict[str, int]:
    built = CliRunner().invoke(group, ["mix", *names, "--json"])
    assert built.exit_code == 0, built.output + repr(built.exception)
    return {one["name"]: one["rows"] for one in json.loads(built.stdout)["sources"]}


@pytest.fixture
def sets() -> dict[str, dict[str, Any]]:
    """Write files of 10, 30 and 60 rows, and a registry of them."""
    Path("data").mkdir()
    info: dict[str, dict[str, Any]] = {}
    for name, rows in (("small", 10), ("middle", 30), ("large", 60)):
        text = "".join(json.dumps({"instruction": f"{name} {i}", "output": "o"}) + "\n" for i in range(rows))
        Path(f"data/{name}.jsonl").write_text(text, "utf-8")
        info[name] = {"file_name": f"{name}.jsonl"}
    Path("data/dataset_info.json").write_text(json.dumps(info), "utf-8")
    return info


@pytest.mark.parametrize(
    ("number", "most", "rows"),
    [(None, 20, (10, 20, 20)), (25, None, (25, 25, 25)), (25, 20, (20, 20, 20)), (None, 60, (10, 30, 60))],
)
def test_samples_of_llama_factory_are_as_many_as_there(
    sets: dict[str, dict[str, Any]], number: int | None, most: int | None, rows: tuple[int, ...]
) -> None:
    if number is not None:
        info = {name: {**one, "num_samples": number} for name, one in sets.items()}
        Path("data/dataset_info.json").write_text(json.dumps(info), "utf-8")
    text = "dataset: small,middle,large\nseed: 5\n" + (f"max_samples: {most}\n" if most else "")
    done = imported("llama-factory", "t.yaml", text, "--out", "mixtures/t.yaml")
    assert done.exit_code == 0, done.output
    assert counts("mixtures/t.yaml") == dict(zip(("small", "middle", "large"), rows, strict=True))


@pytest.mark.parametrize(
    ("mixing", "rows"),
    [
        ("mix_strategy: interleave_under\ninterleave_probs: 0.25,0.25,0.5", (10, 10, 20)),
        ("mix_strategy: interleave_over\ninterleave_probs: 0.2,0.3,0.5", (24, 36, 60)),
        ("mix_strategy: interleave_under", (10, 10, 10)),
        ("mix_strategy: interleave_over", (60, 60, 60)),
        ("mix_strategy: interleave_over\ninterleave_probs: 0.7,0.2,0.1", (420, 120, 60)),
        ("mix_strategy: interleave_under\ninterleave_probs: 0.1,0.3,0.6\nmax_samples: 30", (5, 15, 30)),
    ],
)
def test_interleaving_is_a_size_that_is_shared_out(
    sets: dict[str, dict[str, Any]], mixing: str, rows: tuple[int, ...]
) -> None:
    text = f"dataset: small,middle,large\n{mixing}\n"
    done = imported("llama-factory", "t.yaml", text, "--out", "mixtures/t.yaml")
    assert done.exit_code == 0, done.output
    assert "rows are drawn one by one there until" in done.stderr
    assert counts("mixtures/t.yaml") == dict(zip(sets, rows, strict=True))


def test_samples_that_are_repeated_may_be_interleaved(sets: dict[str, dict[str, Any]]) -> None:
    info = {name: {**one, "num_samples": 40} for name, one in sets.items()}
    Path("data/dataset_info.json").write_text(json.dumps(info), "utf-8")
    text = "dataset: small,middle\nmix_strategy: interleave_over\ninterleave_probs: 0.8,0.2\n"
    done = imported("llama-factory", "t.yaml", text, "--out", "mixtures/t.yaml")
    assert done.exit_code == 0, done.output
    assert counts("mixtures/t.yaml") == {"small": 160, "middle": 40}


def test_interleaving_of_what_cannot_be_counted_is_left_to_the_person(
    sets: dict[str, dict[str, Any]],
) -> None:
    info = {**sets, "far": {"hf_hub_url": "o/far"}}
    Path("data/dataset_info.json").write_text(json.dumps(info), "utf-8")
    text = "dataset: small,far\nmix_strategy: interleave_under\ninterleave_probs: 0.5,0.5\n"
    for more in ("", "max_samples: 20\n"):
        done = imported("llama-factory", "t.yaml", text + more)
        assert "by probabilities (small 0.5, far 0.5): give size" in done.stderr
        assert "size" not in spec(done)


def test_a_path_through_a_link_stays_below_the_workspace(
    sets: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    Path("data").rename(elsewhere / "data")
    Path("data").symlink_to(elsewhere / "data")
    found = spec(imported("llama-factory", "t.yaml", "dataset: small"))
    assert found["sources"]["small"]["uri"] == "data/small.jsonl"


def test_a_registry_alone_gives_all_of_one_kind() -> None:
    registry()
    found = CliRunner().invoke(group, ["import", "llama-factory", "data/dataset_info.json", "--json"])
    assert found.exit_code == 0
    told = json.loads(found.stdout)
    assert told["sources"] == ["plain", "mapped", "chats", "remote"]
    sources = yaml.safe_load(told["text"])["sources"]
    assert sources["remote"] == {
        "uri": "hf://o/remote",
        "config": "en",
        "adapter": "alpaca",
        "take": {"rows": 7},
    }
    assert sources["chats"]["columns"] == {"messages": "talk"}
    reasons = [text.partition(": ")[2] for text in told["left"]]
    assert reasons == [
        "it holds preference records, and the mixture is of kind sft; left out",
        "it has images, and records are text; left out",
        "answers with a single good or bad mark each; records are chats or pairs; left out",
        "no owner/name on the Hugging Face hub and no file; left out",
    ]
    pairs = CliRunner().invoke(
        group, ["import", "llama-factory", "data/dataset_info.json", "--kind", "preference"]
    )
    assert yaml.safe_load(pairs.stdout)["sources"] == {
        "pairs": {"uri": "data/pairs.json", "adapter": "preference", "columns": {"prompt": "conversations"}}
    }


def test_mistakes_are_one_line_each() -> None:
    cases = {
        ("axolotl", "x.yml", "a: 1"): (
            "x.yml:1:1 expected `datasets`, a list of datasets; is it an axolotl config?"
        ),
        ("open-instruct", "x.yaml", "a: 1"): (
            "x.yaml: expected one of dataset_mixer_list, mixer_list, dataset_mixer, "
            "train_dataset_mixer_list, found none"
        ),
        ("open-instruct", "y.yaml", "dataset_mixer_list: [a/b]"): (
            "y.yaml:1:1 dataset_mixer_list: expected a dataset and a number in turn, found a list"
        ),
        ("open-instruct", "z.sh", "echo"): (
            "z.sh:1:1 expected one command with --dataset_mixer_list, found 0 (lines: none); "
            "keep the one to import"
        ),
        ("llama-factory", "t.yaml", "dataset: a"): (
            "t.yaml:1:1 dataset_dir: no data/dataset_info.json here, beside the config or in a folder "
            "above it; set dataset_dir to its folder"
        ),
    }  # fmt: skip
    for (name, file, text), expected in cases.items():
        done = imported(name, file, text)
        assert str(done.exception) == expected
    empty = imported("open-instruct", "n.yaml", "dataset_mixer_list: [nowhere, 1.0]")
    assert str(empty.exception).startswith("n.yaml: no dataset that a mixture can name\n")


def test_a_spec_that_is_there_is_never_written_over() -> None:
    text = "dataset_mixer_list: [a/b, 1.0]"
    assert imported("open-instruct", "n.yaml", text, "--out", "mixtures/n.yaml").exit_code == 0
    again = imported("open-instruct", "n.yaml", text, "--out", "mixtures/n.yaml")
    assert str(again.exception) == "mixtures/n.yaml: is there already; remove it, or choose another --out"
