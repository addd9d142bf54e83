"""The filters that a step may name, and what each may be told.

The one idea: an entry of `drop` is a filter's name (`refusal`), or the name with its settings
(`{repetition: {duplicate_lines: 0.5}}`); both become one key of one model. What a filter does with its
settings this module does not know.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_serializer, model_validator

from tulu_data.errors import nearest
from tulu_data.kinds import ROLES, Role
from tulu_data.specs.base import Mistake, Spec, listed, refuse, shown
from tulu_data.specs.languages import LANGUAGES

Limit = Annotated[float, Field(ge=0, le=1)]
Word = Annotated[str, Field(min_length=1)]
FROM_TO = ("after", "before")


class Plain(Spec):
    """Of a filter that takes no settings."""


class Identity(Spec):
    """Names of assistants and of their makers, besides those that are known."""

    names: tuple[Word, ...] = ()
    """More names of assistants: an answer that claims to be one of them is dropped. Example: `[Clippy]`."""
    makers: tuple[Word, ...] = ()
    """More makers: an answer that claims to be made by one of them is dropped. Example: `[Initech]`."""
    own: tuple[Word, ...] = ()
    """Names and makers that may be claimed, since they are one's own. Example: `[Tulu, Ai2]`."""

    _are_lists = field_validator("names", "makers", "own", mode="before")(listed)


class Repetition(Spec):
    """How much of an answer may be said again, by the measures of Gopher (arXiv 2112.11446, table A1).

    Gopher's own limits are for web pages. Answers are shorter, and lists, tables, code and worked steps
    repeat themselves on purpose: its limits drop a tenth of GSM8K's solutions. The defaults drop loops.
    """

    min_words: Annotated[int, Field(ge=1)] = 50
    """Answers of fewer words are not looked at. Example: `100`."""
    duplicate_lines: Limit = 0.5
    """Most of the lines, as a share, that an earlier line of the answer said already (Gopher: 0.3).
    Example: `0.3`."""
    duplicate_line_characters: Limit = 0.5
    """Most of the characters that lie in such lines (0.2). Example: `0.2`."""
    duplicate_paragraphs: Limit = 0.5
    """Most of the paragraphs that an earlier paragraph said already (0.3). Example: `0.3`."""
    duplicate_paragraph_characters: Limit = 0.5
    """Most of the characters that lie in such paragraphs (0.2). Example: `0.2`."""
    top_ngrams: Annotated[tuple[Limit, ...], Field(min_length=3, max_length=3)] = (0.5, 0.5, 0.5)
    """Most of the characters that the most frequent run of 2, 3 and 4 words covers (0.2, 0.18, 0.16).
    Example: `[0.2, 0.18, 0.16]`."""
    duplicate_ngrams: Annotated[tuple[Limit, ...], Field(min_length=6, max_length=6)] = (
        0.7, 0.65, 0.6, 0.55, 0.5, 0.5
    )  # fmt: skip
    """Most of the characters that runs of 5, of 6 and so on to 10 words cover that were said before (0.15,
    0.14, 0.13, 0.12, 0.11, 0.1). Example: `[0.15, 0.14, 0.13, 0.12, 0.11, 0.1]`."""

    _are_lists = field_validator("top_ngrams", "duplicate_ngrams", mode="before")(listed)


class Keyword(Spec):
    """Words, phrases or patterns; a record is dropped where one of them is found, or where none is."""

    words: tuple[Word, ...] = ()
    """Words and phrases, found as they are written. Example: `[lorem ipsum, TODO]`."""
    patterns: tuple[Word, ...] = ()
    """Regular expressions of RE2. Example: `['https?://']`."""
    at: tuple[Role, ...] = ROLES
    """Roles whose turns are looked at; default: all. Example: `[assistant]`."""
    whole: bool = True
    """Whether `words` are found as whole words alone; in scripts without spaces, anywhere. Example: `false`.
    """
    case: bool = False
    """Whether upper and lower case differ. Example: `true`."""
    drop: Literal["found", "missing"] = "found"
    """`found` drops records that hold any of them, `missing` those that hold none. Example: `missing`."""

    _are_lists = field_validator("words", "patterns", "at", mode="before")(listed)

    @model_validator(mode="after")
    def _looks_for_something(self) -> "Keyword":
        if not self.words and not self.patterns:
            raise refuse(Mistake(text="looks for nothing; give words or patterns: {words: [lorem ipsum]}"))
        if not self.at:
            text = f"must not be empty; name roles (of {', '.join(ROLES)}), or remove the key for all"
            raise refuse(Mistake(text=text, path=("at",)))
        blank = [i for i, word in enumerate(self.words) if not word.strip()]
        if blank:
            raise refuse(Mistake(text="must not be blank", path=("words", blank[0])))
        mistakes = [*_no_patterns(self.patterns)]
        if mistakes:
            raise refuse(*mistakes)
        return self


def _no_patterns(patterns: tuple[str, ...]) -> Iterable[Mistake]:
    """Refuse what is no regular expression."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for i, pattern in enumerate(patterns):
        try:
            pc.match_substring_regex(pa.array([""], pa.large_string()), pattern)
        except pa.ArrowInvalid as error:
            why = str(error).removeprefix("Invalid regular expression: ")
            text = f"no regular expression of RE2 ({why}), found {shown(pattern)}"
            yield Mistake(text=text, path=("patterns", i))


class Language(Spec):
    """Languages that stay; what language a text is in, py3langid says (the extra `language`)."""

    keep: Annotated[tuple[str, ...], Field(min_length=1)]
    """Codes of the languages that stay: [en, de]. Example: `[en, de]`."""
    of: Literal["answers", "prompts", "both"] = "answers"
    """What is looked at: what assistants say, what users say, or either, each on its own.

    Of rlvr records, which have no answers, always what users say. Example: `both`.
    """
    min_confidence: Limit = 0.5
    """A text whose language is less sure than this is undetermined. Example: `0.8`."""
    min_letters: Annotated[int, Field(ge=0)] = 20
    """So is a text with fewer letters than this, code left out. Example: `40`."""
    undetermined: Literal["keep", "drop"] = "keep"
    """What becomes of a record with an undetermined text. Example: `drop`."""

    _is_a_list = field_validator("keep", mode="before")(listed)

    @field_validator("keep")
    @classmethod
    def _knows_languages(cls, keep: tuple[str, ...]) -> tuple[str, ...]:
        mistakes = [
            Mistake(text=f"no such language, found {shown(code)}{_code_for(code)}", path=(i,))
            for i, code in enumerate(keep)
            if code not in LANGUAGES
        ]
        if mistakes:
            raise refuse(*mistakes)
        return keep


def _code_for(word: str) -> str:
    """Say which code is meant by a language's English name or by a code with a region."""
    head = re.split(r"[-_]", word.lower())[0]
    by_name = {name.lower(): code for code, name in LANGUAGES.items()}
    code = head if head in LANGUAGES else by_name.get(word.lower())
    if code is not None:
        return f"; write {code}"
    return nearest(word, LANGUAGES) or "; write codes of ISO 639, such as en, de or zh"


class Dated(Spec):
    """When records were made, by the source's own columns."""

    of: str | dict[str, str]
    """DuckDB SQL expression over the source's own columns that gives a date or time; of several sources, the
    expression of each by its name: sources that are not named are not looked at. Example: `created_at`."""
    after: str | None = None
    """Day or time (ISO 8601, UTC unless it says otherwise) from which on records stay. Example: `2023-01-01`.
    """
    before: str | None = None
    """Day or time before which records stay. Example: `2024-07-01T12:00:00Z`."""
    undated: Literal["drop", "keep"] = "drop"
    """What becomes of records without a date that can be read: they are dropped as `no_date`, or kept.
    Example: `keep`."""

    @model_validator(mode="after")
    def _bounds_time(self) -> "Dated":
        given = [name for name in FROM_TO if getattr(self, name) is not None]
        if not given:
            raise refuse(Mistake(text="bounds nothing; give after, before or both: {before: 2024-07-01}"))
        mistakes = [*_undated(self, given)]
        if not mistakes and len(given) == len(FROM_TO) and moment(self.after) >= moment(self.before):
            text = f"{self.after} is not before {self.before}, so nothing would be left"
            mistakes = [Mistake(text=text, path=("after",), against=(("before",),))]
        if isinstance(self.of, dict) and not self.of:
            mistakes.append(Mistake(text="must not be empty; name sources: {web: created}", path=("of",)))
        if mistakes:
            raise refuse(*mistakes)
        return self


def _undated(dated: Dated, given: Iterable[str]) -> Iterable[Mistake]:
    """Refuse what is no day and no time."""
    for name in given:
        text = str(getattr(dated, name))
        try:
            moment(text)
        except ValueError:
            text = f"expected a day or time, such as 2024-07-01 or 2024-07-01T12:00:00Z, found {shown(text)}"
            yield Mistake(text=text, path=(name,))


def moment(text: str | None) -> datetime:
    """Return the moment that ISO 8601 text names, in UTC where it names no zone; a day is its first."""
    found = datetime.fromisoformat(text or "")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


FilterName = Literal[
    "empty_turn", "refusal", "identity", "repetition", "keyword", "language", "date"
]  # fmt: skip
FILTER_NAMES: tuple[FilterName, ...] = tuple(sorted(get_args(FilterName)))
OF_ANSWERS: tuple[FilterName, ...] = ("refusal", "identity", "repetition")
"""Filters that look at answers alone."""
_PLAIN = ("empty_turn", "refusal")
"""Filters that take no settings."""
_TOLD = {
    "keyword": "what to look for: {keyword: {words: [lorem ipsum]}}",
    "language": "what stays: {language: {keep: [en]}}",
    "date": "what is in time: {date: {of: created_at, before: 2024-07-01}}",
}
"""What filters that need settings must be told."""
BARE = tuple(name for name in FILTER_NAMES if name not in _TOLD)
"""Filters that may be named alone."""


class Dropped(Spec):
    """One entry of `drop`: exactly one filter, with its settings."""

    empty_turn: Plain | None = None
    """Turns that say nothing. Example: `{}`."""
    refusal: Plain | None = None
    """Answers that open with a refusal. Example: `{}`."""
    identity: Identity | None = None
    """Answers that claim to be another assistant, say "as an AI language model", or leave {{name}} open.
    Example: `{own: [Tulu]}`."""
    repetition: Repetition | None = None
    """Answers that repeat themselves. Example: `{duplicate_lines: 0.3}`."""
    keyword: Keyword | None = None
    """Turns with words, phrases or patterns, or records without. Example: `{words: [lorem ipsum]}`."""
    language: Language | None = None
    """Texts in other languages than those that stay. Example: `{keep: [en, de]}`."""
    date: Dated | None = None
    """Records made outside a span of time. Example: `{of: created_at, before: 2024-07-01}`."""

    @property
    def name(self) -> FilterName:
        """Return the filter's name."""
        return next(name for name in FILTER_NAMES if getattr(self, name) is not None)

    @property
    def settings(self) -> Spec:
        """Return what the filter is told."""
        found: Spec = getattr(self, self.name)
        return found

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return the reasons for which the filter drops."""
        return ("date", "no_date") if self.date and self.date.undated == "drop" else (self.name,)

    @model_validator(mode="before")
    @classmethod
    def _is_one_filter(cls, entry: object) -> object:
        if isinstance(entry, Dropped):
            return entry
        if isinstance(entry, str):
            _check_name(entry, on_key=False)
            if entry in _TOLD:
                raise refuse(Mistake(text=f"{entry} must be told {_TOLD[entry]}"))
            return {entry: {}}
        if not isinstance(entry, dict) or len(entry) != 1:
            keys = f" with keys {', '.join(map(str, entry))}" if isinstance(entry, dict) and entry else ""
            text = f"expected a filter's name, or one name with its settings, found {shown(entry)}{keys}"
            raise refuse(Mistake(text=text))
        ((name, settings),) = entry.items()
        _check_name(str(name), on_key=True)
        if settings is None and name in _TOLD:
            raise refuse(Mistake(text=f"must be told {_TOLD[name]}", path=(name,)))
        if settings and name in _PLAIN:
            raise refuse(
                Mistake(text=f"takes no settings, found {shown(settings)}; write {name}", path=(name,))
            )
        return {name: {}} if settings is None else entry

    @model_serializer
    def _as_written(self) -> object:
        settings = self.settings.model_dump(mode="json", exclude_none=True)
        return {self.name: settings} if settings else self.name


def _check_name(name: str, *, on_key: bool) -> None:
    """Refuse a filter that does not exist."""
    if name not in FILTER_NAMES:
        text = f"expected one of {', '.join(FILTER_NAMES)}, found {shown(name)}{nearest(name, FILTER_NAMES)}"
        raise refuse(Mistake(text=text, path=(name,) if on_key else (), on_key=on_key))
