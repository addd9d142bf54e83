"""The decisions file: what it may say, how it is written, and its mistakes with their places."""

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.cli.check import command as check
from tulu_data.errors import SpecError
from tulu_data.specs.base import read_spec
from tulu_data.specs.decisions import (
    Decision,
    Decisions,
    _read_lines,
    read_decisions,
    render_decisions,
    write_decisions,
)

A, B = "a" * 32, "b" * 32
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def about(suite="qa", split="test", instance="1", **more):
    return Decision(decision="keep", suite=suite, split=split, instance=instance, **more)


def read(tmp_path, text):
    path = tmp_path / "d.yaml"
    path.write_text(text, "utf-8")
    return read_decisions(path, "d.yaml")


@given(
    st.lists(
        st.one_of(
            st.builds(
                Decision, decision=st.sampled_from(["keep", "drop"]),
                suite=TEXTS, split=TEXTS, instance=TEXTS,
                record=st.none() | st.just(A) | st.just(B), text=st.none() | st.just("0123456789ab"),
                note=st.none() | TEXTS,
            ),
            st.builds(
                Decision, decision=st.just("keep"), suite=TEXTS, split=st.none() | TEXTS, source=TEXTS,
                note=st.none() | TEXTS,
            ),
        ),
        unique_by=lambda d: (d.scope, d.about), max_size=6,
    )
)  # fmt: skip
def test_what_is_written_is_read_again_by_us_and_by_plain_yaml(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("d") / "d.yaml"
    write_decisions(path, Decisions(version=1, decisions=tuple(entries)))
    again = read_decisions(path)
    assert {*again.decisions} == {*entries}
    assert again == read_spec(Decisions, path)
    assert _read_lines(path) == (again if entries else None)
    plain = yaml.safe_load(path.read_text("utf-8"))["decisions"]
    assert [Decision(**row) for row in plain] == list(again.decisions)
    assert render_decisions(again) == path.read_text("utf-8")
    assert [p.name for p in path.parent.iterdir()] == ["d.yaml"]


@given(
    st.builds(
        Decision, decision=st.just("keep"), suite=TEXTS, split=TEXTS, instance=TEXTS, note=st.none() | TEXTS
    ),
    st.integers(0, 200), st.text("aU\\\"{}:, #-\n\t1\u00e9\u2028", max_size=3), st.integers(0, 2),
)  # fmt: skip
def test_a_file_that_somebody_edited_is_never_read_as_anything_but_yaml(
    tmp_path_factory, entry, at, inserted, deleted
):
    path = tmp_path_factory.mktemp("d") / "d.yaml"
    text = render_decisions(Decisions(version=1, decisions=(entry,)))
    at += text.index("version")
    path.write_text(text[:at] + inserted + text[at + deleted :], "utf-8", newline="")
    short = _read_lines(path)
    assert short is None or short == read_spec(Decisions, path)


@pytest.mark.parametrize("letter", ["\x85", "\u2028", "\u2029"])
def test_a_line_that_yaml_alone_ends_is_read_as_yaml(tmp_path, letter):
    path = tmp_path / "d.yaml"
    line = '- {decision: keep, suite: " LETTER0", split: "0", instance: "0"}'
    path.write_text(f"version: 1\ndecisions:\n{line}\n".replace("LETTER", letter), "utf-8")
    assert _read_lines(path) is None
    assert read_decisions(path) == read_spec(Decisions, path)


def test_more_decisions_than_a_spec_has_nodes_are_read(tmp_path):
    path = tmp_path / "d.yaml"
    many = Decisions(version=1, decisions=tuple(about(record=f"{k:032x}") for k in range(41_000)))
    write_decisions(path, many)
    assert read_decisions(path) == many


def test_a_decision_is_one_line_in_sorted_order_so_that_answers_merge():
    one = about(record=A, note="same town: no leak")
    wide = Decision(decision="drop", suite="qa", source="data/x.jsonl")
    lines = render_decisions(Decisions(version=1, decisions=(one, wide))).splitlines()
    assert lines[-3:] == [
        "decisions:",
        "- {decision: drop, suite: qa, source: data/x.jsonl}",
        '- {decision: keep, suite: qa, split: test, instance: "1", record: '
        + A
        + ', note: "same town: no leak"}',
    ]


def test_a_new_decision_takes_the_place_of_the_one_about_the_same_hits():
    both = Decisions(version=1).with_(about(), about(record=A))
    changed = both.with_(about(record=A, note="looked again"))
    assert [d.note for d in changed.decisions] == [None, "looked again"]
    assert changed.without(about()).decisions == (about(record=A, note="looked again"),)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{decision: keep, suite: qa}", "is about a whole suite; give instance (with split), or source"),
        ("{decision: maybe, suite: qa, source: a}", "decision: expected one of drop, keep, found 'maybe'"),
        (
            "{decision: keep, suite: qa, instance: '1'}",
            "instance: an instance needs its split; ids repeat between splits",
        ),
        ("{decision: keep, suite: qa, split: t, instance: 1}", "instance: expected text, found 1"),
        ("{decision: keep, suite: qa, source: a, record: 12}", "record: expected text, found 12"),
        (
            "{decision: keep, suite: qa, split: t, instance: x, source: a}",
            "source: give instance or source; what a source shares with one instance is decided by record",
        ),
        (
            f"{{decision: keep, suite: qa, source: a, record: {A}}}",
            "record: record needs instance (with split)",
        ),
        (
            "{decision: keep, suite: qa, source: a, notes: x}",
            "notes: unknown key 'notes'; did you mean 'note'?",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_refused_at_their_place(tmp_path, entry, problem):
    with pytest.raises(SpecError) as caught:
        read(tmp_path, f"version: 1\ndecisions:\n- {entry}\n")
    (text,) = caught.value.problems
    assert text.startswith("d.yaml:3:")
    assert f"decisions[0]{'.' if ': ' in problem else ': '}{problem}" in text


def test_two_decisions_about_the_same_hits_are_refused(tmp_path):
    line = f"- {{decision: keep, suite: qa, split: test, instance: '1', record: {A}}}\n"
    with pytest.raises(SpecError) as caught:
        read(tmp_path, "version: 1\ndecisions:\n" + line + line.replace("keep", "drop"))
    assert str(caught.value) == (
        "d.yaml:4:3 decisions[1]: is about the same hits as decisions[0]; keep one of them"
    )


def test_a_file_of_another_version_is_refused(tmp_path):
    with pytest.raises(SpecError, match=r"^d\.yaml:1:10 version: expected 1, found 2"):
        read(tmp_path, "version: 2\n")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(SpecError, match="cannot be written"):
        write_decisions(tmp_path / "gone" / "d.yaml", Decisions(version=1))


def test_check_reads_decisions_as_decisions(tmp_path):
    path = tmp_path / "decontamination.yaml"
    write_decisions(path, Decisions(version=1, decisions=(about(),)))
    done = CliRunner().invoke(check, [str(path)])
    assert (done.exit_code, done.output) == (0, f"{path}: ok\n")
    path.write_text("version: 1\ndecisions:\n- {decision: kept, suite: qa, source: a}\n")
    done = CliRunner().invoke(check, [str(path)])
    assert done.exit_code == 1
    assert (
        "decisions[0].decision: expected one of drop, keep, found 'kept'; did you mean 'keep'?" in done.output
    )
