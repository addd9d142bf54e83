"""Loading and planning: sources told apart, precision chosen, GGUF weights made plain, memory counted."""

import sys

import pytest
import torch
from trainer_fixtures import TINY, config, job, sums, write_sft_version

from trainers.checkpoint import checkpoints
from trainers.memory import predict_memory, shape_of
from trainers.metrics import flops_per_step, read_metrics
from trainers.model import find_source, load_policy, load_shape, load_tokenizer
from trainers.sft import train_sft
from tulu_data.errors import MissingExtraError, TrainError


def test_a_gguf_file_needs_its_extra(tmp_path, monkeypatch):
    monkeypatch.setattr("trainers.model.find_spec", lambda _: None)
    file = tmp_path / "a.gguf"
    file.touch()
    with pytest.raises(MissingExtraError) as error:
        find_source(config(model=str(file)))
    assert str(error.value) == (
        f"{file}: needs the 'gguf' extra (module 'gguf' is not installed); "
        "install it with: pip install 'tulu-data[gguf]'"
    )


def test_a_folder_a_file_and_a_hub_id_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr("trainers.model.find_spec", lambda module: module)
    (tmp_path / "a.gguf").touch()
    assert find_source(config(model=str(TINY))).arguments == {}
    assert find_source(config(model=str(tmp_path))).arguments == {"gguf_file": "a.gguf"}
    assert find_source(config(model=str(tmp_path / "a.gguf"))).path == str(tmp_path)
    hub = find_source(config(model="meta-llama/Llama-3.1-8B", revision="main"))
    assert (hub.local, hub.arguments) == (None, {"revision": "main"})
    (tmp_path / "b.gguf").touch()
    with pytest.raises(TrainError, match=r"holds 2 .gguf files; name one of them"):
        find_source(config(model=str(tmp_path)))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_weights_stay_fp32_whatever_computes(tmp_path, precision):
    version = write_sft_version(tmp_path / "store", sums(20))
    settings = {"precision": precision, "steps": 3}
    states = []

    def watch(event: str, step: int) -> None:
        if event == "saved" and step == 3:
            folder = checkpoints(tmp_path / precision)[-1]
            states.append(torch.load(folder / "state.pt", weights_only=True))

    train_sft(job(version, tmp_path / precision, **settings), watch=watch)
    assert {t.dtype for t in states[0]["model"].values()} == {torch.float32}
    losses = [row["loss"] for row in read_metrics(tmp_path / precision)]
    assert losses[0] == pytest.approx(6.56, abs=0.1)
    assert losses == sorted(losses, reverse=True)


def test_a_tokenizer_larger_than_the_model_is_refused():
    tokenizer = load_tokenizer(config())
    tokenizer.add_tokens([f"<new {i}>" for i in range(3)])
    with pytest.raises(TrainError, match="the tokenizer has 688 tokens but the model embeds 685"):
        load_policy(config(), tokenizer)


def test_sizes_are_read_without_loading_weights():
    model = load_shape(config())
    assert {p.device.type for p in model.parameters()} == {"meta"}
    shape = shape_of(model)
    loaded = load_policy(config(), load_tokenizer(config())).model
    assert shape == shape_of(loaded)
    assert shape.parameters == sum(p.numel() for p in loaded.parameters())
    assert (
        shape.matmul_parameters == shape.parameters
    )  # the table is tied to the head, so it is used in a product
    memory = predict_memory(shape, config(), torch.float32)
    assert memory["optimizer (AdamW, fp32)"] == 8 * shape.parameters
    assert (
        predict_memory(shape, config(activation_checkpointing="full"), torch.float32)["activations"]
        < (memory["activations"])
    )


def test_flops_follow_both_conventions():
    assert flops_per_step(1000, 2, 8, tokens=30, square_lengths=500) == (180_000.0, 180_000.0 + 96_000.0)


def test_every_step_has_a_row_of_metrics(tmp_path):
    version = write_sft_version(tmp_path / "store", sums(20))
    train_sft(job(version, tmp_path / "run"))
    rows = read_metrics(tmp_path / "run")
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert list(rows[0]) == [
        "step", "epoch", "loss", "learning_rate", "grad_norm", "tokens", "supervised_tokens", "padding",
        "tokens_per_second", "mfu_6n", "mfu_attention", "elapsed",
    ]  # fmt: skip
    assert rows[-1]["mfu_6n"] is None
    totals = [row["tokens"] for row in rows]
    assert totals == sorted(totals)


def test_a_terminal_gets_a_bar_and_a_pipe_gets_lines(tmp_path, capsys, monkeypatch):
    from trainers.metrics import display

    row = {"step": 1, "loss": 1.0, "grad_norm": 2.0, "learning_rate": 1e-3, "tokens_per_second": 1000.0}
    with display(20, 10, done=0) as show:
        for step in range(1, 21):
            show({**row, "step": step})
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "step 1/20  loss 1.0000  grad norm 2.000  lr 1.00e-03  1,000 tokens/s"
    assert [line.split()[1] for line in lines] == ["1/20", "10/20", "20/20"]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with display(20, 10, done=0) as show:
        show(row)
    assert "loss 1.0000" in capsys.readouterr().err
