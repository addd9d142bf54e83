"""Specs that build on others: what is merged, what replaces, and where each mistake is said to stand."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.cli.main import group
from tulu_data.errors import SpecError
from tulu_data.specs.document import Place, parse_document
from tulu_data.specs.mixture import Mixture, MixtureFile, read_mixture
from tulu_data.specs.tree import Tree, document_of, merged, tree_of

BASE = """\
version: 1
name: base
kind: sft
decontaminate: none
sources:
  web: {uri: web.jsonl, take: {rows: 5}, tags: [x, y], columns: {messages: m}}
  books: {uri: books.jsonl}
steps:
  - {step: filter, drop: [refusal]}
  - {step: dedup, prefer: [books]}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text(BASE)
    return tmp_path


def written(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def read(text: str, *settings: str) -> Mixture:
    return read_mixture(written("top.yaml", text), settings).mixture


def problems(text: str, *settings: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read(text, *settings)
    return list(caught.value.problems)


def test_mappings_and_sources_merge_by_name_and_lists_and_takes_replace() -> None:
    found = read(
        "extends: base.yaml\nname: top\nseed: 7\nsources:\n"
        "  web: {take: {fraction: 0.5}, tags: [z], columns: {prompt: p}}\n  more: {uri: more.jsonl}\n"
        "steps: [{step: dedup}]\n"
    )
    web = found.sources["web"]
    assert (found.name, found.seed, list(found.sources)) == ("top", 7, ["web", "books", "more"])
    assert (web.uri, web.tags, web.columns) == ("web.jsonl", ("z",), {"messages": "m", "prompt": "p"})
    assert (web.take.fraction, web.take.rows) == (0.5, None)
    assert [step.step for step in found.steps] == ["dedup"]


def test_nothing_over_a_source_or_a_key_removes_it() -> None:
    found = read("extends: base.yaml\nsources: {books: null, web: {take: null}}\nsteps: null\n")
    assert list(found.sources) == ["web"]
    assert (found.sources["web"].take.all, found.steps) == (True, ())


def test_an_overlay_of_an_overlay_finds_each_file_from_the_one_that_names_it() -> None:
    written("a/one.yaml", "extends: ../base.yaml\nseed: 1\nsources: {books: null}\nsteps: []\n")
    written("a/b/two.yaml", "extends: ../one.yaml\nseed: 2\n")
    file = read_mixture(written("three.yaml", "extends: [a/b/two.yaml]\nname: three\n"))
    assert (file.mixture.seed, file.mixture.name, list(file.mixture.sources)) == (2, "three", ["web"])
    assert file.bases == (Path("a/b/two.yaml"), Path("a/one.yaml"), Path("base.yaml"))


def test_a_base_that_two_others_share_is_merged_once_and_before_both() -> None:
    written("one.yaml", "extends: base.yaml\nseed: 1\n")
    written("two.yaml", "extends: base.yaml\ntokenizer: t\n")
    written("base.yaml", BASE + "seed: 5\n")
    assert read("extends: [one.yaml, two.yaml]\n").seed == 1
    assert read("extends: [two.yaml, one.yaml]\n").seed == 1


def test_one_that_extends_names_its_bases_in_order_and_the_later_wins() -> None:
    written("one.yaml", "seed: 1\n")
    written("two.yaml", "seed: 2\n")
    assert read("extends: [base.yaml, one.yaml, two.yaml]\n").seed == 2
    assert read("extends: [base.yaml, two.yaml, one.yaml]\n").seed == 1


MISTAKES = [
    ("extends: 5\n", "top.yaml:1:10 extends: expected the path of a spec, relative to this file, found 5"),
    (
        "extends: [base.yaml, '']\n",
        "top.yaml:1:22 extends[1]: expected the path of a spec, relative to this file, found ''",
    ),
    (
        "name: x\nextends: bose.yaml\n",
        "top.yaml:2:10 extends: no file 'bose.yaml'; paths here are relative to this file's folder",
    ),
    (
        "extends: top.yaml\n",
        "top.yaml:1:10 extends: 'top.yaml' leads back to top.yaml, so neither has an end; remove "
        "one of the two",
    ),
    (
        "extends: base.yaml\nsources: {boks: null}\n",
        "top.yaml:2:11 sources.boks: nothing to remove, no source 'boks' below; did you mean 'books'? "
        "(sources: books, web)",
    ),
    (
        "extends: base.yaml\nsources: {books: null}\n",
        "top.yaml:2:11 sources.books: its removal does not go with base.yaml:10:28 steps[1].prefer[0]: no "
        "source 'books' (sources: web)",
    ),
    (
        "extends: base.yaml\nsources: {web: {tags: 5, uri: s://x}}\n",
        "top.yaml:2:23 sources.web.tags: expected a list, found 5; write it as in tags: [math, synthetic]",
    ),
    (
        "extends: base.yaml\nsources: {new: {take: {rows: 1}}}\n",
        "top.yaml:2:11 sources.new: no source 'new' to lay this over (sources: books, web); a new one needs "
        "`uri:`",
    ),
    (
        "extends: base.yaml\nsources: {wbe: {take: {rows: 1}}}\n",
        "top.yaml:2:11 sources.wbe: no source 'wbe' to lay this over; did you mean 'web'? (sources: books, "
        "web); a new one needs `uri:`",
    ),
    ("extends: list.yaml\n", "list.yaml:1:1 expected keys and values, found a list"),
    (
        "extends: broken.yaml\n",
        "broken.yaml:2:1 not YAML: expected the node content, but found '<stream end>'",
    ),
    (
        "extends: loop/a.yaml\n",
        "loop/b.yaml:1:10 extends: 'a.yaml' leads back to loop/a.yaml, so neither has an end; "
        "remove one of the two",
    ),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_a_mistake_of_merging_is_told_at_its_place(text: str, expected: str) -> None:
    written("list.yaml", "[1]\n")
    written("broken.yaml", "a: [\n")
    written("loop/a.yaml", "extends: b.yaml\n")
    written("loop/b.yaml", "extends: a.yaml\n")
    assert problems(text) == [expected]


def test_mistakes_in_several_files_are_told_at_once_the_named_spec_first() -> None:
    written("base.yaml", BASE.replace("rows: 5", "rows: five").replace("[refusal]", "[refusals]"))
    assert problems("extends: base.yaml\nseed: x\n", "sources.books.tags=9") == [
        "top.yaml:2:7 seed: expected a whole number, found 'x'",
        "--set sources.books.tags=9: sources.books.tags: expected a list, found 9; write it as in tags: "
        "[math, synthetic]",
        "base.yaml:6:38 sources.web.take.rows: expected a whole number, found 'five'",
        "base.yaml:9:27 steps[0].drop[0]: expected one of date, empty_turn, identity, keyword, language, "
        "refusal, repetition, found 'refusals'; did you mean 'refusal'?",
    ]


def test_too_many_specs_that_build_on_one_another_are_refused() -> None:
    for number in range(30):
        written(f"{number}.yaml", f"extends: {number + 1}.yaml\n")
    assert problems("extends: 0.yaml\n") == [
        "18.yaml:1:10 extends: more than 20 specs build on one another here; merge some of them"
    ]


SETTINGS = [
    ("seed=0x10", lambda m: m.seed == 16),
    ("tokenizer='5'", lambda m: m.tokenizer == "5"),
    ("sources.web.take={fraction: 0.25}", lambda m: m.sources["web"].take.fraction == 0.25),
    ("sources.web.take.rows=7", lambda m: m.sources["web"].take.rows == 7),
    ("sources.web.take.all=true", lambda m: m.sources["web"].take.all and m.sources["web"].take.rows is None),
    ("sources.web={tags: []}", lambda m: m.sources["web"].uri == "web.jsonl" and m.sources["web"].tags == ()),
    ("sources['web'].uri=a=b.jsonl", lambda m: m.sources["web"].uri == "a=b.jsonl"),
    ("sources.\u7f51.uri=\u7f51.jsonl", lambda m: m.sources["\u7f51"].uri == "\u7f51.jsonl"),
    ("sources['v3.9']={uri: x}", lambda m: m.sources["v3.9"].uri == "x"),
    ("sources.web.columns['a.b']=c", lambda m: m.sources["web"].columns == {"messages": "m", "a.b": "c"}),
    ("steps[0].drop=[identity]", lambda m: [d.name for d in m.steps[0].drop] == ["identity"]),
    ("steps[0].drop[0]=identity", lambda m: [d.name for d in m.steps[0].drop] == ["identity"]),
    ("steps[1]=", lambda m: [s.step for s in m.steps] == ["filter"]),
    ("steps=null", lambda m: m.steps == ()),
    ("sources.web.tags=null", lambda m: m.sources["web"].tags == ()),
]


@pytest.mark.parametrize(("setting", "holds"), SETTINGS, ids=[ascii(s) for s, _ in SETTINGS])
def test_a_setting_is_laid_over_the_spec_by_the_same_rules(setting: str, holds: Any) -> None:
    assert holds(read("extends: base.yaml\n", setting))
    assert holds(read(BASE, setting))


def test_the_later_of_two_settings_wins() -> None:
    assert read(BASE, "seed=1", "seed=2").seed == 2


BAD_SETTINGS = [
    (
        "seed",
        "--set seed: expected a path, '=' and a value; write a path and a value, as in "
        "sources.web.take={rows: 100}, steps[0].drop=[refusal] or size=5000",
    ),
    (
        "a..b=1",
        "--set a..b=1: expected a path, '=' and a value; write a path and a value, as in "
        "sources.web.take={rows: 100}, steps[0].drop=[refusal] or size=5000",
    ),
    (
        "seed=[1",
        "--set seed=[1: not YAML: expected ',' or ']', but got '<stream end>'; write a comma between two "
        "entries, and a bracket at the end",
    ),
    ("seed=yes", "--set seed=yes: seed: expected a whole number, found 'yes'"),
    (
        "extends=x.yaml",
        "--set extends=x.yaml: a setting comes after what a spec extends; write extends in the spec",
    ),
    ("name.x=1", "--set name.x=1: name: has no keys, so no 'x'; found 'base'"),
    (
        "steps.drop=1",
        "--set steps.drop=1: steps: has no keys, so no 'drop'; found a list; name an entry by its "
        "number, as in [0]",
    ),
    (
        "steps[2].drop=1",
        "--set steps[2].drop=1: steps: no entry [2], the last is [1]; to make it longer "
        "write the whole list, steps=[...]",
    ),
    ("sources[0]=1", "--set sources[0]=1: sources: [0] counts the entries of a list, found keys and values"),
    (
        "sources.wed=",
        "--set sources.wed=: sources: nothing to remove, 'wed' is not there; did you mean 'web'?",
    ),
    (
        "sources.web.take.row=1",
        "--set sources.web.take.row=1: sources.web.take.row: unknown key 'row'; did you mean 'rows'? (known: "
        "all, epochs, fraction, rows, tokens, weight)",
    ),
]


@pytest.mark.parametrize(("setting", "expected"), BAD_SETTINGS)
def test_a_setting_that_cannot_be_is_told_with_itself_as_the_place(setting: str, expected: str) -> None:
    assert problems(BASE, setting) == [expected]


CONTRADICTIONS = [
    (
        "sources: {web: {take: {epochs: 3}}}\n",
        ["max_repetition=2"],
        "--set max_repetition=2: max_repetition: does not go with top.yaml:2:32 sources.web.take.epochs: "
        "epochs 3 "
        "repeat more often than max_repetition, 2; {epochs: 2} fits",
    ),
    (
        "sources: {web: {max_repetition: 2}}\n",
        ["sources.web.take.epochs=3"],
        "--set sources.web.take.epochs=3: sources.web.take.epochs: epochs 3 repeat more often than "
        "max_repetition, "
        "2; {epochs: 2} fits",
    ),
    (
        "max_repetition: 2\n",
        ["sources.web.take.epochs=2", "sources.web.max_repetition=1"],
        "--set sources.web.max_repetition=1: sources.web.max_repetition: does not go with --set "
        "sources.web.take.epochs=2: sources.web.take.epochs: epochs 2 repeat more often than "
        "max_repetition, 1; "
        "{epochs: 1} fits",
    ),
    (
        "sources: {web: {adapter: preference}}\nkind: preference\n",
        ["kind=sft"],
        "--set kind=sft: kind: does not go with top.yaml:2:26 sources.web.adapter: delivers preference "
        "records, "
        "the mixture is of kind 'sft'; choose another adapter, or kind: preference",
    ),
    (
        "tokenizer: tok\nsteps: [{step: filter, max_tokens: 9}]\n",
        ["tokenizer="],
        "--set tokenizer=: tokenizer: its removal does not go with top.yaml:3:9 steps[0]: a bound in tokens "
        "needs "
        "`tokenizer` (a folder or hub id)",
    ),
    (
        "steps: [{step: filter, max_turns: 9}]\n",
        ["steps[0].min_turns=10"],
        "--set steps[0].min_turns=10: steps[0].min_turns: 10 is above max_turns, 9, so nothing would be left",
    ),
    (
        "steps: [{step: filter, min_turns: 9}]\n",
        ["steps[0].max_turns=8"],
        "--set steps[0].max_turns=8: steps[0].max_turns: does not go with top.yaml:2:35 steps[0].min_turns: "
        "9 is "
        "above max_turns, 8, so nothing would be left",
    ),
    (
        "",
        ["decontaminate="],
        "--set decontaminate=: decontaminate: no decontamination step; add {step: decontaminate, against: "
        "[evals/]} to steps, or say `decontaminate: none`",
    ),
    (
        "sources: {web: {split: test, uri: hf://o/n}}\n",
        ["sources.web.uri=web.jsonl"],
        "--set sources.web.uri=web.jsonl: sources.web.uri: does not go with top.yaml:2:17 "
        "sources.web.split: only "
        "an hf:// source has a split; remove it",
    ),
    (
        "",
        ["sources.web.take.rows="],
        "--set sources.web.take.rows=: sources.web.take.rows: give exactly one of all, epochs, fraction, "
        "rows, tokens, weight (found none)",
    ),
    (
        "",
        ["sources.wbe.take.rows=1"],
        "--set sources.wbe.take.rows=1: sources.wbe: no source 'wbe' to lay this over; did you mean 'web'? "
        "(sources: books, web); a new one needs `uri:`",
    ),
    (
        "groups: {heavy: {weight: 2}}\nsize: 5\nsources: {web: {take: {weight: 1}, group: heavy}}\n",
        ["groups.hevy.weight=3"],
        "--set groups.hevy.weight=3: groups.hevy: no source is of this group; did you mean 'heavy'?",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "settings", "expected"), CONTRADICTIONS)
def test_of_two_that_contradict_each_other_the_one_that_came_later_is_the_place(
    text: str, settings: list[str], expected: str
) -> None:
    assert problems(f"extends: base.yaml\n{text}", *settings) == [expected]


def test_a_source_may_be_added_by_several_settings() -> None:
    found = read(BASE, "sources.new.take.rows=1", "sources.new.uri=new.jsonl")
    assert found.sources["new"].take.rows == 1


def test_check_and_mix_take_settings(folder: Path) -> None:
    done = CliRunner().invoke(group, ["check", "base.yaml", "--set", "seed=x", "--set", "name=N"])
    assert (done.exit_code, done.output) == (
        1,
        "--set name=N: name: must be small letters, digits, '_', '.' and '-', beginning with a letter or "
        "digit, found 'N'; 'n' would do\n--set seed=x: seed: expected a whole number, found 'x'\n",
    )
    written(
        "web.jsonl", '{"m": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n' * 2
    )
    written("books.jsonl", "")
    settings = ["--set", "sources.books=", "--set", "steps=[]", "--set", "sources.web.take={epochs: 2}"]
    done = CliRunner().invoke(group, ["mix", "base.yaml", "--dry-run", "--json", *settings])
    assert '"rows": 4' in done.stdout, done.output + repr(done.exception)


def test_the_merged_spec_is_printed_and_says_the_same() -> None:
    written("top.yaml", "extends: base.yaml\nname: top\nsources: {books: null}\nsteps: [{step: dedup}]\n")
    done = CliRunner().invoke(
        group, ["check", "--merged", "top.yaml", "--set", "sources.web.take={epochs: 2}"]
    )
    assert done.exit_code == 0, done.output
    file = read_mixture(written("again.yaml", done.stdout))
    given = read_mixture(Path("top.yaml"), ["sources.web.take={epochs: 2}"]).mixture
    assert file.mixture == given.model_copy(update={"extends": None})
    assert file.bases == ()
    assert CliRunner().invoke(group, ["check", "--merged"]).exit_code == 2


KEYS = st.sampled_from(["a", "b", "c"])
DATA = st.recursive(
    st.integers(0, 9) | st.just(None) | st.lists(st.integers(0, 9), max_size=2),
    lambda below: st.dictionaries(KEYS, below, max_size=3),
    max_leaves=12,
)


def laid(below: Any, above: Any) -> Any:
    """Merge plain data, written down a second time."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    kept = {k: v for k, v in below.items() if k not in above}
    over = {k: laid(below[k], v) if k in below else v for k, v in above.items()}
    return kept | {k: v for k, v in over.items() if not (k in below and above[k] is None)}


def tree(data: Any, name: str) -> Tree:
    document = parse_document(yaml.safe_dump(data), name)
    return tree_of(document, lambda place: place._replace(origin=name))


@given(st.dictionaries(KEYS, DATA, max_size=3), st.dictionaries(KEYS, DATA, max_size=3))
def test_merging_is_what_plain_data_gives_and_every_value_stands_in_its_own_file(
    below: Any, above: Any
) -> None:
    found = document_of(merged(tree(below, "below"), tree(above, "above"), lambda _: False), "above")
    assert found.data == laid(below, above)
    parsed = {
        name: parse_document(yaml.safe_dump(data), name)
        for name, data in (("below", below), ("above", above))
    }
    for path, place in found.values.items():
        assert parsed[place.origin].values[path] == Place(place.line, place.column)
    for path, place in found.keys.items():
        assert parsed[place.origin].keys[path] == Place(place.line, place.column)


def test_a_spec_without_bases_is_read_as_before() -> None:
    file: MixtureFile = read_mixture(Path("base.yaml"))
    assert (file.bases, file.settings, file.document.name) == ((), (), "base.yaml")
