"""open-instruct's mixer lists: datasets, each with a number that is rows or a share.

The one idea: there a number with a point is a share and one without is rows, so `1` is one row and `1.0` all
of them. Here the two are different keys, and each number is written down as what it meant there. Lists stand
in a YAML config or in the arguments of a script.
"""

import io
import json
import re
import shlex
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from tulu_data.errors import SpecError
from tulu_data.imports.amounts import exactly, narrowed, part_of, rows_of
from tulu_data.imports.draft import Draft, Entry, split_of, uri_of
from tulu_data.schema import Kind
from tulu_data.specs.base import shown
from tulu_data.specs.document import Document, KeyPath, Place, parse_document, read_document

_LISTS = ("dataset_mixer_list", "mixer_list", "dataset_mixer", "train_dataset_mixer_list")
_FLAG = re.compile(r"--(?:dataset_)?mixer(?:_list)?\b|--dataset_mixer")
_EVAL = ("dataset_mixer_eval_list", "eval_dataset_mixer_list")
_KINDS: tuple[tuple[str, Kind], ...] = (
    ("preference", "preference"), ("dpo", "preference"), ("rlvr", "rlvr"), ("grpo", "rlvr"), ("ppo", "rlvr"),
)  # fmt: skip
_Word = tuple[str, Place]
"""A word of a script, and where it stands."""
_DATA_KEYS = re.compile(
    r"dataset|transform|max_train_samples|mixer|max_seq_length|token_length|ground_truths"
)


def read_open_instruct(file: Path, base: Path, kind: Kind | None) -> Draft:
    """Read a YAML config, or a script whose command has a mixer list; raise SpecError without one."""
    entry = _script(file) if file.suffix in (".sh", ".bash", ".txt") else _config(file)
    draft = Draft(kind=kind or _kind_of(entry, file))
    given = [name for name in _LISTS if entry.get(name) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise SpecError([f"{file}: expected one of {', '.join(_LISTS)}, found {found}"])
    splits = _splits(entry)
    pairs = list(_pairs(entry, given[0]))
    # There a list of splits is as long as that of datasets and numbers, and those beside numbers say nothing.
    splits = splits[::2] if len(splits) == 2 * len(pairs) else splits
    for index, (place, dataset, amount) in enumerate(pairs):
        split = splits[index] if len(splits) == len(pairs) else splits[0]
        _add(draft, entry, (given[0], *place), dataset, amount, split, base)
    if len(splits) not in (1, len(pairs)):
        text = f"{len(splits)} splits for {len(pairs)} datasets; each got the first, {splits[0]!r}"
        draft.left.append(entry.said("dataset_mixer_list_splits", text))
    draft.take_seed(entry)
    _leave(draft, entry)
    return draft


def _config(file: Path) -> Entry:
    """Read a YAML config; one that is text with flags is a script all the same."""
    try:
        document = read_document(file)
    except SpecError:
        if file.is_file() and _FLAG.search(file.read_text("utf-8", "replace")):
            return _script(file)
        raise
    if isinstance(document.data, dict):
        return Entry(document=document, path=(), values={str(k): v for k, v in document.data.items()})
    if isinstance(document.data, str) and _FLAG.search(document.data):
        return _script(file)
    raise SpecError([document.problem((), f"expected keys and values, found {shown(document.data)}")])


def _script(file: Path) -> Entry:
    """Read the arguments of the one command of a script that has a mixer list."""
    found = [(line, words) for line, words in _commands(file) if any(_FLAG.match(word) for word, _ in words)]
    if len(found) != 1:
        lines = ", ".join(str(line) for line, _ in found) or "none"
        text = f"expected one command with --dataset_mixer_list, found {len(found)} (lines: {lines})"
        raise SpecError([f"{file}:1:1 {text}; keep the one to import"])
    line, words = found[0]
    values, places = _arguments(words)
    document = Document(name=str(file), data=values, values={(): Place(line, 1), **places}, keys=places)
    return Entry(document=document, path=(), values={**values, "command": " ".join(w for w, _ in words)})


def _commands(file: Path) -> Iterator[tuple[int, list[_Word]]]:
    """Yield the commands of a script as words with their places, each with the line that it begins in."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError([f"{file}:1:1 cannot be read ({error})"]) from None
    start, parts = 1, list[str]()
    for number, line in enumerate(lines, start=1):
        start = number if not parts else start
        parts.append(line.rstrip().removesuffix("\\"))
        if line.rstrip().endswith("\\") and number < len(lines):
            continue
        command, parts = parts, []
        try:
            yield start, list(_words(command, start))
        except ValueError as error:
            if _FLAG.search(" ".join(command)):
                raise SpecError([f"{file}:{start}:1 not a command that can be read ({error})"]) from None


def _words(parts: Sequence[str], line: int) -> Iterator[_Word]:
    """Yield the words of a command whose lines are given, as a shell reads them, with their places."""
    text = " ".join(parts)
    starts = list(accumulate((len(part) + 1 for part in parts), initial=0))
    stream = io.StringIO(text)
    lexer = shlex.shlex(stream, posix=True)
    lexer.whitespace_split = True
    at = 0
    for word in lexer:
        while text[at].isspace():
            at += 1
        which = bisect_right(starts, at) - 1
        yield word, Place(line + which, at - starts[which] + 1)
        at = stream.tell()


def _arguments(words: Sequence[_Word]) -> tuple[dict[str, Any], dict[KeyPath, Place]]:
    """Return what follows each flag: a text, a list where there are several, true where there is none.

    And the place of each flag, and of each text that follows it.
    """
    found: dict[str, list[str]] = {}
    places: dict[KeyPath, Place] = {}
    name, current = "", list[str]()
    for word, place in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            current = found.setdefault(name, [])
            current += [value] if equals else []
            places.setdefault((name,), place)
        else:
            places[name, len(current)] = place
            current.append(word)
    values = {n: texts if len(texts) > 1 else texts[0] if texts else True for n, texts in found.items()}
    return values, places


def _kind_of(entry: Entry, file: Path) -> Kind:
    """Tell the kind of records by the transforms, the command or the file's name; sft where nothing tells."""
    transforms = json.dumps([entry.values.get("dataset_transform_fn"), entry.values.get("transform_fn")])
    command = str(entry.values.get("command", ""))
    for text in (transforms, command, file.stem):
        for word, kind in _KINDS:
            if word in text.lower():
                return kind
    return "sft"


def _splits(entry: Entry) -> list[str]:
    """Return the splits that are named; train where none is."""
    return entry.texts("dataset_mixer_list_splits") or entry.texts("dataset_splits") or ["train"]


def _pairs(entry: Entry, key: str) -> Iterator[tuple[KeyPath, str, Any]]:
    """Yield each dataset with its number and its place below the key; raise SpecError for an odd list."""
    said = entry.values[key]
    is_text = isinstance(said, str)
    if is_text:
        said = parse_document(said, key).data if said.lstrip().startswith("{") else said.split()
    if isinstance(said, Mapping):
        yield from ((() if is_text else (str(name),), str(name), amount) for name, amount in said.items())
        return
    if not isinstance(said, list) or len(said) % 2:
        text = f"expected a dataset and a number in turn, found {shown(said)}"
        raise SpecError([entry.said(key, text)])
    yield from ((() if is_text else (i,), str(said[i]), said[i + 1]) for i in range(0, len(said), 2))


def _add(
    draft: Draft, entry: Entry, place: KeyPath, dataset: str, amount: Any, split: str, base: Path
) -> None:
    """Add a dataset of the list."""
    problem = entry.document.problem
    uri = uri_of(dataset, base, Path(entry.document.name).parent)
    if uri is None:
        text = f"dataset {dataset!r} is no owner/name of the hub and no file that is there; left out"
        draft.left.append(problem(place, text))
        return
    take, note = _take(amount)
    if take is None:
        draft.left.append(problem(place, f"{dataset}: {note}; left out"))
        return
    plain, cut = split_of(split)
    part = part_of(cut) if cut is not None else None
    if cut is not None:
        take, told = _narrow(take, part)
        draft.left.append(entry.said("dataset_mixer_list_splits", f"{split!r} of {dataset}: {told}"))
    if "rows" in take and not part:
        take = exactly(take["rows"], rows_of(uri, base))
    named = plain if uri.startswith("hf://") and plain != "train" else None
    source = draft.add(dataset, {"uri": uri, "split": named, "take": take})
    source.notes += [note] if note else []


def _narrow(take: dict[str, Any], part: dict[str, Any] | None) -> tuple[dict[str, Any], str]:
    """Return how much of a whole dataset is taken where a split has a slice, and what that is."""
    narrow = narrowed(take, part) if part else None
    if narrow is None:
        return take, "its slice; say how much with take"
    return narrow, "its slice takes certain rows there; here as many are drawn"


def _take(amount: Any) -> tuple[dict[str, Any] | None, str | None]:
    """Return how much a number means, and what a person should know of it."""
    text = str(amount)
    try:
        number: float = float(text)
    except ValueError:
        return None, f"expected a number, found {shown(amount)}"
    # What is written tells, as it did there: a point makes a share.
    if not isinstance(amount, float) and re.fullmatch(r"[0-9]+", text):
        if int(text) == 1:
            return {"rows": 1}, "`1` is one row there, as it is here; all of them would have been 1.0"
        return {"rows": int(text)}, None
    if number <= 0:
        return {"rows": 0}, None
    if number == 1:
        return {"all": True}, None
    if number < 1:
        return {"fraction": number}, None
    note = f"{text} is a share above one; read as so many copies of every record"
    return {"epochs": min(number, 100.0)}, note


def _leave(draft: Draft, entry: Entry) -> None:
    """Name what is not carried over: what is about data one by one, settings of training in one line."""
    entry.used.update(("command", *_EVAL))
    for key in _EVAL:
        if entry.values.get(key) is not None:
            draft.left.append(
                entry.said(key, "datasets for evaluation; import them as a mixture of their own")
            )
    rest = entry.rest()
    for key in rest:
        if key.endswith("transform_fn"):
            text = (
                f"{shown(entry.values[key])}: how chats are rendered and cut is the trainer's business; rows "
                "that fit no layout are quarantined, and further filters are steps"
            )
            draft.left.append(entry.said(key, text))
        elif key == "max_train_samples":
            text = f"{entry.values[key]} rows of the whole; share them out with size and weights"
            draft.left.append(entry.said(key, text))
        elif _DATA_KEYS.search(key):
            draft.left.append(entry.said(key, "has no equivalent in a mixture"))
    training = [key for key in rest if not _DATA_KEYS.search(key)]
    if training:
        text = f"settings of training, of which a mixture has none: {', '.join(training)}"
        draft.left.append(f"{entry.document.name}: {text}")
