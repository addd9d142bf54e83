"""Drop records whose answer claims to be another assistant or from another maker, or leaves a name open.

A model trained on such answers introduces itself by that name. The patterns name the claim
("I am ChatGPT", "trained by OpenAI"), not the word: talking about ChatGPT is no claim. "As an AI language
model" is how others introduce themselves, and `{{name}}` is a claim that nobody has filled in.
"""

from collections.abc import Iterable

import pyarrow as pa

from tulu_data.filters.evidence import literal, matched
from tulu_data.filters.turns import turns_of
from tulu_data.schema import Kind
from tulu_data.specs.base import Spec
from tulu_data.specs.filters import Identity

NAMES = {
    "chatgpt": r"chat\s?gpt", "gpt": r"gpt-?[345][\w.-]*",
    **{name: name for name in ("claude", "bard", "gemini", "llama", "alpaca", "vicuna", "qwen", "deepseek",
                               "mistral", "grok", "copilot")},
}  # fmt: skip
"""Assistants: how each is written, as a pattern."""
MAKERS = (
    "openai", "anthropic", "google", "meta ai", "microsoft", "lmsys",
    "large model systems organization", "alibaba", "deepseek", "mistral ai", "xai",
)  # fmt: skip
_I_AM = "i['\u2019]m"
_MADE = r"(?:created|trained|developed|made|built)"
_TEMPLATE = r"\{\{\s*(?:name|author|assistant)\s*\}\}"


def identity(batch: pa.RecordBatch, kind: Kind, settings: Spec) -> pa.Array:
    """Find records with an answer that claims another identity."""
    assert isinstance(settings, Identity)
    turns = turns_of(batch, kind)
    return matched(turns.at(turns.answers), claim(settings))


def claim(settings: Identity) -> str:
    """Return the pattern of a claim to be what is not one's own."""
    own = {word.lower() for word in settings.own}
    names = [written for name, written in NAMES.items() if name not in own]
    names += [literal(name) for name in settings.names]
    makers = [literal(maker) for maker in (*MAKERS, *settings.makers) if maker.lower() not in own]
    parts = [
        rf"\b(?:i am|{_I_AM}|my name is|you can call me|call me)\s+(?:called\s+)?{_any(names)}\b",
        rf"\b(?:i was|i am|{_I_AM})\s+(?:an? [\w\s,-]{{0,60}})?{_MADE}\s+by\s+{_any(makers)}\b",
        r"as an? (?:large )?(?:ai )?language model",
        _TEMPLATE,
    ]
    return "|".join(parts)


def _any(patterns: Iterable[str]) -> str:
    return f"(?:{'|'.join(patterns)})"
