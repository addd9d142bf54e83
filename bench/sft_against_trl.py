"""The same packed rows through TRL's SFTTrainer and through this project's engine, side by side in one run.

The one idea: TRL packs and orders the rows; its realised order is read back and given to our engine, so
loss and gradient norm of every step must agree. Run in an environment with trl==1.16.0:
    PYTHONPATH=. python bench/sft_against_trl.py [--steps 5]
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, TrainerCallback
from trl import SFTConfig as TrlConfig
from trl import SFTTrainer

from trainers.configs import SftConfig
from trainers.data import Documents
from trainers.engine import make_optimizer, optimizer_step
from trainers.model import load_policy, load_tokenizer
from trainers.packing import IGNORED

TINY = Path(__file__).parents[1] / "tulu_data" / "workspace" / "files" / "models" / "tiny"
RATE = 1e-3


def rows(count: int, longest: int, vocabulary: int, seed: int = 0) -> list[dict[str, list[int]]]:
    """Draw token rows of log-normal length, the second part of each a target."""
    random = np.random.default_rng(seed)
    drawn = []
    for length in np.clip(random.lognormal(np.log(longest / 4), 0.8, count), 8, longest).astype(int):
        ids = random.integers(6, vocabulary, length).tolist()
        prompt = max(1, length // 3)
        drawn.append({"input_ids": ids, "labels": [IGNORED] * prompt + ids[prompt:]})
    return drawn


def write_model(folder: Path, width: int, layers: int) -> None:
    """Write a random Llama of the given size with the tiny tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(TINY)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=3 * width, num_hidden_layers=layers,
        num_attention_heads=width // 32, num_key_value_heads=width // 32, max_position_embeddings=4096,
        tie_word_embeddings=True, bos_token_id=None, eos_token_id=5, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


class Watch(TrainerCallback):
    """Keep what TRL logs for each step."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.figures: list[tuple[float, float]] = []

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        """Keep loss and gradient norm."""
        if logs and "loss" in logs:
            self.figures.append((logs["loss"], logs["grad_norm"]))


def run_trl(folder: Path, data: list[dict[str, list[int]]], steps: int, longest: int):
    """Train by TRL; return its figures, seconds, and the rows of documents in the order it used."""
    config = TrlConfig(
        output_dir=str(folder / "trl"), packing=True, packing_strategy="bfd", loss_type="nll",
        per_device_train_batch_size=2, gradient_accumulation_steps=2, max_length=longest,
        train_sampling_strategy="sequential", bf16=False, use_cpu=True, gradient_checkpointing=False,
        lr_scheduler_type="constant", optim="adamw_torch", max_grad_norm=1.0, learning_rate=RATE,
        max_steps=steps, logging_steps=1, logging_first_step=True, report_to="none",
        save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    watch = Watch()
    trainer = SFTTrainer(
        model=model, args=config, train_dataset=Dataset.from_list(data), callbacks=[watch],
        processing_class=AutoTokenizer.from_pretrained(folder),
    )  # fmt: skip
    packed = trainer.train_dataset
    began = time.perf_counter()
    trainer.train()
    return watch.figures, time.perf_counter() - began, packed


def run_ours(folder: Path, packed, steps: int, longest: int):
    """Train by the engine on the very rows that TRL packed, four to a step."""
    tokens, mask, lengths, step_rows = [], [], [], []
    for row in packed:
        at, mine = 0, []
        for length in row["seq_lengths"]:
            labels = np.array(row["labels"][at : at + length])
            tokens.extend(row["input_ids"][at : at + length])
            mask.extend([False, *(labels[1:] != IGNORED)])
            mine.append(len(lengths))
            lengths.append(length)
            at += length
        step_rows.append(mine)
    documents = Documents(
        tokens=np.array(tokens, np.int32), supervised=np.array(mask),
        offsets=np.concatenate([[0], np.cumsum(lengths)]), records=np.arange(len(lengths)), counts={},
    )  # fmt: skip
    settings = SftConfig(
        model=str(folder), max_length=longest, micro_batch_tokens=2 * longest, learning_rate=RATE
    )
    policy = load_policy(settings, load_tokenizer(settings))
    optimizer = make_optimizer(policy.model, settings)
    policy.model.train()
    began = time.perf_counter()
    results = []
    for step in range(steps):
        at = 4 * step % (len(step_rows) // 4 * 4)
        results.append(optimizer_step(policy, optimizer, documents, step_rows[at : at + 4], settings, RATE))
    seconds = time.perf_counter() - began
    return [(r.loss, r.grad_norm) for r in results], seconds, sum(r.tokens for r in results)


def compare(name: str, width: int, layers: int, longest: int, steps: int) -> None:
    """Print loss and gradient norm of each step, then tokens per second of both."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_model(folder, width, layers)
        data = rows(steps * 40, longest, 600)
        theirs, their_seconds, packed = run_trl(folder, data, steps, longest)
        ours, our_seconds, tokens = run_ours(folder, packed, steps, longest)
    print(f"\n{name}: width {width}, {layers} layers, max_length {longest}, {steps} steps, {tokens:,} tokens")
    print("step   loss TRL     loss ours    difference   norm TRL    norm ours   difference")
    for i, (a, b) in enumerate(zip(theirs, ours, strict=False)):
        print(
            f"{i:4d}   {a[0]:.8f}   {b[0]:.8f}   {abs(a[0] - b[0]):.1e}      "
            f"{a[1]:.6f}    {b[1]:.6f}    {abs(a[1] - b[1]):.1e}"
        )
    ratio = their_seconds / our_seconds
    print(f"tokens/s: TRL {tokens / their_seconds:,.0f}, ours {tokens / our_seconds:,.0f}, ratio {ratio:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=5)
    steps = parser.parse_args().steps
    torch.set_num_threads(2)
    compare("exactness", 96, 2, 128, steps)
    compare("speed", 256, 4, 1024, steps)
