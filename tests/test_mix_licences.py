"""The licence gate: who is let in, what is carried on, and what is said where."""

import json
import shutil
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mixture_fixtures import Place, chats
from pydantic import ValidationError

from tulu_data.account.books import book_faults
from tulu_data.errors import PlanError, SpecError
from tulu_data.mix.licences import check_licences, licence_warnings
from tulu_data.sources.location import ResolvedSource
from tulu_data.specs.licences import Licences, licence_ids
from tulu_data.specs.lock import SourcePin
from tulu_data.specs.mixture import MixtureFile, read_mixture
from tulu_data.store.manifest import SourceEntry


@pytest.fixture
def place(workspace: Place) -> Place:
    for name in "abc":
        workspace.write(f"{name}.jsonl", chats(3, name))
    return workspace


def written(place: Place, text: str) -> MixtureFile:
    path = place.root / "m.yaml"
    path.write_text(f"version: 1\nname: m\nkind: sft\ndecontaminate: none\n{text}", "utf-8")
    return read_mixture(path)


def planned(place: Place, text: str) -> str:
    """Return what the gate says about a spec, line by line without the folder."""
    from tulu_data.mix import resolve_inputs

    with pytest.raises(PlanError) as caught:
        resolve_inputs(written(place, text), place.root, place.store)
    return str(caught.value).replace(f"{place.root}/", "")


def test_every_source_that_may_not_be_is_told_at_its_place(place: Place) -> None:
    assert planned(
        place,
        "licences: {allow: [MIT, odc-by], deny: [gpl-3.0]}\nsources:\n"
        "  a: {uri: a.jsonl, licence: mit}\n"
        "  b: {uri: b.jsonl, licence: [ODC-By, CC-BY-NC-4.0, gpl-3.0]}\n"
        "  c: {uri: c.jsonl}\n  d: {uri: a.jsonl, licence: other}\n",
    ).splitlines() == [
        "m.yaml:8:39 sources.b.licence[1]: cc-by-nc-4.0 is not among those allowed (mit, odc-by); remove the "
        "source, or allow it",
        "m.yaml:8:53 sources.b.licence[2]: gpl-3.0 is denied; remove the source, or allow it",
        "m.yaml:9:12 sources.c.uri: no licence is known; state it as `licence:` of the source, or say "
        "licences: {unknown: warn}",
        "m.yaml:10:12 sources.d.uri: no licence is known; state it as `licence:` of the source, or say "
        "licences: {unknown: warn}",
    ]  # fmt: skip


def test_the_gate_stands_before_anything_is_read_or_written(place: Place) -> None:
    with pytest.raises(PlanError):
        place.mix({"a": {"uri": "a.jsonl"}}, licences={"allow": ["mit"]})
    assert place.said == []
    assert not place.store.root.exists()


def test_unknown_licences_are_let_in_with_a_warning_where_the_spec_says_so(place: Place) -> None:
    sources = {"a": {"uri": "a.jsonl"}, "b": {"uri": "b.jsonl", "licence": "mit"}, "c": {"uri": "c.jsonl"}}
    version = place.mix(sources, licences={"allow": ["mit"], "unknown": "warn"})
    assert version.manifest.warnings == ("no licence is known of sources 'a', 'c'",)
    assert [entry.licences for entry in version.manifest.sources] == [("unknown",), ("mit",), ("unknown",)]


def test_a_version_that_was_built_passes_no_gate_that_was_closed_since(place: Place) -> None:
    place.mix({"a": {"uri": "a.jsonl", "licence": "mit"}})
    with pytest.raises(PlanError, match="mit is denied"):
        place.mix({"a": {"uri": "a.jsonl", "licence": "mit"}}, licences={"deny": ["mit"]})


def test_a_stored_version_carries_its_licences_on(place: Place) -> None:
    sources = {
        "a": {"uri": "a.jsonl", "licence": ["odc-by", "cc-by-nc-sa-4.0"]},
        "b": {"uri": "b.jsonl"},
        "c": {"uri": "c.jsonl", "licence": "mit", "take": {"rows": 0}},
    }
    first = place.mix(sources, name="first")
    second = place.mix({"old": {"uri": "first@latest", "licence": "Apache-2.0"}}, name="second")
    assert second.manifest.sources[0].licences == ("apache-2.0", "cc-by-nc-sa-4.0", "odc-by")
    text = "licences: {deny: [cc-by-nc-sa-4.0]}\nsources: {old: {uri: first@latest}}\n"
    assert planned(place, text).splitlines() == [
        f"m.yaml:6:22 sources.old.uri: cc-by-nc-sa-4.0, which {first.ref} carries, is denied; remove the "
        "source, or allow it",
        f"m.yaml:6:22 sources.old.uri: {first.ref} carries records whose licence nobody stated; state it as "
        "`licence:` of the source, or say licences: {unknown: warn}",
    ]
    assert "cc-by-nc-sa-4.0" in (second.path / "README.md").read_text("utf-8")


def hub(name: str, card: str | None, licences: tuple[str, ...]) -> ResolvedSource:
    pin = SourcePin(uri="hf://o/n", revision="0" * 40, files=(), licence=card)
    return ResolvedSource(
        name=name, uri="hf://o/n", revision="0" * 40, files=(), licences=licences, pin=pin
    )  # fmt: skip


HUB = "sources:\n  x: {uri: hf://o/n, licence: mit}\n  y: {uri: hf://o/n, licence: odc-by}\n  z: {uri: hf://o/n}\n"


def test_a_statement_that_the_card_contradicts_is_reported_once_a_dataset(place: Place) -> None:
    file = written(place, HUB)
    sources = [hub("x", "ODC-By", ("mit",)), hub("y", "ODC-By", ("odc-by",)), hub("z", "ODC-By", ("odc-by",))]
    assert list(licence_warnings(file, sources)) == [
        "hf://o/n: its card names odc-by, the spec states mit (x); what the spec states is recorded"
    ]


def test_what_a_card_names_is_held_against_the_gate(place: Place) -> None:
    file = written(place, HUB + "licences: {allow: [mit, odc-by]}\n")
    with pytest.raises(
        PlanError, match=r"sources\.z\.uri: gpl-3\.0, which its card carries, is not among those"
    ):
        check_licences(file, [hub("z", "gpl-3.0", ("gpl-3.0",))])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("{allow: []}", "5:19 licences.allow: must not be empty"),
        ("{allow: mit}", "5:19 licences.allow: expected a list, found 'mit'; write [mit]"),
        ("{allow: [mit], deny: [MIT]}",
         "5:20 licences.allow[0]: mit is allowed and denied; keep one of the two"),
        ("{unknown: warm}",
         "5:21 licences.unknown: expected one of error, warn, found 'warm'; did you mean 'warn'?"),
        ("{alow: [mit]}",
         "5:12 licences.alow: unknown key 'alow'; did you mean 'allow'? (known: allow, deny, unknown)"),
        (
            "5",
            "5:11 licences: expected a mapping of keys to values, found 5; write it as in licences: {allow: "
            "[mit, apache-2.0], unknown: warn}",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_the_gate_is_told_at_its_place(place: Place, said: str, expected: str) -> None:
    with pytest.raises(SpecError) as caught:
        written(place, f"licences: {said}\nsources: {{a: {{uri: a.jsonl}}}}\n")
    assert [p.removeprefix(f"{place.root}/m.yaml:") for p in caught.value.problems] == [expected]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("5", "6:30 sources.a.licence: expected a licence or a list of them, found 5"),
        ("[]", "6:30 sources.a.licence: must not be empty"),
        ("[mit, 5]", "6:36 sources.a.licence[1]: expected text, found 5"),
    ],
)
def test_a_mistake_in_a_licence_is_told_at_its_place(place: Place, said: str, expected: str) -> None:
    with pytest.raises(SpecError) as caught:
        written(place, f"sources:\n  a: {{uri: a.jsonl, licence: {said}}}\n")
    assert [expected] == [p.removeprefix(f"{place.root}/m.yaml:") for p in caught.value.problems]


def test_a_manifest_that_names_one_licence_is_read() -> None:
    old = {"name": "a", "uri": "a", "read": 0, "not_drawn": 0, "kept": 0, "rows": 0}
    assert SourceEntry.model_validate(old).licences == ()
    assert SourceEntry.model_validate(old | {"licence": None}).licences == ()
    assert SourceEntry.model_validate(old | {"licence": "mit, GPL-3.0"}).licences == ("mit", "gpl-3.0")
    new = SourceEntry.model_validate(old | {"licences": ["mit"]})
    assert SourceEntry.model_validate(json.loads(new.model_dump_json())) == new


IDS = st.lists(st.sampled_from(["mit", "MIT", " odc-by", "unknown", "Other", "gpl-3.0", ""]), max_size=5)


@given(IDS)
def test_licences_are_named_once_in_small_letters_and_none_is_invented(said: list[str]) -> None:
    found = licence_ids(said)
    assert set(found) == {s.strip().lower() for s in said} - {"unknown", "other", ""}
    assert len(set(found)) == len(found)
    assert licence_ids(", ".join(said)) == licence_ids(found) == found


@given(IDS, IDS, st.sampled_from(["mit", "odc-by", "gpl-3.0"]))
def test_what_is_let_in_is_allowed_and_not_denied(allow: list[str], deny: list[str], licence: str) -> None:
    named = [one for one in allow if one.strip()]
    try:
        gate = Licences(allow=tuple(named) or None, deny=tuple(one for one in deny if one))
    except ValidationError:
        assert {one.strip().lower() for one in named} & {one.strip().lower() for one in deny}
        return
    may = (not named or licence in licence_ids(named)) and licence not in licence_ids(deny)
    assert (gate.refuses(licence) is None) == may


def test_a_version_of_versions_counts_rows_by_licence_as_their_sources_have_them(place: Place) -> None:
    place.write("d.jsonl", chats(40, "d"))
    place.write("e.jsonl", chats(50, "e"))
    first = {
        "d": {"uri": "d.jsonl", "licence": "mit"}, "a": {"uri": "a.jsonl"},
        "e": {"uri": "e.jsonl", "licence": ["apache-2.0", "odc-by"]},
    }  # fmt: skip
    place.mix(first, name="one", splits={"late": {"fraction": 0.3}})
    place.mix({"one": {"uri": "one@latest", "take": {"rows": 30}}, "b": {"uri": "b.jsonl"}}, name="two")
    sources = {
        "two": {"uri": "two@latest", "take": {"epochs": 1.5}, "licence": "cc0-1.0"},
        "late": {"uri": "one@latest", "split": "late"}, "c": {"uri": "c.jsonl", "licence": "mit"},
    }  # fmt: skip
    version = place.mix(sources, name="three")
    of = {"a": "unknown", "b": "unknown", "c": "mit", "d": "mit", "e": "apache-2.0 and odc-by"}
    rows = [(row["source"], of[row["messages"][0]["content"][0]]) for row in version.table().to_pylist()]
    # What nobody had stated of `two` the spec states.
    rows = [(s, "cc0-1.0" if s == "two" and one == "unknown" else one) for s, one in rows]
    for entry in version.manifest.sources:
        expected = Counter(licence for source, licence in rows if source == entry.name)
        assert entry.licence_rows == (expected if entry.name != "c" else {}), entry.name
    card = (version.path / "README.md").read_text().partition("## Licences")[2]
    for licence, count in Counter(licence for _, licence in rows).items():
        assert f"| {licence} | {count} |" in card
    assert not [*book_faults(version.path, version.manifest)]
    two = place.store.resolve("two")
    shutil.rmtree(place.store.resolve("one").path)
    place.mix({"two": {"uri": f"two@{two.content_id}"}}, name="four")
    (lost,) = place.store.resolve("four").manifest.sources
    assert lost.licence_rows == {"apache-2.0 and mit and odc-by and unknown": 30, "unknown": 3}
