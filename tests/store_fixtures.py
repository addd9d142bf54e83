"""Versions for tests: a draft with records, written by the real writer."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from tulu_data.kernels.id_words import id_words
from tulu_data.kernels.record_ids import record_ids
from tulu_data.schema import CONTENT, version_schema
from tulu_data.store import Draft, Manifest, SourceEntry, Store, Version, write_version
from tulu_data.store.content_id import content_id

DROPPED = ("id", "source", "origin", "step", "reason", "evidence")


def batch_of(texts: list[str], source: str = "s") -> pa.RecordBatch:
    """Return version records, one for each text."""
    turns = [
        [{"role": "user", "content": text, "tool_calls": None}, {"role": "assistant", "content": "Yes."}]
        for text in texts
    ]
    content = pa.RecordBatch.from_pylist([{"messages": t, "tools": None} for t in turns], CONTENT["sft"])
    count = len(texts)
    provenance = [
        pa.array([source] * count, pa.large_string()),
        pa.array([f"{source}.jsonl:{i + 1}" for i in range(count)], pa.large_string()),
        pa.array([0] * count, pa.int32()),
    ]
    columns = [record_ids(content, "sft"), *content.columns, *provenance]
    return pa.RecordBatch.from_arrays(columns, schema=version_schema("sft"))


def draft_of(
    batches: list[pa.RecordBatch], name: str = "d", time: str = "2030-01-01", **more: object
) -> Draft:
    """Return the draft of a version that holds these batches."""
    table = pa.Table.from_batches(batches, version_schema("sft"))
    sources = sorted(set(table["source"].to_pylist()))
    at = table["source"].combine_chunks().dictionary_encode()
    order = [at.dictionary.to_pylist().index(s) for s in sources]
    numbers = [order.index(i) for i in at.indices.to_pylist()]
    import numpy as np

    found = content_id("sft", id_words(table["id"]), sources, np.array(numbers), table["copy"].to_numpy())
    entries = tuple(
        SourceEntry(
            name=s, uri=s, read=numbers.count(i), not_drawn=0, kept=numbers.count(i), rows=numbers.count(i)
        )
        for i, s in enumerate(sources)
    )
    manifest = Manifest(
        **{
            "name": name, "kind": "sft", "content_id": found, "recipe_id": "r" * 64, "rows": table.num_rows,
            "created": time, "shards": (), "sources": entries, **more,
        }
    )  # fmt: skip
    return Draft(
        manifest=manifest, inputs_id="i" * 64,
        files={"spec.yaml": "version: 1\n", "lock.yaml": "{}\n", "README.md": "# d\n"},
        tables={"dropped.parquet": pa.table({name: pa.array([], pa.large_string()) for name in DROPPED})},
    )  # fmt: skip


def written(store: Store, texts: list[str], **more: object) -> Version:
    """Write a version of records with these texts, ten a batch."""
    batches = list(in_batches(texts))
    return write_version(store, draft_of(batches, **more), batches)


def in_batches(texts: list[str], size: int = 10) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(texts), size):
        yield batch_of(texts[start : start + size])


def tree(store: Store) -> dict[str, bytes]:
    """Return every file of a store but locks, by path."""
    root: Path = store.root
    files = [p for p in sorted(root.rglob("*")) if p.is_file() and p.name != ".lock"]
    return {str(p.relative_to(root)): p.read_bytes() for p in files}
