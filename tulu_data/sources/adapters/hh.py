r"""Transcripts as Anthropic's HH data has them: `\n\nHuman: ...\n\nAssistant: ...`.

The one idea: a transcript is split at its speakers' names and nowhere else. A pair of transcripts
gives a preference record with the shared turns as prompt; one transcript gives an sft record, but
only where the spec says which column it is.
"""

import re

import pyarrow as pa

from tulu_data.errors import SourceError
from tulu_data.schema import MESSAGES, TEXT, Kind
from tulu_data.sources.adapters.faults import Faults
from tulu_data.sources.adapters.layout import Content, Layout
from tulu_data.sources.adapters.pairs import check_pairs, split_shared
from tulu_data.sources.adapters.parts import Parts, text_column

_SPEAKER = re.compile(r"(?:^|\n\n)(Human|Assistant|System):")
_ROLES = {"Human": "user", "Assistant": "assistant", "System": "system"}


def read_hh(parts: Parts, faults: Faults, kind: Kind) -> Content:
    """Read transcripts into records of a kind."""
    if kind == "preference":
        sides = [read_transcripts(parts.need(p), parts.shown(p), faults) for p in ("chosen", "rejected")]
        content = split_shared(sides[0], sides[1])
        check_pairs(content, faults)
        return content
    part = next((p for p in ("text", "chosen") if p in parts.columns), "text")
    if parts.find(part) is None:
        raise SourceError(
            "adapter 'hh' for kind 'sft' reads one transcript a row; say which column it is: "
            f"columns: {{text: COLUMN}} (columns: {', '.join(sorted(parts.table.column_names))})"
        )
    return {
        "messages": read_transcripts(parts.need(part), parts.shown(part), faults),
        "tools": pa.nulls(faults.rows, TEXT),
    }


def read_transcripts(array: pa.Array, place: str, faults: Faults) -> pa.Array:
    """Read a column of transcripts into chats."""
    rows: list[list[dict[str, str | None]]] = []
    for index, text in enumerate(text_column(array, place, faults).to_pylist()):
        chat = _turns(text) if text is not None else []
        if text is not None and not chat:
            faults.add(index, "broken transcript", f"{place} does not begin with 'Human:' or 'Assistant:'")
        rows.append(chat)
    return pa.array(rows, MESSAGES)


def _turns(text: str) -> list[dict[str, str | None]]:
    """Split one transcript at its speakers; an empty list when it is none."""
    before, *rest = _SPEAKER.split(text)
    if before.strip() or not rest:
        return []
    return [
        {"role": _ROLES[speaker], "content": said.strip(), "tool_calls": None}
        for speaker, said in zip(rest[::2], rest[1::2], strict=True)
    ]


HH_LAYOUT = Layout(name="hh", read=read_hh)
