"""The names that layouts give to roles, as one stated table.

The one idea: an alias is either in this table or it is an error with the nearest name; no role
is ever guessed. Letter case does not matter.
"""

from tulu_data.errors import nearest
from tulu_data.schema import ROLES, Role

CALL = "call"
"""Stands for an assistant turn whose text is a function call in JSON."""

ALIASES: dict[str, Role | str] = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant",
    "model": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "function_response": "tool", "ipython": "tool",
    "function_call": CALL,
}  # fmt: skip
"""OpenAI, ShareGPT (human, gpt, function_call, observation), Open Assistant (prompter), Gemini (model)."""

CODES: dict[str, int] = {**{role: i for i, role in enumerate(ROLES)}, CALL: len(ROLES)}
"""Small numbers for roles in columns."""


def role_of(word: object) -> Role | str | None:
    """Return the role that a word names, CALL for a function call, or None."""
    return ALIASES.get(word.lower()) if isinstance(word, str) else None


def unknown_role(place: str, word: object) -> str:
    """Describe a word that names no role: `messages[2].role 'asistant': did you mean 'assistant'`."""
    if word is None:
        return f"{place} is missing"
    hint = nearest(str(word).lower(), sorted(ALIASES)).removeprefix("; ").removesuffix("?")
    return f"{place} {word!r}: {hint or 'expected one of ' + ', '.join(sorted(ROLES))}"
