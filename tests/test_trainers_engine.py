"""The optimizer step equals an unpacked reference written here, however the work is split."""

import math
from itertools import islice

import pytest
import torch
from torch.nn import functional
from trainer_fixtures import TINY, config, sums, write_sft_version
from transformers import AutoModelForCausalLM, AutoTokenizer

from trainers.configs import SftConfig
from trainers.data import Documents
from trainers.engine import learning_rate, make_optimizer, optimizer_step
from trainers.losses import linear_nll_sum, nll_sum
from trainers.model import load_policy, load_tokenizer
from trainers.packing import IGNORED, Row, steps_from
from trainers.token_cache import load_documents
from tulu_data.errors import TrainError

Figures = list[tuple[float, float]]


@pytest.fixture(scope="module")
def documents(tmp_path_factory) -> Documents:
    version = write_sft_version(tmp_path_factory.mktemp("engine"), sums(60))
    return load_documents(version, load_tokenizer(config()), max_length=128, overflow="truncate")


def packed_run(documents: Documents, settings: SftConfig, rows_of_steps: list[list[Row]]) -> Figures:
    """Train by the engine; return (loss, gradient norm) of each step."""
    policy = load_policy(settings, load_tokenizer(settings))
    optimizer = make_optimizer(policy.model, settings)
    results = [
        optimizer_step(policy, optimizer, documents, rows, settings, learning_rate(settings, i, 6))
        for i, rows in enumerate(rows_of_steps)
    ]
    return [(r.loss, r.grad_norm) for r in results]


def reference_run(documents: Documents, settings: SftConfig, rows_of_steps: list[list[Row]]) -> Figures:
    """Train on each document alone: no packing, no padding, no batch, the loss written out."""
    tokenizer = AutoTokenizer.from_pretrained(TINY)
    model = load_policy(settings, tokenizer).model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.0, weight_decay=0.0)
    figures = []
    for i, rows in enumerate(rows_of_steps):
        mine = sorted(d for row in rows for d in row)
        spans = [slice(documents.offsets[d], documents.offsets[d + 1]) for d in mine]
        targets = sum(int(documents.supervised[s].sum()) for s in spans)
        optimizer.zero_grad()
        total = 0.0
        for span in spans:
            tokens = torch.tensor(documents.tokens[span], dtype=torch.long)
            mask = torch.tensor(documents.supervised[span])
            logits = model(input_ids=tokens[None]).logits[0, :-1]
            nll = functional.cross_entropy(logits, tokens[1:], reduction="none")[mask[1:]].sum()
            (nll / targets).backward()
            total += nll.item()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm or math.inf)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings, i, 6)
        optimizer.step()
        figures.append((total / targets, float(norm)))
    return figures


def rows_of(documents: Documents, settings: SftConfig, count: int = 6) -> list[list[Row]]:
    return [step.rows for step in islice(steps_from(documents, settings, total=count), count)]


def assert_close(found: Figures, expected: Figures) -> None:
    for step, (a, b) in enumerate(zip(found, expected, strict=True)):
        bound = 1e-6 if step == 0 else 1e-4
        assert abs(a[0] - b[0]) <= bound, (step, "loss", a, b)
        assert abs(a[1] - b[1]) <= bound * max(1.0, b[1]), (step, "gradient norm", a, b)


@pytest.mark.parametrize("packing", ["global", "step", "none"])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_packed_step_equals_each_document_alone(documents, packing, attention):
    settings = config(packing=packing, attention=attention)
    rows = rows_of(documents, settings)
    assert_close(packed_run(documents, settings, rows), reference_run(documents, settings, rows))


@pytest.mark.parametrize("budget", [128, 300, 512, 4096])
def test_no_split_into_micro_batches_changes_the_result(documents, budget):
    settings = config(micro_batch_tokens=budget)
    rows = rows_of(documents, settings)
    assert_close(packed_run(documents, settings, rows), reference_run(documents, settings, rows))


def test_activation_checkpointing_changes_nothing(documents):
    settings = config(activation_checkpointing="full")
    rows = rows_of(documents, settings)
    assert_close(packed_run(documents, settings, rows), reference_run(documents, settings, rows))


def test_packing_by_step_learns_what_no_packing_learns(documents):
    step, none = config(packing="step"), config(packing="none")
    together = [sorted(d for row in rows for d in row) for rows in rows_of(documents, step)]
    alone = [sorted(d for row in rows for d in row) for rows in rows_of(documents, none)]
    assert together == alone
    assert_close(
        packed_run(documents, step, rows_of(documents, step)),
        packed_run(documents, none, rows_of(documents, none)),
    )


@pytest.mark.parametrize("chunk", [1, 7, 64, 1000])
def test_chunked_cross_entropy_equals_the_full_one(chunk):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(3, 40, 16, generator=generator)
    labels = torch.randint(0, 50, (3, 40), generator=generator)
    labels[torch.rand(3, 40, generator=generator) < 0.5] = IGNORED
    head = torch.nn.Linear(16, 50, bias=False)
    results = []
    for chunked in (True, False):
        h = hidden.clone().requires_grad_()
        head.zero_grad()
        if chunked:
            loss = linear_nll_sum(h, head, labels, chunk=chunk)
        else:
            loss = nll_sum(head(h).flatten(0, 1), labels.flatten())
        loss.backward()
        results.append((loss.detach(), h.grad, head.weight.grad.clone()))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-5)


def test_micro_batches_without_any_target_have_no_loss():
    head = torch.nn.Linear(4, 8)
    labels = torch.full((1, 3), IGNORED)
    assert linear_nll_sum(torch.randn(1, 3, 4), head, labels).item() == 0.0


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_the_learning_rate_rises_to_its_peak_and_never_reaches_zero(schedule):
    settings = config(schedule=schedule, warmup_ratio=0.1, learning_rate=1e-3)
    rates = [learning_rate(settings, i, 50) for i in range(50)]
    assert rates[:5] == pytest.approx([1e-3 * k / 6 for k in range(1, 6)])
    assert rates[5] == pytest.approx(1e-3)
    assert min(rates) > 0
    assert rates[5:] == sorted(rates[5:], reverse=True)


def test_a_loss_that_is_not_finite_stops_before_the_weights_change(documents):
    settings = config()
    policy = load_policy(settings, load_tokenizer(settings))
    optimizer = make_optimizer(policy.model, settings)
    with torch.no_grad():
        policy.model.model.norm.weight.fill_(math.inf)
    before = policy.model.model.embed_tokens.weight.clone()
    with pytest.raises(TrainError, match="lower learning_rate"):
        optimizer_step(policy, optimizer, documents, rows_of(documents, settings)[0], settings, 1e-3)
    assert torch.equal(before, policy.model.model.embed_tokens.weight)


def test_random_weights_depend_on_the_seed_alone():
    tokenizer = load_tokenizer(config())
    first, second, third = (load_policy(config(seed=s), tokenizer).model for s in (0, 0, 1))
    weights = [m.model.layers[0].mlp.up_proj.weight for m in (first, second, third)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_model_whose_attention_mixes_documents_is_refused(monkeypatch):
    model = AutoModelForCausalLM.from_config(load_policy(config(), load_tokenizer(config())).model.config)
    body = type(model.model)
    original = body.forward

    def forward(self, *args, position_ids=None, **kwargs):
        width = kwargs["input_ids"].shape[1]
        return original(self, *args, position_ids=torch.arange(width)[None], **kwargs)

    monkeypatch.setattr(body, "forward", forward)
    with pytest.raises(TrainError, match="set `packing: none`"):
        load_policy(config(), load_tokenizer(config()))
    load_policy(config(packing="none"), load_tokenizer(config()))
