"""Arrow schemas of the three kinds of record: sft, preference, rlvr.

A record is content (what a model learns from, and the only thing its id depends on) plus
provenance (where it came from). This module holds types alone: no I/O, no text rules.
"""

import pyarrow as pa

from tulu_data import kinds

Kind = kinds.Kind
KINDS = kinds.KINDS
Role = kinds.Role
ROLES = kinds.ROLES

TEXT = pa.large_string()
"""Text everywhere: 64-bit offsets, because a Tulu-sized mixture passes 2 GiB."""

MESSAGE = pa.struct([("role", TEXT), ("content", TEXT), ("tool_calls", TEXT)])
"""One chat message; `tool_calls` is a JSON array in the OpenAI form, or null."""

MESSAGES = pa.list_(MESSAGE)

CONTENT: dict[Kind, pa.Schema] = {
    "sft": pa.schema([("messages", MESSAGES), ("tools", TEXT)]),
    "preference": pa.schema([("prompt", MESSAGES), ("chosen", MESSAGES), ("rejected", MESSAGES)]),
    "rlvr": pa.schema([("messages", MESSAGES), ("ground_truth", TEXT), ("verifier", TEXT)]),
}
"""Content columns by kind, in the order in which a record id reads them.

`tools` is a JSON array of tool definitions or null. `chosen` and `rejected` are the completions
alone, never the prompt again. `ground_truth` is text, JSON where a verifier wants structure.
"""

PROVENANCE = pa.schema([("source", TEXT), ("origin", TEXT), ("copy", pa.int32())])
"""`source` is the mixture's name for it, `origin` is `file:row` (1-based), `copy` counts epochs from 0."""

ID = pa.field("id", TEXT)
"""32 hexadecimal digits: the first 16 bytes of a sha256 over the content columns."""


def normalised_schema(kind: Kind) -> pa.Schema:
    """Return what adapters deliver: id, content columns, row (1-based position in the source file)."""
    return pa.schema([ID, *CONTENT[kind], pa.field("row", pa.int64())])


def version_schema(kind: Kind) -> pa.Schema:
    """Return what a stored version holds: id, content columns, provenance columns."""
    return pa.schema([ID, *CONTENT[kind], *PROVENANCE])


def kind_of(schema: pa.Schema) -> Kind | None:
    """Return the kind whose content columns `schema` holds with these very types, or None."""
    for kind in KINDS:
        wanted = CONTENT[kind]
        if all(f.name in schema.names and schema.field(f.name).type == f.type for f in wanted):
            return kind
    return None
