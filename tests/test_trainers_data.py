"""From a version to documents: overflow accounted for, refused records named, the cache sound."""

import dataclasses
import json
import os
import stat

import numpy as np
import pytest
from trainer_fixtures import TINY, sums, write_messages_version, write_sft_version
from transformers import AutoTokenizer

from trainers import token_cache
from trainers.data import encode_version
from trainers.token_cache import cache_folder, load_documents
from tulu_data.errors import TrainError


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(TINY)


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    return write_sft_version(tmp_path_factory.mktemp("data"), sums(40))


def texts(documents, tokenizer) -> list[str]:
    spans = zip(documents.offsets[:-1], documents.offsets[1:], strict=True)
    return [tokenizer.decode(documents.tokens[a:b]) for a, b in spans]


def test_documents_are_the_rendered_records_in_order(version, tokenizer):
    documents = encode_version(version, tokenizer, max_length=1000, overflow="truncate")
    rendered = [
        tokenizer.apply_chat_template(
            [{"role": m["role"], "content": m["content"]} for m in row], tokenize=False
        )
        for row in version.table(["messages"]).column(0).to_pylist()
    ]
    assert texts(documents, tokenizer) == rendered
    assert documents.counts["tokens"] == documents.lengths.sum()
    assert documents.counts["supervised_tokens"] == documents.supervised.sum()
    assert not documents.supervised[documents.offsets[:-1]].any()


@pytest.mark.parametrize("overflow", ["truncate", "drop", "split"])
@pytest.mark.parametrize("max_length", [8, 30, 60])
def test_every_token_is_kept_or_counted(version, tokenizer, overflow, max_length):
    whole = encode_version(version, tokenizer, max_length=1000, overflow=overflow).counts
    documents = encode_version(version, tokenizer, max_length=max_length, overflow=overflow)
    counts = documents.counts
    assert counts["tokens"] + counts["truncated_tokens"] + counts["dropped_tokens"] == whole["tokens"]
    assert counts["trained_records"] + counts["dropped_records"] == version.num_rows
    assert documents.lengths.max(initial=0) <= max_length
    assert counts["too_long"] > 0
    if overflow != "truncate":
        assert counts["truncated_tokens"] == 0


def test_split_documents_join_to_the_record(version, tokenizer):
    documents = encode_version(version, tokenizer, max_length=60, overflow="split")
    whole = encode_version(version, tokenizer, max_length=1000, overflow="split")
    pieces = texts(documents, tokenizer)
    for record in np.unique(documents.records):
        mine = [p for p, r in zip(pieces, documents.records, strict=True) if r == record]
        assert all(piece in texts(whole, tokenizer)[record] for piece in mine)


def test_records_without_a_sound_mask_are_named_with_their_reasons(tmp_path, tokenizer):
    chats = sums(8)
    chats[2] = [("user", "Hello?")]
    chats[5] = [("system", "x"), ("user", "y")]
    version = write_sft_version(tmp_path, chats)
    ids = version.table(["id"]).column(0).to_pylist()
    with pytest.raises(TrainError) as caught:
        encode_version(version, tokenizer, max_length=100, overflow="truncate")
    assert str(caught.value) == (
        f"{version.ref}: 2 of 8 records have no sound loss mask (2 x no assistant turn); "
        f"records {ids[2]}, {ids[5]}; drop them in the mixture or use another chat template"
    )


def test_tool_calls_are_parsed_before_the_template_sees_them(tmp_path, tokenizer):
    calls = json.dumps([{"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}])
    messages = [
        {"role": "user", "content": "Add.", "tool_calls": None},
        {"role": "assistant", "content": None, "tool_calls": calls},
    ]
    version = write_messages_version(tmp_path, [(messages, json.dumps([{"type": "function"}]))])
    documents = encode_version(version, tokenizer, max_length=400, overflow="drop")
    learned = tokenizer.decode(documents.tokens[documents.supervised])
    assert learned == calls + "<|end|>"


def test_a_version_of_another_kind_is_refused(version, tokenizer):
    other = dataclasses.replace(version, manifest=version.manifest.model_copy(update={"kind": "rlvr"}))
    with pytest.raises(TrainError, match="reads versions of kind 'sft', found 'rlvr'"):
        encode_version(other, tokenizer, max_length=100, overflow="drop")


def test_a_tokenizer_without_a_chat_template_is_refused(version):
    tokenizer = AutoTokenizer.from_pretrained(TINY)
    tokenizer.chat_template = None
    with pytest.raises(TrainError, match="has no chat template; add one"):
        load_documents(version, tokenizer, max_length=100, overflow="drop")


def test_the_cache_returns_the_same_documents_without_tokenising(version, tokenizer, monkeypatch):
    first = load_documents(version, tokenizer, max_length=50, overflow="split")
    monkeypatch.setattr(token_cache, "encode_version", None)
    again = load_documents(version, tokenizer, max_length=50, overflow="split")
    fresh = encode_version(version, tokenizer, max_length=50, overflow="split")
    for documents in (first, again):
        assert isinstance(documents.tokens, np.memmap)
        for name in ("tokens", "supervised", "offsets", "records"):
            assert np.array_equal(getattr(documents, name), getattr(fresh, name))
        assert documents.counts == fresh.counts


def test_the_cache_key_holds_everything_that_decides_the_tokens(version, tokenizer):
    other = AutoTokenizer.from_pretrained(TINY)
    other.chat_template = other.chat_template + " "
    more = AutoTokenizer.from_pretrained(TINY)
    more.add_tokens(["apples"])
    keys = [
        cache_folder(version, t, max_length=length, overflow=overflow)
        for t, length, overflow in [
            (tokenizer, 50, "drop"), (tokenizer, 51, "drop"), (tokenizer, 50, "split"),
            (other, 50, "drop"), (more, 50, "drop"),
        ]
    ]  # fmt: skip
    assert len(set(keys)) == 5
    assert keys[0] == cache_folder(
        version, AutoTokenizer.from_pretrained(TINY), max_length=50, overflow="drop"
    )


def test_a_damaged_cache_entry_is_not_used(version, tokenizer):
    folder = cache_folder(version, tokenizer, max_length=44, overflow="drop")
    load_documents(version, tokenizer, max_length=44, overflow="drop")
    assert folder is not None
    (folder / "tokens.npy").unlink()
    assert len(load_documents(version, tokenizer, max_length=44, overflow="drop")) > 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_that_cannot_be_written_keeps_documents_in_memory(tmp_path, tokenizer):
    version = write_sft_version(tmp_path, sums(4))
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert len(load_documents(version, tokenizer, max_length=100, overflow="drop")) == 4
    tmp_path.chmod(stat.S_IRWXU)


def test_a_store_whose_cache_is_no_folder_keeps_documents_in_memory(tmp_path, tokenizer):
    version = write_sft_version(tmp_path, sums(4))
    (tmp_path / "cache").write_text("in the way")
    assert len(load_documents(version, tokenizer, max_length=100, overflow="drop")) == 4
