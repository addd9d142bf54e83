"""axolotl's configs: a list of datasets, each with a type that says how its rows are read.

The one idea: a type is a layout and a way to render it. The layout is carried over; rendering and what is
trained on belong to a trainer, so they are named as not carried over.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tulu_data.errors import SpecError
from tulu_data.imports.amounts import Take, at_most, part_of, rows_of, take_of
from tulu_data.imports.draft import Draft, DraftSource, Entry, entry_at, split_of, uri_of
from tulu_data.schema import Kind
from tulu_data.specs.base import shown
from tulu_data.specs.document import read_document

_RENDERING = (
    "chat_template", "chat_template_jinja", "roles_to_train", "train_on_eos", "train_on_eot",
    "train_on_inputs", "message_field_training", "message_field_training_detail", "drop_system_message",
    "conversation", "add_eos_token", "format", "no_input_format", "system_format",
)  # fmt: skip
_LOADING = ("trust_remote_code", "streaming", "preprocess_shards", "shards_idx")
_PAIRS: Mapping[str, dict[str, str]] = {
    "argilla": {"chosen": "chosen_response", "rejected": "rejected_response", "prompt": "instruction"},
    "argilla_chat": {}, "ultra": {}, "prompt_pairs": {}, "default": {},
    "intel": {"prompt": "question"}, "icr": {"prompt": "input"},
}  # fmt: skip
"""Columns of pairs by the second half of a type, where they differ from the usual."""
_NO_CHATS = {
    "completion": "plain text to go on with; records are chats",
    "input_output": "segments without roles; records are chats",
    "pretrain": "plain text to go on with; records are chats",
}
BY_HAND = "depends on how many rows there are; say how much with take"
_ROLES = {
    "system": {"system", "developer"}, "user": {"user", "human", "prompter"},
    "assistant": {"assistant", "gpt", "chatgpt", "bot", "model"},
    "tool": {"tool", "function", "observation", "function_response", "ipython"},
}  # fmt: skip


def read_axolotl(file: Path, base: Path, kind: Kind | None) -> Draft:
    """Read a config; raise SpecError where it names no datasets."""
    document = read_document(file)
    top = entry_at(document, (), document.data)
    listed = top.get("datasets") if top is not None else None
    if top is None or not isinstance(listed, list):
        raise SpecError(
            [document.problem((), "expected `datasets`, a list of datasets; is it an axolotl config?")]
        )
    said = top.text("rl")
    pairs = said in ("dpo", "ipo", "orpo", "simpo")
    draft = Draft(kind=kind or ("preference" if pairs else "sft"))
    if said is not None and not pairs:
        draft.left.append(
            top.said("rl", f"{said!r}: only pairs of answers (dpo, ipo, orpo, simpo) have a kind here")
        )
    for index, one in enumerate(listed):
        entry = entry_at(document, ("datasets", index), one)
        if entry is None:
            draft.left.append(document.problem(("datasets", index), f"{shown(one)} is no dataset; left out"))
        else:
            _add(draft, entry, base, file.parent)
    _whole(draft, top)
    return draft


def _whole(draft: Draft, top: Entry) -> None:
    """Carry over what is said of all datasets, and name the rest."""
    if top.get("dataset_exact_deduplication") is True:
        draft.steps.append("{step: dedup, key: conversation}")
    for key, text in (
        ("test_datasets", "datasets for evaluation; import them as a mixture of their own"),
        ("pretraining_dataset", "plain text to go on with; records are chats"),
    ):
        if top.get(key):
            draft.left.append(top.said(key, text))
    draft.keep_apart(top, "val_set_size")
    draft.take_seed(top)
    rest = top.rest()
    if rest:
        place = top.document.name
        draft.left.append(f"{place}: settings of training, of which a mixture has none: {', '.join(rest)}")


def _add(draft: Draft, entry: Entry, base: Path, folder: Path) -> None:
    """Add a dataset of the list, one source for each of its files where it names some."""
    path = entry.text("path") or ""
    keys, why = _layout(draft, entry)
    uris = _uris(entry, path, base, folder)
    if keys is None or not uris:
        reason = why or f"{path!r} is no owner/name of the hub and no file that is there"
        draft.left.append(entry.said(None, f"{reason}; left out"))
        return
    plain, cut = split_of(entry.text("split"))
    split = None if plain == "train" else plain
    configs: list[str | None] = [*entry.texts("name")] or [None]
    places = [(uri, config) for uri in uris for config in configs]
    part = part_of(cut) if cut is not None else None
    if part and "rows" in part and len(places) > 1:
        part = None  # they are rows of all of them in a row
    for uri, config in places:
        at_hub = {"revision": entry.text("revision"), "config": config, "split": split}
        named = at_hub if uri.startswith("hf://") else {}
        source = draft.add(uri.removeprefix("hf://"), {"uri": uri, **named, **keys})
        if why:
            source.notes.append(why)
        _amount(source, entry.count("shards") or 1, part, base)
    if cut is not None:
        some = "takes certain rows there; here as many are drawn"
        draft.left.append(entry.said("split", f"the slice [{cut}] {some if part else BY_HAND}"))
    entry.used.add("ds_type")  # the names of the files say it
    for key in entry.rest():
        loading = "how a dataset is loaded, not what is in it" if key in _LOADING else None
        rendered = "how chats are rendered and which turns are trained on is the trainer's business"
        text = rendered if key in _RENDERING else loading or "has no equivalent in a mixture"
        draft.left.append(entry.said(key, text))


def _amount(source: DraftSource, shards: int, part: Take | None, base: Path) -> None:
    """Carry over how much of a dataset is taken: a part, and of this one of so many shards."""
    take = part or take_of({})
    if "rows" in take:
        take = at_most(take["rows"], rows_of(source.keys["uri"], base))
    if shards > 1:
        how, much = next(iter(take.items()))
        take = {"rows": much // shards} if how == "rows" else {"fraction": round(much / shards, 12)}
        source.notes.append(f"one of {shards} shards of the shuffled rows there; here as many are drawn")
    if "all" not in take:
        source.keys["take"] = take


def _uris(entry: Entry, path: str, base: Path, folder: Path) -> list[str]:
    """Return what a dataset stands for: itself, or its data_files."""
    names = entry.texts("data_files")
    uri = uri_of(path, base, folder)
    if not names:
        return [uri] if uri else []
    if uri is not None and uri.startswith("hf://"):
        return [f"{uri}/{name}" for name in names]
    found = [uri_of(name, base, folder) for name in names]
    return [one for one in found if one is not None and not one.startswith("hf://")]


_QUESTIONS = {
    "alpaca_chat.load_qa": ("question", "answer"),
    "alpaca_chat.load_camel_ai": ("message_1", "message_2"),
}
"""Types whose columns are other ones by axolotl's documentation: that of the question, and of the answer."""


def _layout(draft: Draft, entry: Entry) -> tuple[dict[str, Any] | None, str | None]:
    """Return adapter and columns of a type; without them, why. The text may also be a note."""
    said = entry.get("type")
    if isinstance(said, dict):
        return _described(draft, entry, said)
    name = str(said or "")
    first, _, second = name.partition(":")
    head = first.split(".")[0]
    if head in _NO_CHATS:
        return None, f"type {name!r}: {_NO_CHATS[head]}"
    if draft.kind == "preference":
        return _pair(entry, first)
    if second:
        draft.left.append(entry.said("type", f"{second!r}: how prompts are worded is the trainer's business"))
    if head in ("chat_template", "sharegpt"):
        return _chats(draft, entry, sharegpt=head == "sharegpt"), None
    if first in _QUESTIONS:
        prompt, completion = _QUESTIONS[first]
        return {"adapter": "prompt_completion", "columns": {"prompt": prompt, "completion": completion}}, None
    if head in ("alpaca", "alpaca_w_system", "gpteacher", "explainchoice", "alpaca_chat", "oasst"):
        return {"adapter": "alpaca"}, None
    return {}, f"type {name!r} is not known here; the layout is told by the columns"


def _described(draft: Draft, entry: Entry, said: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return the layout that a type written out as fields describes."""
    parts = {
        "instruction": "field_instruction",
        "input": "field_input",
        "output": "field_output",
        "system": "field_system",
    }
    columns = {part: str(said[key]) for part, key in parts.items() if said.get(key) and said[key] != part}
    for key in sorted(set(said) - set(parts.values())):
        text = "how prompts are worded is the trainer's business"
        draft.left.append(entry.document.problem((*entry.path, "type", str(key)), text))
    return {"adapter": "alpaca", "columns": columns or None}, None


def _pair(entry: Entry, name: str) -> tuple[dict[str, Any], str | None]:
    """Return the layout of pairs of answers."""
    second = name.partition(".")[2]
    columns = dict(_PAIRS.get(second, {}))
    for part, key in (
        ("prompt", "field_messages"),
        ("chosen", "field_chosen"),
        ("rejected", "field_rejected"),
    ):
        value = entry.text(key)
        if value is not None and value != part:
            columns[part] = value
    known = second in _PAIRS or not name
    note = None if known else f"type {name!r} is not known here; check the columns"
    return {"adapter": "preference", "columns": columns or None}, note


def _chats(draft: Draft, entry: Entry, *, sharegpt: bool) -> dict[str, Any]:
    """Return the layout of chats in one column."""
    usual = "conversations" if sharegpt else "messages"
    column = entry.text("field_messages") or usual
    fields = entry.mapping("message_property_mappings")
    old = {"role": entry.text("message_field_role"), "content": entry.text("message_field_content")}
    role, content = (str(fields.get(k) or old[k] or "") for k in ("role", "content"))
    if (role, content) not in (("", ""), ("role", "content"), ("from", "value")):
        found = f"messages of {role or 'role'} and {content or 'content'}"
        text = f"{found}; read are role and content, or from and value"
        draft.left.append(entry.said("message_property_mappings", text))
    _roles(draft, entry)
    tools = entry.text("field_tools")
    columns = {"messages": column if column != usual else None, "tools": tools if tools != "tools" else None}
    columns = {part: name for part, name in columns.items() if name}
    return {"adapter": "sharegpt" if sharegpt else "messages", "columns": columns or None}


def _roles(draft: Draft, entry: Entry) -> None:
    """Name the words for roles that adapters do not know."""
    for role, words in entry.mapping("roles").items():
        each = words if isinstance(words, list) else [words]
        unknown = [str(word) for word in each if str(word).lower() not in _ROLES.get(role, set())]
        if unknown:
            words_for = f"{', '.join(unknown)} as words for {role}"
            text = f"{words_for}: not among those known, so such rows are quarantined"
            draft.left.append(entry.said("roles", text))
