"""A .json file to raw rows: an array, an object around one list of rows, or JSON lines after all.

The one idea: an array that breaks in the middle loses the broken element and nothing else. The
document is held in memory whole; JSON lines under this name are streamed.
"""

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from tulu_data.errors import SourceError
from tulu_data.sources.archives import TruncatedArchiveError
from tulu_data.sources.json_lines import BOM, read_json_lines, split_lines
from tulu_data.sources.json_values import BadJsonError, Row, batch_of_rows, check_text, json_word, parse_row
from tulu_data.sources.rows import RAW_LIMIT, BadRow, RawBatch

BATCH_ROWS = 8192
_ROW_COLUMNS = {
    "messages", "conversations", "conversation", "prompt", "completion", "chosen", "rejected", "history",
    "tools", "chosen_messages", "rejected_messages",
}  # fmt: skip
"""Lists of objects under these keys belong to one row; they are not lists of rows."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n]*")
_NEXT_OBJECT = re.compile(r"[,\n]\s*(?=\{)")
_decoder = json.JSONDecoder(parse_constant=lambda word: None if word == "NaN" else float(word))


def read_json_document(
    chunks: Iterable[bytes], name: str, only: frozenset[str] | None = None
) -> Iterator[RawBatch]:
    """Yield the rows of a .json file, whichever of its layouts it has."""
    stream = iter(chunks)
    head = bytearray()
    torn: TruncatedArchiveError | None = None
    try:
        while not head.strip(BOM + b" \t\r\n") or (head.lstrip()[:1] == b"{" and b"\n" not in head.lstrip()):
            head += next(stream)
    except StopIteration:
        stream = iter(())
    except TruncatedArchiveError as error:
        torn, stream = error, iter(())
    if torn is None and _first_line_is_row(bytes(head)):
        # The first line is a whole object: lines, or a file of one row.
        yield from read_json_lines(itertools.chain([bytes(head)], stream), only)
        return
    body, torn = _rest(bytes(head).removeprefix(BOM), stream, torn)
    yield from _whole(body, name, torn, only)


def _rest(
    head: bytes, stream: Iterator[bytes], torn: TruncatedArchiveError | None
) -> tuple[bytes, TruncatedArchiveError | None]:
    """Read what is left of a document; keep what an archive gave before its tear."""
    pieces = [head]
    try:
        pieces.extend(stream)
    except TruncatedArchiveError as error:
        torn = error
    except MemoryError:
        raise SourceError("too large for one JSON array; write it as JSON lines (.jsonl)") from None
    return b"".join(pieces), torn


def has_line_rows(body: bytes) -> bool:
    """Tell whether the rows of a whole document are its lines."""
    if _first_line_is_row(body):
        return True
    text = body.removeprefix(BOM)
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return text.lstrip()[:1] != b"[" and any(_is_row(line) for line in split_lines(text))
    return False


def _first_line_is_row(body: bytes) -> bool:
    start = body.removeprefix(BOM).lstrip()
    return start[:1] == b"{" and b"\n" in start and _is_row(start.partition(b"\n")[0])


def _is_row(line: bytes) -> bool:
    try:
        parse_row(line)
    except BadJsonError:
        return False
    return True


def _whole(
    body: bytes, name: str, torn: TruncatedArchiveError | None, only: frozenset[str] | None
) -> Iterator[RawBatch]:
    """Yield the rows of a document that is in memory."""
    if not body.strip() and torn is None:
        return
    try:
        elements: list[Any] = _elements(orjson.loads(body), name)
        numbers = list(range(1, len(elements) + 1))
        bad: list[BadRow] = []
    except orjson.JSONDecodeError:
        if body.lstrip()[:1] != b"[":
            yield from _broken_object(body, torn, only)
            return
        elements, numbers, bad = _recover(body, torn)
    yield from _batches(elements, numbers, bad, only)


def _elements(document: object, name: str) -> list[Any]:
    """Return the rows of a parsed document; raise SourceError when it is not clear which they are."""
    if isinstance(document, list):
        return document
    if not isinstance(document, dict):
        raise SourceError(f"{name}: expected an array or an object, found {json_word(document)}")
    lists = _row_lists(document)
    if len(lists) > 1:
        raise SourceError(
            f"{name}: an object with several lists of rows ({', '.join(sorted(lists))}); "
            "keep one of them in the file"
        )
    return list(document[lists[0]]) if lists else [document]


def rows_key(document: object) -> str | None:
    """Return the key under which a parsed document holds its rows; None where it is a row itself."""
    lists = _row_lists(document) if isinstance(document, dict) else []
    return lists[0] if lists else None


def _row_lists(document: dict[str, Any]) -> list[str]:
    """Return the keys of an object that hold lists of rows."""
    if not _ROW_COLUMNS.isdisjoint(document):
        return []
    return [
        k for k, v in document.items() if isinstance(v, list) and v and all(isinstance(e, dict) for e in v)
    ]


def _broken_object(
    body: bytes, torn: TruncatedArchiveError | None, only: frozenset[str] | None
) -> Iterator[RawBatch]:
    """Read a document that is no valid object as JSON lines, or as one broken row."""
    if not any(_is_row(line) for line in split_lines(body)):
        try:
            parse_row(body)
        except BadJsonError as error:
            reason, detail = ("truncated archive", str(torn)) if torn else (error.reason, error.detail)
            raw = body[:RAW_LIMIT].decode("utf-8", "backslashreplace")
            yield batch_of_rows([], [], [BadRow(row=1, reason=reason, detail=detail, raw=raw)], only)  # type: ignore[arg-type]
        else:
            yield batch_of_rows([parse_row(body)], [1], (), only)
        return
    yield from read_json_lines(_then_raise([body], torn), only)


def _then_raise(chunks: Iterable[bytes], torn: TruncatedArchiveError | None) -> Iterator[bytes]:
    yield from chunks
    if torn is not None:
        raise torn


@dataclass(frozen=True, slots=True)
class Element:
    """A stretch of text that is an element of an array, whole or broken."""

    start: int
    end: int
    value: Any
    problem: tuple[Any, str] | None
    """Reason and detail, of a broken one."""


def walk_array(text: str, bracket: int) -> Iterator[Element]:
    """Yield the elements of the array that opens at `bracket`, however broken they are."""
    good: list[Any] = []
    position = skip_space(text, bracket + 1)
    while position < len(text) and text[position] != "]":
        value, problem = None, None
        try:
            value, end = _decoder.raw_decode(text, position)
            good.append(check_text(value))
        except BadJsonError as error:
            problem = (error.reason, error.detail)
        except (json.JSONDecodeError, RecursionError) as error:
            end = _resume(text, position, good)
            at = "too deep"
            if isinstance(error, ValueError):
                at = f"{error.msg.removesuffix(' at')} at character {error.pos + 1}"
            problem = ("broken json", at)
        yield Element(position, end, value, problem)
        position = _after(text, end)


def _after(text: str, end: int) -> int:
    """Return where the element after one that ends at `end` begins."""
    position = skip_space(text, end)
    return skip_space(text, position + 1) if text[position : position + 1] == "," else position


def _recover(body: bytes, torn: TruncatedArchiveError | None) -> tuple[list[Any], list[int], list[BadRow]]:
    """Walk a broken array element by element, keeping the good ones."""
    text = body.decode("utf-8", "backslashreplace")
    elements: list[Any] = []
    numbers: list[int] = []
    bad: list[BadRow] = []
    bracket, number = text.index("["), 0
    position = skip_space(text, bracket + 1)
    for number, found in enumerate(walk_array(text, bracket), start=1):
        position = _after(text, found.end)
        if found.problem is None:
            elements.append(found.value)
            numbers.append(number)
        else:
            bad.append(_bad_element(number, *found.problem, text[found.start : found.end]))
    if torn is not None:
        # What was broken by the tear is the row that it tore; after a whole one it tore the next.
        number = bad.pop().row if bad and bad[-1].row == number else number + 1
        bad.append(BadRow(row=number, reason="truncated archive", detail=str(torn), raw=""))
    elif position >= len(text) and not text.rstrip().endswith("]"):
        # What was broken by the end is the element that it cut.
        cut = bad.pop() if bad and bad[-1].row == number else None
        raw = cut.raw if cut else ""
        where = cut.row if cut else number + 1
        bad.append(_bad_element(where, "truncated file", "the array has no closing bracket", raw))
    return elements, numbers, bad


def _bad_element(number: int, reason: Any, detail: str, raw: str) -> BadRow:
    return BadRow(row=number, reason=reason, detail=detail, raw=raw[:RAW_LIMIT])


def skip_space(text: str, position: int) -> int:
    """Return where the next character that is no space stands."""
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _resume(text: str, start: int, good: Sequence[Any]) -> int:
    """Return the position after a broken element: where its brackets close, or where a like row begins.

    Whichever comes first: a stray quote turns text inside out, so that brackets close too late.
    """
    known = [row.keys() for row in good[:64] if isinstance(row, dict)]
    closing = _closing(text, start) if text[start] == "{" else len(text)
    return min(closing, _like_row(text, start, known) if known or closing == len(text) else len(text))


def _closing(text: str, start: int) -> int:
    """Return the position after the bracket that closes the one at `start`."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        word = token.group()
        depth += 1 if word in "{[" else -1 if word in "}]" else 0
        if depth == 0 and word in "}]":
            after = skip_space(text, token.end())
            return token.end() if text[after : after + 1] in (",", "]", "") else len(text)
    return len(text)


def _like_row(text: str, start: int, known: Sequence[Any]) -> int:
    """Return where the next object begins that has the keys of a row read before."""
    for candidate in _NEXT_OBJECT.finditer(text, start):
        try:
            value, _ = _decoder.raw_decode(text, candidate.end())
        except (json.JSONDecodeError, RecursionError):
            continue
        if not known or value.keys() in known:
            return candidate.end()
    return len(text)


def _batches(
    elements: list[Any], numbers: list[int], bad: list[BadRow], only: frozenset[str] | None
) -> Iterator[RawBatch]:
    """Cut elements into batches; elements that are no objects become bad rows."""
    for start in range(0, max(len(elements), 1), BATCH_ROWS):
        rows: list[Row] = []
        kept: list[int] = []
        wrong = bad if start == 0 else []
        for number, value in zip(
            numbers[start : start + BATCH_ROWS], elements[start : start + BATCH_ROWS], strict=True
        ):
            if isinstance(value, dict):
                rows.append(value)
                kept.append(number)
            else:
                detail = f"expected a JSON object, found {json_word(value)}"
                wrong.append(
                    BadRow(row=number, reason="not an object", detail=detail, raw=repr(value)[:RAW_LIMIT])
                )
        yield batch_of_rows(rows, kept, wrong, only)
