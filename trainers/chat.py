"""One chat becomes text and the spans of it that a model learns to write.

The one idea: the loss mask is made of spans of the rendered text, taken from `{% generation %}` where
the chat template has it and from renderings of the chat's beginnings where it has not, and held
against the messages before a token is counted. Nothing here knows a version or a model.
"""

import re
from collections.abc import Sequence
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt
from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

Message = dict[str, Any]
Span = tuple[int, int]
Ints = npt.NDArray[np.int64]

_MARKED = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")


class RenderError(Exception):
    """One record cannot be rendered or masked; the text is the reason. Never leaves the trainers."""


def render(
    tokenizer: PreTrainedTokenizerBase, messages: list[Message], tools: list[Any] | None = None
) -> tuple[str, list[Span]]:
    """Render a chat; return its text and the character span of each assistant turn, checked."""
    if not any(m["role"] == "assistant" for m in messages):
        raise RenderError("no assistant turn")
    template = tokenizer.get_chat_template(tools=tools)
    marked = _MARKED.search(template) is not None
    text, spans = _render_once(tokenizer, template, messages, tools, mark=marked)
    if not marked:
        spans = _spans_by_prefix(tokenizer, template, messages, tools, text)
    check_spans(text, spans, messages)
    return text, spans


def _render_once(
    tokenizer: PreTrainedTokenizerBase,
    template: str,
    messages: list[Message],
    tools: list[Any] | None,
    *,
    mark: bool = False,
    prompt: bool = False,
) -> tuple[str, list[Span]]:
    """Render a chat; `mark` returns `{% generation %}` spans, `prompt` ends with the header of a turn."""
    special: dict[str, Any] = tokenizer.special_tokens_map
    try:
        rendered: Any = render_jinja_template(
            conversations=[messages],
            tools=tools,
            chat_template=template,
            return_assistant_tokens_mask=mark,
            add_generation_prompt=prompt,
            **special,
        )
    except jinja2.TemplateError as error:
        raise RenderError(f"the chat template refuses it: {error}") from None
    texts, spans = rendered
    return texts[0], [(start, end) for start, end in spans[0]] if mark else []


def _spans_by_prefix(
    tokenizer: PreTrainedTokenizerBase,
    template: str,
    messages: list[Message],
    tools: list[Any] | None,
    text: str,
) -> list[Span]:
    """Find each assistant turn between the renderings of the chat before it and with it."""
    spans = []
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        upto, _ = _render_once(tokenizer, template, messages[: i + 1], tools)
        end = _shared(upto, text)
        before, _ = _render_once(tokenizer, template, messages[:i], tools, prompt=True) if i else ("", [])
        if text.startswith(before) and before:
            start = len(before)
        else:  # the header of a new turn differs from that of a past one: begin at the content itself
            bare = len(_render_once(tokenizer, template, messages[:i], tools)[0]) if i else 0
            start = text.find(message["content"].strip(), bare, end) if message["content"].strip() else -1
        if start < 0 or end < start:
            raise RenderError("the chat template renders an assistant turn differently once others follow")
        spans.append((start, _trim(text, start, end, message["content"])))
    return spans


def _shared(a: str, b: str) -> int:
    """Return how many characters two texts have in common from the start."""
    if b.startswith(a):
        return len(a)
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _trim(text: str, start: int, end: int, content: str) -> int:
    """Return `end` without the white space that separates turns; the content's own stays."""
    kept = start + len(text[start:end].rstrip())
    own = text.find(content.lstrip(), start, end)
    return max(kept, own + len(content.lstrip())) if own >= 0 else kept


def check_spans(text: str, spans: Sequence[Span], messages: Sequence[Message]) -> None:
    """Hold the spans against the messages; raise RenderError with the reason.

    Each assistant content stands inside its own span, in order; each system and user content stands
    in the text between spans. Contents may lose white space at their ends, as many templates trim.
    """
    turns = [m for m in messages if m["role"] == "assistant"]
    if len(spans) != len(turns):
        raise RenderError(f"the chat template marks {len(spans)} spans for {len(turns)} assistant turns")
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    if edges != sorted(edges):
        raise RenderError("the chat template marks spans out of order")
    for turn, (start, end) in zip(turns, spans, strict=True):
        if turn["content"].strip() not in text[start:end]:
            raise RenderError("the chat template changes or leaves out an assistant content")
    gaps = [text[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2)]
    for message in messages:
        role, content = message["role"], message["content"].strip()
        if role in ("system", "user") and not any(content in gap for gap in gaps):
            raise RenderError(f"the chat template changes or leaves out a {role} content")


def token_mask(starts: Ints, ends: Ints, spans: Sequence[Span]) -> tuple[npt.NDArray[np.bool_], int]:
    """Return which tokens begin inside a span, and how many tokens straddle an edge of one.

    A token that begins before a span holds text of the prompt, which the model is given, not asked for.
    Byte-level tokenizers may report a white-space token as empty; it begins where the last one ended.
    """
    previous = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
    begins = np.where(starts == ends, np.minimum(previous, starts), starts)
    edges = np.array(spans, dtype=np.int64).ravel()
    inside = np.searchsorted(edges, begins, side="right") % 2 == 1
    last = np.maximum(ends - 1, begins)
    straddling = np.searchsorted(edges, begins, side="right") != np.searchsorted(edges, last, side="right")
    return inside, int(straddling.sum())
