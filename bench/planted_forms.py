"""The forms in which the planted benchmark leaks an eval instance: pure functions of a text and a seed.

The one idea: a form is a function (instance, words of the corpus, random numbers) -> turns of a user;
what it does can be undone or counted, so tests can say that it did what its name says. It knows
nothing of files.
"""

import random
import re
import string
import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Vocabulary = Sequence[str]
"""Words of the corpus as often as they occur there, to draw from."""

NUMBER = re.compile(r"\d+")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_FULL_WIDTH = str.maketrans({chr(c): chr(c + 0xFEE0) for c in range(0x21, 0x7F)} | {" ": "\u3000"})
_LIGATURES = (("ffi", "\ufb03"), ("ffl", "\ufb04"), ("ff", "\ufb00"), ("fi", "\ufb01"), ("fl", "\ufb02"))
_SPACES = ("\u00a0", "\u202f", "\u2009", "\u2003")
_INVISIBLE = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An eval instance; texts that it lacks are empty."""

    suite: str
    split: str
    id: str
    question: str
    passage: str
    answer: str

    @property
    def asked(self) -> str:
        """Passage and question, as a model would be asked."""
        return f"{self.passage}\n{self.question}" if self.passage else self.question

    @property
    def label(self) -> dict[str, str]:
        """The instance's name."""
        return {"suite": self.suite, "split": self.split, "instance": self.id}


def same_words(text: str) -> str:
    """Return the words of a text, lower-cased: equal for texts that say the same word for word."""
    return " ".join(re.findall(r"\w+", text.lower()))


def spoken(text: str) -> int:
    """Count the words that hold a letter."""
    return sum(any(c.isalpha() for c in word) for word in text.split())


def no_case(text: str) -> str:
    """Lower-case, delete punctuation (not put a space for it), and leave single spaces."""
    return " ".join(text.lower().translate(_PUNCTUATION).split())


def edited(text: str, share: float, words: Vocabulary, rng: random.Random) -> str:
    """Substitute, delete or insert words at `share` of the places, at least one; lines stay."""
    parts = re.split(r"(\s+)", text)
    places = [k for k, part in enumerate(parts) if part and not part.isspace()]
    for k in rng.sample(places, max(1, round(share * len(places)))):
        parts[k] = _edit(parts[k], words, rng)
    return "".join(parts)


def _edit(word: str, words: Vocabulary, rng: random.Random) -> str:
    other = rng.choice(words)
    while other.lower() == word.lower():
        other = rng.choice(words)
    return rng.choice((other, other, "", f"{word} {other}"))


def edited_characters(text: str, share: float, others: str, rng: random.Random) -> str:
    """Do the same by characters, for scripts without spaces."""
    places = [k for k, c in enumerate(text) if not c.isspace()]
    parts = list(text)
    for k in rng.sample(places, max(1, round(share * len(places)))):
        other = rng.choice([c for c in rng.choices(others, k=8) if c != parts[k]])
        parts[k] = rng.choice((other, other, "", parts[k] + other))
    return "".join(parts)


PREFIXES = {"plain": "", "indented": "        ", "quoted": "> ", "bullets": "- "}


def wrapped(text: str, prefix: str, width: int) -> str:
    """Break a text into lines of at most `width` characters, or one word, each with a prefix."""
    lines = textwrap.wrap(
        " ".join(text.split()), width, break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return "\n".join(prefix + line for line in lines)


def full_width(text: str, _rng: random.Random) -> str:
    """Write ASCII as full-width characters and spaces as ideographic ones."""
    return text.translate(_FULL_WIDTH)


def spaced(text: str, rng: random.Random) -> str:
    """Put no-break and other spaces for the plain ones."""
    return re.sub(" ", lambda _: rng.choice(_SPACES), text)


def curly(text: str, _rng: random.Random) -> str:
    """Curl quotes and apostrophes, no-break the hyphens and spaces, join dots."""
    text = re.sub(r'(?<!\S)"', "\u201c", text).replace('"', "\u201d")
    text = re.sub(r"(?<!\S)'", "\u2018", text).replace("'", "\u2019")
    return text.replace("...", "\u2026").replace("-", "\u2011").replace(" ", "\u00a0")


def invisible(text: str, rng: random.Random) -> str:
    """Put zero-width characters and soft hyphens inside words."""
    return re.sub(r"(?<=\w)(?=\w)", lambda _: rng.choice(_INVISIBLE) if rng.random() < 0.25 else "", text)


def ligatures(text: str, rng: random.Random) -> str:
    """Tie letters, decompose accents and put no-break spaces."""
    for letters, tied in _LIGATURES:
        text = text.replace(letters, tied)
    return spaced(unicodedata.normalize("NFD", text), rng)


LOOKS: dict[str, Callable[[str, random.Random], str]] = {
    "full width": full_width, "spaces": spaced, "curly": curly, "zero width": invisible,
    "ligatures": ligatures,
}  # fmt: skip


def halves(text: str, rng: random.Random) -> tuple[str, str]:
    """Cut a text at a space near its middle, at 40 to 60% of its words."""
    gaps = [match.start() for match in re.finditer(r"\s+", text.strip())]
    at = gaps[min(len(gaps) - 1, int(len(gaps) * rng.uniform(0.4, 0.6)))]
    return text.strip()[:at], text.strip()[at:].strip()


def other_numbers(text: str, rng: random.Random) -> str:
    """Put another number of as many digits for each number."""

    def other(match: re.Match[str]) -> str:
        size = len(match[0])
        drawn = match[0]
        while drawn == match[0]:
            drawn = str(rng.randrange(10 ** (size - 1), 10**size))
        return drawn

    return NUMBER.sub(other, text)
