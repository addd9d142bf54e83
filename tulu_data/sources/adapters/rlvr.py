"""Prompts with a checkable answer: messages, ground truth and the verifier that checks.

The one idea: the ground truth is text for a verifier to read; structures become JSON text and
numbers print as they are. A record that names no verifier gets the one of the spec.
"""

import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.errors import SourceError
from tulu_data.schema import TEXT, Kind
from tulu_data.sources.adapters.faults import Faults
from tulu_data.sources.adapters.layout import Content, Layout
from tulu_data.sources.adapters.messages import with_system
from tulu_data.sources.adapters.parts import Parts, any_text, is_list, nulls_in
from tulu_data.sources.adapters.prompt_completion import turns_or_text
from tulu_data.sources.adapters.turns import role_at
from tulu_data.sources.json_values import dump


def read_rlvr(parts: Parts, faults: Faults, kind: Kind) -> Content:  # noqa: ARG001 - the signature of adapters
    """Read prompts with ground truth and verifier; null verifiers are left for the spec's."""
    part = "messages" if parts.find("messages") is not None else "prompt"
    chats = turns_or_text(parts.need(part), parts.shown(part), "user", faults)
    chats = with_system(chats, parts, faults)
    for row, role in enumerate(role_at(chats, last=True).to_pylist()):
        if role == "assistant":
            faults.add(
                row, "ends with assistant", "the prompt ends with an assistant turn, so nothing is asked"
            )
    truth = _single_text(parts.need("ground_truth"))
    faults.mark(nulls_in(truth), "missing value", f"{parts.shown('ground_truth')} is null")
    return {"messages": chats, "ground_truth": truth, "verifier": _verifiers(parts)}


def _verifiers(parts: Parts) -> pa.Array:
    column = parts.find("verifier")
    return _single_text(column) if column is not None else pa.nulls(parts.table.num_rows, TEXT)


def _single_text(array: pa.Array) -> pa.Array:
    """Return a column as text; a list of one value counts as the value."""
    if not is_list(array.type):
        return any_text(array)
    return pa.array([_single(v) for v in array.to_pylist()], TEXT)


def _single(value: list[object] | None) -> str | None:
    if value is None or len(value) != 1:
        return None if value is None else dump(value)
    return value[0] if isinstance(value[0], str) else dump(value[0])


def fill_verifier(content: Content, verifier: str | None, faults: Faults) -> None:
    """Give records without a verifier the one of the spec, in place; faults where there is none."""
    column = content["verifier"]
    if verifier is not None:
        column = pc.fill_null(column, pa.scalar(verifier, TEXT))
    elif column.null_count == len(column) and len(column):
        raise SourceError(
            "no row names a verifier; give the source one: verifier: NAME, or columns: {verifier: COLUMN}"
        )
    faults.mark(nulls_in(column), "no verifier", "the row names no verifier, and neither does the source")
    content["verifier"] = column


RLVR_LAYOUT = Layout(name="rlvr", read=read_rlvr)
