"""Versions of any kind for tests: rows as dicts, written by the real writer, and read back as dicts."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from tulu_data.kernels.id_words import id_words
from tulu_data.kernels.record_ids import record_ids
from tulu_data.schema import CONTENT, TEXT, Kind, version_schema
from tulu_data.store import Draft, Manifest, SourceEntry, Store, Version, write_version
from tulu_data.store.content_id import content_id

Row = dict[str, Any]


def say(role: str, content: str, calls: object = None) -> Row:
    return {"role": role, "content": content, "tool_calls": None if calls is None else json.dumps(calls)}


def pair(prompt: str, chosen: str, rejected: str) -> Row:
    answers = {"chosen": [say("assistant", chosen)], "rejected": [say("assistant", rejected)]}
    return {"prompt": [say("user", prompt)], **answers}


def stored(
    root: Path, kind: Kind, rows: Sequence[Row], *, batch: int = 7, spec: Mapping[str, Any] | None = None,
    **more: Any,
) -> Version:  # fmt: skip
    """Write a version of rows: content, with `source` where it is not `s`."""
    content = pa.RecordBatch.from_pylist(
        [{f.name: row.get(f.name) for f in CONTENT[kind]} for row in rows], CONTENT[kind]
    )
    named = [row.get("source", "s") for row in rows]
    names = sorted({*named, *(spec or {}).get("sources", ())}) or ["s"]
    copies = np.array([row.get("copy", 0) for row in rows], np.int32)
    provenance = [
        pa.array(named, TEXT), pa.array([f"{s}.jsonl:{i + 1}" for i, s in enumerate(named)], TEXT),
        pa.array(copies, pa.int32()),
    ]  # fmt: skip
    ids = record_ids(content, kind)
    whole = pa.RecordBatch.from_arrays([ids, *content.columns, *provenance], schema=version_schema(kind))
    at = np.array([names.index(s) for s in named], np.int64)
    counts = np.bincount(at, minlength=len(names)).tolist()
    settings = {
        "name": "d", "kind": kind, "recipe_id": "r" * 64, "rows": len(rows), "created": "2030-01-01T00:00:00",
        "content_id": content_id(kind, id_words(ids), names, at, copies), "shards": (),
        "sources": tuple(
            SourceEntry(name=s, uri=f"{s}.jsonl", read=n, not_drawn=0, kept=n, rows=n)
            for s, n in zip(names, counts, strict=True)
        ),
        "software": {"tulu-data": "0"},
    }  # fmt: skip
    manifest = Manifest(**settings | more)
    text = yaml.safe_dump(dict(spec or {"version": 1}), sort_keys=False)
    draft = Draft(
        manifest=manifest, inputs_id="i" * 64,
        files={"spec.yaml": text, "lock.yaml": "{}\n", "README.md": "# d\n"}, tables={},
    )  # fmt: skip
    batches = [whole.slice(start, batch) for start in range(0, len(rows), batch)]
    return write_version(Store(root), draft, batches)
