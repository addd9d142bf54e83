"""Two ranks over gloo take the same step as one process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from trainer_fixtures import config, sums, write_sft_version

from trainers.engine import make_optimizer, optimizer_step
from trainers.model import load_policy, load_tokenizer
from trainers.packing import epoch_steps
from trainers.token_cache import load_documents
from tulu_data.store import Version

CHILD = """
import os, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import torch
torch.set_num_threads(1)
from torch import distributed
distributed.init_process_group("gloo", init_method="file://" + {meeting!r}, rank={rank}, world_size=2)
import test_trainers_ranks
from tulu_data.store import Version
import json
print(json.dumps(test_trainers_ranks.figures(Version.open(Path({version!r})))), flush=True)
distributed.barrier()
distributed.destroy_process_group()
# gloo's threads outlive the group (torch 2.13); one that meets an interpreter being torn down aborts it.
os._exit(0)
"""


def figures(version: Version) -> list[list[float]]:
    """Return (loss, gradient norm) of three steps, the last of a single row."""
    settings = config()
    tokenizer = load_tokenizer(settings)
    documents = load_documents(version, tokenizer, max_length=128, overflow="truncate")
    policy = load_policy(settings, tokenizer)
    optimizer = make_optimizer(policy.model, settings)
    steps = [step.rows for step in epoch_steps(documents, settings, 0)[:3]]
    steps[-1] = steps[-1][:1]
    results = [optimizer_step(policy, optimizer, documents, rows, settings, 1e-3) for rows in steps]
    return [[r.loss, r.grad_norm] for r in results]


def test_two_ranks_learn_what_one_learns(tmp_path):
    version = write_sft_version(tmp_path / "store", sums(40))
    alone = figures(version)
    children = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                CHILD.format(
                    tests=str(Path(__file__).parent),
                    meeting=str(tmp_path / "meeting"),
                    rank=rank,
                    version=str(version.path),
                ),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [child.communicate() for child in children]
    assert [child.returncode for child in children] == [0, 0], outputs
    together = [json.loads(out.splitlines()[-1]) for out, _ in outputs]
    assert together[0] == together[1]
    for found, expected in zip(together[0], alone, strict=True):
        assert found == pytest.approx(expected, abs=1e-5)
    assert together[0][0] == pytest.approx(alone[0], abs=1e-6)
