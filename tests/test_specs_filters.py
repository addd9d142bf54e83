"""How a spec names filters and what they are told: what is read, and each mistake at its place."""

import json
from pathlib import Path

import pytest
import yaml

from tulu_data.errors import SpecError
from tulu_data.filters.detector import NO_LANGUAGE, languages
from tulu_data.specs.filters import FILTER_NAMES
from tulu_data.specs.languages import LANGUAGES, VARIETIES
from tulu_data.specs.mixture import Mixture, read_mixture
from tulu_data.specs.steps import FilterStep

HEAD = (
    "version: 1\nname: m\nkind: {kind}\ndecontaminate: none\nsources: {{a: {{uri: a.jsonl}}}}\nsteps:\n  - "
)


def read(path: Path, step: str, kind: str = "sft") -> Mixture:
    (path / "m.yaml").write_text(HEAD.format(kind=kind) + step + "\n", "utf-8")
    return read_mixture(path / "m.yaml").mixture


def mistakes(path: Path, step: str, kind: str = "sft") -> list[str]:
    with pytest.raises(SpecError) as caught:
        read(path, step, kind)
    return [line.removeprefix(f"{path}/m.yaml:") for line in str(caught.value).splitlines()]


def test_a_filter_is_named_alone_or_with_its_settings_and_reads_again_as_it_was_written(
    tmp_path: Path,
) -> None:
    said = (
        "{step: filter, drop: [empty_turn, {repetition: {min_words: 9}}, {keyword: {words: [a b], at: [user]}}, "
        "{language: {keep: [en, no]}}, {date: {of: {a: made}, before: 2024-07-01}}, identity, {refusal: }], "
        "max_turns: 8}"
    )
    (step,) = read(tmp_path, said).steps
    assert isinstance(step, FilterStep)
    assert [entry.name for entry in step.drop] == [
        "empty_turn", "repetition", "keyword", "language", "date", "identity", "refusal",
    ]  # fmt: skip
    assert step.reasons == (
        "empty_turn", "repetition", "keyword", "language", "date", "no_date", "identity", "refusal", "max_turns",
    )  # fmt: skip
    written = step.model_dump(mode="json", exclude_none=True)
    assert written["drop"][0] == "empty_turn"
    assert read(tmp_path, json.dumps(written)).steps == (step,)
    assert read(tmp_path, yaml.safe_dump(written, default_flow_style=True, width=9999).strip()).steps == (
        step,
    )


def test_records_without_a_date_that_are_kept_are_no_reason(tmp_path: Path) -> None:
    said = "{step: filter, drop: [{date: {of: made, after: '2024-01-01', undated: keep}}]}"
    (step,) = read(tmp_path, said).steps
    assert isinstance(step, FilterStep)
    assert step.reasons == ("date",)


MISTAKES = [
    ("refusals", "0]: expected one of {names}, found 'refusals'; did you mean 'refusal'?"),
    ("{refusals: {}}", "0].refusals: expected one of {names}, found 'refusals'; did you mean 'refusal'?"),
    ("{refusal: {a: 1}}", "0].refusal: takes no settings, found a mapping; write refusal"),
    ("{refusal: {}, identity: {}}",
     "0]: expected a filter's name, or one name with its settings, found a mapping with keys refusal, identity"),
    ("5", "0]: expected a filter's name, or one name with its settings, found 5"),
    ("refusal, refusal", "1]: refusal stands there already; remove one"),
    ("keyword", "0]: keyword must be told what to look for: {keyword: {words: [lorem ipsum]}}"),
    ("{keyword: }", "0].keyword: must be told what to look for: {keyword: {words: [lorem ipsum]}}"),
    ("{keyword: {words: lorem}}", "0].keyword.words: expected a list, found 'lorem'; write [lorem]"),
    ("{keyword: {words: []}}",
     "0].keyword: looks for nothing; give words or patterns: {words: [lorem ipsum]}"),
    ("{keyword: {words: [a], at: []}}",
     "0].keyword.at: must not be empty; name roles (of system, user, assistant, tool), or remove the key for all"),
    ("{keyword: {words: [' ']}}", "0].keyword.words[0]: must not be blank"),
    ("{keyword: {words: [a], at: [asistant]}}",
     "0].keyword.at[0]: expected one of assistant, system, tool, user, found 'asistant'; "
     "did you mean 'assistant'?"),
    ("{keyword: {patterns: ['(a', b]}}",
     "0].keyword.patterns[0]: no regular expression of RE2 (missing ): (a), found '(a'"),
    ("{language: {}}", "0].language: key 'keep' is missing; add `keep:` (Codes of the languages that stay: [en, de])"),
    ("{language: {keep: [english]}}", "0].language.keep[0]: no such language, found 'english'; write en"),
    ("{language: {keep: [de-DE]}}", "0].language.keep[0]: no such language, found 'de-DE'; write de"),
    ("{language: {keep: [xx]}}",
     "0].language.keep[0]: no such language, found 'xx'; write codes of ISO 639, such as en, de or zh"),
    ("{date: {of: made}}", "0].date: bounds nothing; give after, before or both: {before: 2024-07-01}"),
    ("{date: {of: made, before: soon}}",
     "0].date.before: expected a day or time, such as 2024-07-01 or 2024-07-01T12:00:00Z, found 'soon'"),
    ("{date: {of: made, before: 2024-07-01, after: 2024-08-01}}",
     "0].date.after: 2024-08-01 is not before 2024-07-01, so nothing would be left"),
    ("{date: {of: {b: made}, before: 2024-07-01}}", "0].date.of.b: no source 'b' (sources: a)"),
    ("{date: {of: {}, before: 2024-07-01}}", "0].date.of: must not be empty; name sources: {web: created}"),
    ("{repetition: {duplicate_lines: 2}}", "0].repetition.duplicate_lines: must be at most 1, found 2"),
    ("{repetition: {top_ngrams: [0.1]}}", "0].repetition.top_ngrams: must have at least 3 entries, found 1"),
    ("{repetition: {top: 1}}",
     "0].repetition.top: unknown key 'top' (known: duplicate_line_characters, duplicate_lines, "
     "duplicate_ngrams, duplicate_paragraph_characters, duplicate_paragraphs, min_words, top_ngrams)"),
]  # fmt: skip


@pytest.mark.parametrize(("drop", "text"), MISTAKES, ids=[drop for drop, _ in MISTAKES])
def test_a_mistake_is_told_at_its_place(tmp_path: Path, drop: str, text: str) -> None:
    (told,) = mistakes(tmp_path, f"{{step: filter, drop: [{drop}]}}")
    place, _, rest = told.partition(" steps[0].drop[")
    assert rest == text.replace("{names}", ", ".join(FILTER_NAMES))
    line, column = map(int, place.split(":"))
    assert (line, column) >= (7, 26)


def test_what_looks_at_answers_is_refused_where_there_are_none(tmp_path: Path) -> None:
    told = mistakes(tmp_path, "{step: filter, drop: [refusal, empty_turn], max_answer_tokens: 5}", "rlvr")
    assert told == [
        "7:5 steps[0]: a bound in tokens needs `tokenizer` (a folder or hub id)",
        "7:27 steps[0].drop[0]: refusal looks at answers, which rlvr records do not have; remove it",
        "7:49 steps[0].max_answer_tokens: bounds answers, which rlvr records do not have; remove it",
    ]


def test_a_list_is_needed_and_bounds_must_leave_something(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "{step: filter, drop: refusal}") == [
        "7:26 steps[0].drop: expected a list, found 'refusal'; write [refusal]"
    ]
    assert mistakes(tmp_path, "{step: filter, min_turns: 5, max_turns: 4}") == [
        "7:31 steps[0].min_turns: 5 is above max_turns, 4, so nothing would be left"
    ]


def test_the_languages_of_a_spec_are_those_of_the_detector() -> None:
    assert {*languages()} - {NO_LANGUAGE} == {*LANGUAGES}
    assert {*VARIETIES.values()} <= {*LANGUAGES}
    assert not {*VARIETIES} & {*LANGUAGES}
