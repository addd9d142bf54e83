"""Evidence: why a filter would drop a record, as JSON; null where it would not.

The one idea: what a filter finds and why are one column, so a dropped record without a reason cannot be.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.filters.turns import Marks, Turns, marks
from tulu_data.schema import TEXT

EXCERPT = 200
"""Characters of what matched that evidence shows."""
_SPECIAL = re.compile(r"[^\w\x80-\U0010ffff]", re.ASCII)


def evidence(rows: int, found: Iterable[tuple[int, Mapping[str, Any]]]) -> pa.Array:
    """Return the evidence on `rows` records, given for those that are to be dropped."""
    texts: list[str | None] = [None] * rows
    for record, what in found:
        texts[record] = json.dumps(what, ensure_ascii=False)
    return pa.array(texts, TEXT)


def matched(
    turns: Turns, pattern: str, *, among: Marks | None = None, case: bool = False, groups: int = 0
) -> pa.Array:
    """Return as evidence the text of the first turn of each record that matches a pattern of RE2.

    `among` marks the turns that count; to leave out the others here is cheaper where the pattern soon fails.

    It is what the first `groups` groups of the pattern hold, or, of none, all that matches.
    """
    hit = marks(pc.match_substring_regex(turns.content, pattern, ignore_case=not case))
    first = turns.first_of_each(hit if among is None else hit & among)
    flags = "(?s)" if case else "(?si)"
    inner = "?:" if groups else ""
    shown_by = "".join(f"\\{k + 1}" for k in range(groups or 1))
    content = turns.content.take(pa.array(first))
    texts = pc.replace_substring_regex(content, f"{flags}^.*?({inner}{pattern}).*$", shown_by)
    shown = pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(texts, 0, EXCERPT)).to_pylist()
    rows = zip(turns.record[first].tolist(), turns.number[first].tolist(), shown, strict=True)
    return evidence(turns.rows, ((record, {"matched": text, "turn": turn}) for record, turn, text in rows))


def none(rows: int) -> pa.Array:
    """Return the evidence on records of which none is to be dropped."""
    return pa.nulls(rows, TEXT)


def dropped(found: pa.Array) -> Marks:
    """Return which records are to be dropped."""
    mask: Marks = found.is_valid().to_numpy(zero_copy_only=False)
    return mask


def literal(text: str) -> str:
    """Return the pattern of RE2 that matches a text as it is written, white space in any amount."""
    return r"\s+".join(_SPECIAL.sub(r"\\\g<0>", word) for word in text.split())
