"""Small suites and records for tests of the scan."""

import pyarrow as pa

from tulu_data.decontaminate import Suite, build_index
from tulu_data.decontaminate.scan import scan
from tulu_data.decontaminate.suites import INSTANCES
from tulu_data.schema import normalised_schema


def suite(questions, name="suite"):
    """Make a suite of questions (or rows); ids count from 1."""
    rows = [{"question": q} if isinstance(q, str) else q for q in questions]
    instances = [{"id": str(k + 1), "split": "test", **row} for k, row in enumerate(rows)]
    table = pa.Table.from_pylist(instances, schema=INSTANCES)
    return Suite(name=name, files=((f"evals/{name}.jsonl", "0" * 64),), instances=table)


def index_of(questions, rule="tulu3", **options):
    return build_index([suite(questions)], rule, **options)


def message(role, content):
    return {"role": role, "content": content, "tool_calls": None}


def record(turns, number=0):
    """Make an sft record: texts are user turns after a system turn, mappings are messages."""
    if turns and isinstance(turns[0], dict):
        messages = [message(m["role"], m["content"]) for m in turns]
    else:
        messages = [message("system", "Be kind."), *(message("user", t) for t in turns)]
    return {"id": f"{number:032x}", "messages": messages}


def batch(records, kind="sft"):
    """Make a batch of records; a list of turns is an sft record."""
    rows = [r if isinstance(r, dict) else record(r, k) for k, r in enumerate(records)]
    return pa.RecordBatch.from_pylist(rows, schema=normalised_schema(kind))


def scan_texts(questions, records, rule="tulu3", *, workers=1, batch_size=1000, **options):
    """Scan records given as lists of user turns against questions."""
    whole = batch(records)
    batches = [whole.slice(k, batch_size) for k in range(0, whole.num_rows, batch_size)]
    return scan(batches, "sft", index_of(questions, rule, **options), workers=workers)


def hit_set(hits):
    return set(zip(hits.table["record"].to_pylist(), hits.table["instance"].to_pylist(), strict=True))
