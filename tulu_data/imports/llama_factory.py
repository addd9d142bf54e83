"""LLaMA-Factory's registry of datasets (dataset_info.json) and the train configs that choose from it.

The one idea: the registry says how each dataset is read, a train config which are taken and how much; either
file alone makes a mixture, the registry one of everything in it that has the kind asked for.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tulu_data.errors import SpecError, nearest
from tulu_data.imports.amounts import at_most, counted_rows, exactly, interleaved, rows_of, take_of
from tulu_data.imports.draft import Draft, DraftSource, Entry, entry_at, hub_uri, uri_of, written
from tulu_data.schema import Kind
from tulu_data.specs.base import shown
from tulu_data.specs.document import read_document

_INFO = "dataset_info.json"
_STAGES: Mapping[str, Kind] = {"sft": "sft", "dpo": "preference", "rm": "preference"}
_MEDIA = ("images", "videos", "audios")
_TAGS = {
    "role_tag": ("from", "role"), "content_tag": ("value", "content"), "user_tag": ("human", "user"),
    "assistant_tag": ("gpt", "assistant"), "observation_tag": ("observation", "tool"),
    "function_tag": ("function_call",), "system_tag": ("system",),
}  # fmt: skip
"""Words of a chat that adapters know, the registry's default first."""
_ALPACA = {"prompt": "instruction", "query": "input", "response": "output"}
"""Parts of alpaca rows by the registry's word, and the columns that they are where it names none."""


def read_llama_factory(file: Path, base: Path, kind: Kind | None) -> Draft:
    """Read a registry or a train config; raise SpecError where the registry of a config is not found."""
    document = read_document(file)
    top = entry_at(document, (), document.data)
    if top is None:
        raise SpecError([document.problem((), f"expected keys and values, found {shown(document.data)}")])
    if "dataset" not in top.values and all(isinstance(one, dict) for one in top.values.values()):
        return _registry(top, file, base, kind or "sft")
    return _config(top, file, base, kind)


def _registry(top: Entry, file: Path, base: Path, kind: Kind) -> Draft:
    """Make a mixture of all datasets of a registry that have a kind."""
    draft = Draft(kind=kind)
    for name in top.values:
        _add(draft, _entry(top, name), name, base, file.parent, None)
    return draft


def _entry(registry: Entry, name: str) -> Entry:
    found = entry_at(registry.document, (name,), registry.values[name])
    if found is None:
        text = f"expected keys and values, found {shown(registry.values[name])}"
        raise SpecError([registry.said(name, text)])
    return found


def _config(top: Entry, file: Path, base: Path, kind: Kind | None) -> Draft:
    """Make a mixture of the datasets that a train config names."""
    stage = top.text("stage") or "sft"
    draft = Draft(kind=kind or _STAGES.get(stage, "sft"))
    if stage not in _STAGES:
        draft.left.append(top.said("stage", f"{stage!r} has no kind of record here; read as {draft.kind}"))
    named = top.get("dataset")
    names = [str(one).strip() for one in (named if isinstance(named, list) else str(named or "").split(","))]
    info = _info(top, file)
    registry = entry_at(read_document(info), (), read_document(info).data)
    assert registry is not None, info
    most = top.count("max_samples")
    if most is not None:
        text = f"{most}: the first rows of each dataset there; here as many are drawn"
        draft.left.append(top.said("max_samples", text))
    added: list[DraftSource | None] = []
    for name in (one for one in names if one):
        if name not in registry.values:
            text = f"no dataset {name!r} in {info}{nearest(name, registry.values)}; left out"
            draft.left.append(top.said("dataset", text))
            added.append(None)
        else:
            added.append(_add(draft, _entry(registry, name), name, base, info.parent, most))
    _mixing(draft, top, [one for one in names if one], added, base)
    draft.take_seed(top)
    rest = top.rest()
    if rest:
        place = top.document.name
        draft.left.append(f"{place}: settings of training, of which a mixture has none: {', '.join(rest)}")
    return draft


def _info(top: Entry, file: Path) -> Path:
    """Find the registry: in dataset_dir, seen from here, from the config or from the folders above it."""
    folder = top.text("dataset_dir") or "data"
    starts = [Path.cwd(), *file.resolve().parents]
    places = [start / folder / _INFO for start in starts] + [file.parent / _INFO]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        shown_place = os.path.join(folder, _INFO)  # noqa: PTH118 - as the config writes it
        text = (
            f"no {shown_place} here, beside the config or in a folder above it; set dataset_dir to its folder"
        )
        raise SpecError([top.said("dataset_dir", text)])
    return found


def _mixing(
    draft: Draft, top: Entry, names: Sequence[str], added: Sequence[DraftSource | None], base: Path
) -> None:
    """Say how datasets are mixed and split, or name what a mixture does otherwise."""
    strategy, probs = top.text("mix_strategy") or "concat", top.get("interleave_probs")
    if strategy != "concat" or probs is not None:
        each = probs if isinstance(probs, list) else [part.strip() for part in str(probs or "").split(",")]
        told = _interleave(draft, strategy, [each, [1] * len(added)][probs is None], added, base)
        weights = ", ".join(f"{n} {p}" for n, p in zip(names, each, strict=False))
        by_hand = f"{strategy} by probabilities ({weights}): give size, and each source take: {{weight: ...}}"
        draft.left.append(top.said("mix_strategy", told or by_hand))
    if top.get("eval_dataset"):
        text = "datasets for evaluation; import them as a mixture of their own"
        draft.left.append(top.said("eval_dataset", text))
    draft.keep_apart(top, "val_size")


def _interleave(
    draft: Draft, strategy: str, probs: Sequence[object], added: Sequence[DraftSource | None], base: Path
) -> str | None:
    """Share a size out by probabilities where the rows of all datasets are known; return what that means."""
    sources = [source for source in added if source is not None]
    rows = [rows_of(source.keys["uri"], base) for source in sources]
    taken = [counted_rows(take_of(source.keys), have) for source, have in zip(sources, rows, strict=True)]
    weights = [weight for weight in map(_probability, probs) if weight is not None]
    known = [have for have in taken if have is not None]
    there = [have for have in rows if have is not None]
    ends = {"interleave_under": "the first dataset is", "interleave_over": "all datasets are"}.get(strategy)
    if ends is None or not len(known) == len(weights) == len(added) == len(probs):
        return None
    found = interleaved(there, known, weights, all_used=strategy == "interleave_over")
    if found is None:
        return None
    draft.size, copies = found
    for source, weight, often in zip(sources, weights, copies, strict=True):
        source.keys["take"] = {"weight": weight}
        source.notes = []  # on rows that a take of its own repeats
        if often > 1:
            source.keys["max_repetition"] = often
    return (
        f"{strategy}: rows are drawn one by one there until {ends} used up; here size is what that comes to"
    )


def _probability(said: object) -> float | None:
    """Return a probability, None where it is none."""
    try:
        found = float(str(said))
    except ValueError:
        return None
    return found if 0 < found <= 1 else None


def _add(
    draft: Draft, entry: Entry, name: str, base: Path, folder: Path, most: int | None
) -> DraftSource | None:
    """Add a dataset of the registry, at most so many rows of it, or say why it is left out."""
    why = _unreadable(draft, entry)
    uri = None if why else _uri(entry, base, folder)
    if uri is None:
        what = why or "no owner/name on the Hugging Face hub and no file"
        draft.left.append(entry.said(None, f"{what}; left out"))
        return None
    at_hub = {"config": entry.text("subset"), "split": entry.text("split")}
    at_hub["split"] = None if at_hub["split"] == "train" else at_hub["split"]
    keys = {"uri": uri, **(at_hub if uri.startswith("hf://") else {}), **_layout(draft, entry)}
    source = draft.add(name, keys)
    _amount(source, entry.count("num_samples"), most, base)
    entry.used.update(("ms_hub_url", "om_hub_url"))  # the same dataset on other hubs
    entry.leave_rest(draft)
    return source


def _amount(source: DraftSource, number: int | None, most: int | None, base: Path) -> None:
    """Say how much is taken: so many rows, repeated where there are fewer, of these at most so many."""
    if number is None and most is None:
        return
    rows = rows_of(source.keys["uri"], base)
    if number is None:
        assert most is not None
        take = at_most(most, rows)
        unknown = "there all of it where it has fewer rows; then write take: {all: true}"
    else:
        take = exactly(number if most is None else min(number, most), rows)
        unknown = "there rows are repeated where it has fewer; then write how often: take: {epochs: ...}"
    if "all" not in take:
        source.keys["take"] = take
    if rows is None:
        source.notes.append(unknown)
    elif "epochs" in take:
        source.notes.append(f"more rows are taken there than the {rows} that it has: each is repeated")


def _unreadable(draft: Draft, entry: Entry) -> str | None:
    """Say why a dataset cannot be a source of this mixture."""
    columns = entry.mapping("columns")
    media = [key for key in _MEDIA if key in columns]
    if media:
        return f"it has {' and '.join(media)}, and records are text"
    if "kto_tag" in columns:
        return "answers with a single good or bad mark each; records are chats or pairs"
    if entry.values.get("script_url") and not entry.values.get("hf_hub_url"):
        return "its rows come out of a script that would have to be run"
    kind: Kind = "preference" if entry.values.get("ranking") else "sft"
    if kind != draft.kind:
        return f"it holds {kind} records, and the mixture is of kind {draft.kind}"
    if entry.values.get("formatting", "alpaca") == "alpaca" and columns and "prompt" in columns:
        answers = {"response", "chosen"} & set(columns)
        if not answers and columns["prompt"] == "text":
            return "plain text to go on with; records are chats"
    return None


def _uri(entry: Entry, base: Path, folder: Path) -> str | None:
    """Return where a dataset is: on the hub first, as there, else its file."""
    entry.used.update(("file_name", "cloud_file_name"))  # the hub goes first
    hub = entry.text("hf_hub_url")
    if hub is not None:
        inner = entry.text("folder")
        place = hub_uri(hub)
        return f"{place}/{inner}" if place and inner else place
    file = entry.text("file_name")
    if file is not None:
        return written(folder / file, base)
    cloud = entry.text("cloud_file_name")
    return uri_of(cloud, base, folder) if cloud is not None else None


def _layout(draft: Draft, entry: Entry) -> dict[str, Any]:
    """Return adapter and columns of a dataset."""
    formatting = entry.text("formatting") or "alpaca"
    columns = {key: str(value) for key, value in entry.mapping("columns").items()}
    tags = {key: str(value) for key, value in entry.mapping("tags").items()}
    entry.used.add("ranking")
    for tag, word in tags.items():
        if word not in _TAGS.get(tag, ()):
            text = (
                f"{word!r} is not among the words that are read ({', '.join(_TAGS.get(tag, ())) or 'none'})"
            )
            draft.left.append(entry.document.problem((*entry.path, "tags", tag), text))
    if draft.kind == "preference":
        return _clean("preference", dict(_pair_parts(columns, formatting)))
    if formatting == "alpaca":
        return _alpaca(columns)
    adapter = "messages" if formatting == "openai" else "sharegpt"
    usual = "messages" if formatting == "openai" else "conversations"
    parts = {"messages": columns.get("messages", "conversations")}
    parts |= {part: columns[part] for part in ("system", "tools") if part in columns}
    return _clean(adapter, {p: c for p, c in parts.items() if c != (usual if p == "messages" else p)})


def _clean(adapter: str, parts: Mapping[str, str]) -> dict[str, Any]:
    return {"adapter": adapter, "columns": dict(parts) or None}


def _alpaca(columns: Mapping[str, str]) -> dict[str, Any]:
    """Return the layout of alpaca rows.

    A registry that names columns reads no other: without a query there is no input, whatever rows hold.
    """
    extra = {
        part: columns[part] for part in ("system", "tools", "history") if columns.get(part, part) != part
    }
    if not columns or "query" in columns or "history" in columns:
        parts = {part: columns[word] for word, part in _ALPACA.items() if columns.get(word, part) != part}
        return _clean("alpaca", {**parts, **extra})
    named = {"prompt": columns.get("prompt", "instruction"), "completion": columns.get("response", "output")}
    return _clean("prompt_completion", {part: c for part, c in named.items() if c != part} | extra)


def _pair_parts(columns: Mapping[str, str], formatting: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of pairs of answers whose columns have other names."""
    for side in ("chosen", "rejected", "system"):
        if columns.get(side, side) != side:
            yield side, columns[side]
    if formatting != "alpaca":
        yield "prompt", columns.get("messages", "conversations")
    elif "query" not in columns:
        yield "prompt", columns.get("prompt", "instruction")
    else:
        named = {"instruction": columns.get("prompt", "instruction"), "input": columns["query"]}
        yield from ((part, column) for part, column in named.items() if part != column)
