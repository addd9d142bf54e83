"""Decide which adapter fits a file, by its column names and the kind wanted.

The one idea: exactly one adapter fits, or the person decides. The error lists the columns found
and what each adapter would need; nothing is chosen between two.
"""

from collections.abc import Mapping

import pyarrow as pa

from tulu_data.errors import SourceError
from tulu_data.schema import KINDS, Kind, kind_of
from tulu_data.sources.adapters.alpaca import ALPACA_LAYOUT
from tulu_data.sources.adapters.chats import is_chat
from tulu_data.sources.adapters.hh import HH_LAYOUT
from tulu_data.sources.adapters.layout import Layout
from tulu_data.sources.adapters.messages import MESSAGES_LAYOUT, SHAREGPT_LAYOUT, THREADS_LAYOUT
from tulu_data.sources.adapters.parts import LayoutError, alternatives, is_list, is_text
from tulu_data.sources.adapters.preference import PREFERENCE_LAYOUT
from tulu_data.sources.adapters.prompt_completion import PROMPT_COMPLETION_LAYOUT
from tulu_data.sources.adapters.rlvr import RLVR_LAYOUT
from tulu_data.specs.source import Adapter

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        MESSAGES_LAYOUT, SHAREGPT_LAYOUT, ALPACA_LAYOUT, PROMPT_COMPLETION_LAYOUT, HH_LAYOUT,
        PREFERENCE_LAYOUT, RLVR_LAYOUT, THREADS_LAYOUT,
    )
}  # fmt: skip

_PROMPTS = ("prompt", "question", "problem", "query", "instruction", "input", "user")
_ANSWERS = ("completion", "answer", "solution", "response", "output", "assistant", "text")
_LIKELY: Mapping[Kind, Mapping[str, tuple[str, ...]]] = {
    "sft": {"prompt": _PROMPTS, "completion": _ANSWERS},
    "preference": {"prompt": _PROMPTS, "chosen": ("win", "better"), "rejected": ("lose", "worse")},
    "rlvr": {"prompt": _PROMPTS, "ground_truth": ("ground_truth", "answer", "solution", "label", "target")},
}
"""Columns, in small letters, that are proposed for each part."""


def choose(schema: pa.Schema, kind: Kind, columns: Mapping[str, str]) -> Adapter:
    """Return the one adapter that fits; raise SourceError when none does, or several do."""
    stored = kind_of(schema)
    if stored is not None and stored != kind:
        raise LayoutError(f"holds {stored} records, asked for {kind}; use it in a spec of kind {stored}")
    looks = _looks_like(schema, columns)
    fitting = fitting_adapters(schema, kind, columns)
    if looks is not None and looks != kind and not columns:
        cures = [f"use it in a spec of kind {looks}"] if looks in KINDS else []
        cures += [
            f"to read it as {kind} all the same give --adapter {name} (adapter: {name} in a spec)"
            for name in fitting[:1]
        ]
        cure = f"; {', or '.join(cures)}" if cures else ""
        raise LayoutError(f"looks like {looks} data ({_found(schema)}), asked for {kind}{cure}")
    if len(fitting) == 1:
        return fitting[0]
    known = "; ".join(f"{x.name}: {x.needs}" for x in LAYOUTS.values() if kind == x.kinds[0])
    if not fitting:
        raise LayoutError(
            f"no adapter for kind {kind} fits ({_found(schema)}); needed are {known}; "
            f"map names, as in columns: {{{_proposed(schema, kind)}}}"
        )
    raise LayoutError(
        f"several adapters fit ({_found(schema)}): {', '.join(fitting)}; "
        f"say which, for example adapter: {fitting[0]}"
    )


def kind_looked_like(schema: pa.Schema) -> Kind:
    """Return the one kind that a file can be read as; raise SourceError when that is not clear."""
    stored = kind_of(schema)
    if stored is not None:
        return stored
    looks = _looks_like(schema, {})
    if looks == "KTO":
        cures = [f"to read it as sft give --adapter {name}" for name in fitting_adapters(schema, "sft", {})]
        cure = cures[0] if cures else "say with --kind and --columns how to read it"
        raise SourceError(f"looks like KTO data ({_found(schema)}); {cure}")
    kinds = [looks] if looks else [k for k in KINDS if fitting_adapters(schema, k, {})]
    if len(kinds) == 1:
        return kinds[0]  # type: ignore[return-value]
    known = "; ".join(f"{x.name} ({', '.join(x.kinds)}): {x.needs}" for x in LAYOUTS.values())
    raise SourceError(f"no kind of record is plain from {_found(schema)}; known are {known}")


def _proposed(schema: pa.Schema, kind: Kind) -> str:
    """Propose a map from parts to columns; where none is likely, COLUMN stands for it."""
    said = []
    for part, likely in _LIKELY[kind].items():
        small = {name.lower(): name for name in reversed(schema.names)}
        said.append(f"{part}: {next((small[name] for name in likely if name in small), 'COLUMN')}")
    return ", ".join(said)


def _found(schema: pa.Schema) -> str:
    return f"columns: {', '.join(sorted(schema.names))}" if schema.names else "no columns"


def _looks_like(schema: pa.Schema, columns: Mapping[str, str]) -> str | None:
    """Return the kind that a file's columns plainly say, or None."""
    names = set(schema.names) | set(columns)
    if {"chosen", "rejected"} <= names or {"chosen_messages", "rejected_messages"} <= names:
        return "preference"
    answers = {"output", "completion", "response", "answer"} & names
    if not answers and _fits_rlvr(schema, names):
        return "rlvr"
    if (
        "label" in names
        and {"messages", "completion"} & names
        and pa.types.is_boolean(_type(schema, "label"))
    ):
        return "KTO"
    return None


def fitting_adapters(schema: pa.Schema, kind: Kind, columns: Mapping[str, str]) -> list[Adapter]:
    """Return every adapter whose needed columns are there."""
    named = {column for said in columns.values() for column in alternatives(said)}
    names = (set(schema.names) - named) | set(columns)
    if kind == "rlvr":
        return ["rlvr"] if _fits_rlvr(schema, names) else []
    if kind == "preference":
        return _fitting_pairs(schema, names)
    fitting: list[Adapter] = []
    if "messages" in names and _chatty(schema, columns.get("messages", "messages")):
        fitting.append("messages")
    if any(n in names and _chatty(schema, n) for n in ("conversations", "conversation")):
        fitting.append("sharegpt")
    if "instruction" in names and {"output", "response"} & names:
        fitting.append("alpaca")
    if "prompt" in names and {"completion", "response"} & names:
        fitting.append("prompt_completion")
    return fitting


def _fitting_pairs(schema: pa.Schema, names: set[str]) -> list[Adapter]:
    """Return the adapters that can read a pair of answers: transcripts without a prompt, or the rest."""
    if not ({"chosen", "rejected"} <= names or {"chosen_messages", "rejected_messages"} <= names):
        return []
    prompts = set(PREFERENCE_LAYOUT.parts["prompt"]) | {"instruction"}
    if prompts & names or not is_text(_type(schema, "chosen")):
        return ["preference"]
    return ["hh"]


def _fits_rlvr(schema: pa.Schema, names: set[str]) -> bool:
    reward = _type(schema, "reward_model")
    nested = pa.types.is_struct(reward) and "ground_truth" in {f.name for f in reward}
    return bool({"messages", "prompt"} & names) and ("ground_truth" in names or nested)


def _type(schema: pa.Schema, name: str) -> pa.DataType:
    return schema.field(name).type if name in schema.names else pa.null()


def _chatty(schema: pa.Schema, name: str) -> bool:
    """Tell whether a column can hold messages; JSON text and empty columns are judged row by row."""
    kind = _type(schema, name.split(".", maxsplit=1)[0])
    if "." in name or is_text(kind) or pa.types.is_null(kind):
        return True
    return is_chat(kind) or (is_list(kind) and pa.types.is_null(kind.value_type))
