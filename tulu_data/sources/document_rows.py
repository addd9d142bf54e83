"""The rows of a JSON document as the stretches of text that they are.

The one idea: rows are numbered as the reader of documents numbers them, and a document with fewer of
them is the same text around fewer stretches. It decides nothing and writes nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from tulu_data.sources.json_documents import has_line_rows, rows_key, skip_space, walk_array
from tulu_data.sources.json_lines import BOM

_COMMA = ",\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRows:
    """The rows of a document, and what stands around and between them."""

    before: str
    rows: Sequence[str]
    between: str
    after: str

    def document(self, rows: Sequence[str]) -> str:
        """Return the document with some of its rows."""
        return f"{self.before}{self.between.join(rows)}{self.after}"


def document_rows(body: bytes) -> DocumentRows | None:
    """Take a document apart; None where its lines are its rows."""
    if has_line_rows(body):
        return None
    text = body.decode("utf-8", "backslashreplace")
    start = len("\ufeff") if body.startswith(BOM) else 0
    if not text[start:].strip():
        return DocumentRows(before="", rows=(), between="", after="")
    bracket = _bracket(text, start)
    if bracket is None:
        return DocumentRows(before="", rows=(text,), between=_COMMA, after="")
    found = list(walk_array(text, bracket))
    if not found:
        return DocumentRows(before=text, rows=(), between=_COMMA, after="")
    between = text[found[0].end : found[1].start] if len(found) > 1 else _COMMA
    after = text[found[-1].end :]
    return DocumentRows(
        before=text[: found[0].start],
        rows=[text[element.start : element.end].rstrip(", \t\r\n") for element in found],
        between=between if between.strip() == "," else _COMMA,
        after=after if "]" in after else "\n]\n",
    )


def _bracket(text: str, start: int) -> int | None:
    """Return where the array of rows opens; None where the document is a single row."""
    at = skip_space(text, start)
    if text[at : at + 1] == "[":
        return at
    try:
        key = rows_key(orjson.loads(text[start:]))
    except orjson.JSONDecodeError:
        return None
    if key is None:
        return None
    decoder = json.JSONDecoder()
    found, at = None, skip_space(text, at + 1)
    while text[at] != "}":
        name, end = decoder.raw_decode(text, at)
        value = skip_space(text, skip_space(text, end) + 1)
        found = value if name == key else found
        at = skip_space(text, decoder.raw_decode(text, value)[1])
        at = skip_space(text, at + 1) if text[at] == "," else at
    return found
