"""YAML with places: what is read, what is refused, and where."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.errors import SpecError
from tulu_data.specs.document import MAX_INT, Document, Place, dotted, parse_document, read_document

WRONG_TAG = "is not of the type that its tag says; write it without a tag"
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")))
KEYS = st.text("abc<.", min_size=1, max_size=3).filter(lambda key: key != "<<")
SCALARS = st.none() | st.booleans() | st.integers(-MAX_INT, MAX_INT) | TEXT
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def parsed(text: str) -> object:
    return parse_document(text, "x.yaml").data


def problems(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse_document(text, "x.yaml")
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("Off", "Off"), ("y", "y"),
        ("true", True), ("True", True), ("FALSE", False),
        ("null", None), ("~", None), ("", None), ("Null", None),
        ("12", 12), ("+5", 5), ("-0", 0), ("010", 10), ("0o17", 15), ("0x1F", 31),
        ("1e3", 1000.0), ("5e-6", 5e-6), (".5", 0.5), ("1.", 1.0), ("-2.5E+1", -25.0),
        ("1_000", "1_000"), ("0o9", "0o9"), ("-0x1f", "-0x1f"), ("5e", "5e"), (".", "."), ("=", "="),
        ("2024-01-02", "2024-01-02"), ("12:30", "12:30"), ("190:20:30", "190:20:30"),
        ("'1'", "1"), ('"true"', "true"), ("!!str 12", "12"), ("!!int '12'", 12), ("a b", "a b"),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema_of_yaml_1_2(written: str, meant: object) -> None:
    data = parsed(f"a: {written}\n")
    assert data == {"a": meant}
    assert isinstance(data, dict)
    assert type(data["a"]) is type(meant)


def test_every_key_and_value_has_its_line_and_column() -> None:
    document = parse_document("a: 1\nb:\n  - x\n  - {c: d}\n", "x.yaml")
    assert document.data == {"a": 1, "b": ["x", {"c": "d"}]}
    assert document.keys == {("a",): Place(1, 1), ("b",): Place(2, 1), ("b", 1, "c"): Place(4, 6)}
    assert document.values == {
        (): Place(1, 1), ("a",): Place(1, 4), ("b",): Place(3, 3), ("b", 0): Place(3, 5),
        ("b", 1): Place(4, 5), ("b", 1, "c"): Place(4, 9),
    }  # fmt: skip


def test_columns_count_characters_not_bytes() -> None:
    document = parse_document("{名前: 値, 次: 二}", "x.yaml")
    assert document.keys["次",] == Place(1, 9)


def test_a_problem_without_a_value_points_at_the_nearest_value_above() -> None:
    document = parse_document("a:\n  b: 1\n", "x.yaml")
    assert document.problem(("a", "c", 0), "is gone") == "x.yaml:2:3 a.c[0]: is gone"
    assert document.problem(("z",), "is gone") == "x.yaml:1:1 z: is gone"
    assert document.problem((), "is empty") == "x.yaml:1:1 is empty"


def test_a_problem_may_point_at_the_key() -> None:
    document = parse_document("a:\n  b: 1\n", "x.yaml")
    assert document.problem(("a", "b"), "no", key=True) == "x.yaml:2:3 a.b: no"
    assert document.problem(("a", "b"), "no") == "x.yaml:2:6 a.b: no"
    assert document.problem(("a", "c"), "no", key=True) == "x.yaml:2:3 a.c: no"


def test_a_document_without_places_points_at_its_start() -> None:
    assert Document(name="x", data=None, values={}, keys={}).place(("a",)) == Place(1, 1)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("a",), "a"),
        (("sources", "persona", "take"), "sources.persona.take"),
        (("steps", 0, "drop"), "steps[0].drop"),
        (("columns", "a.b"), "columns['a.b']"),
        (("", 2), "[''][2]"),
        (("名前", "tulu-3"), "名前.tulu-3"),
    ],
)
def test_paths_are_written_so_that_a_key_with_dots_stays_one_key(
    path: tuple[str | int, ...], text: str
) -> None:
    assert dotted(path) == text


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "\n\n", "null\n"])
def test_an_empty_document_holds_nothing(text: str) -> None:
    assert parsed(text) is None


def test_lists_and_scalars_may_stand_at_the_top() -> None:
    assert parsed("- a\n- 2\n") == ["a", 2]
    assert parsed("word\n") == "word"
    assert parsed("{}") == {}


def test_an_alias_repeats_what_its_anchor_holds() -> None:
    assert parsed("a: &x [1, 2]\nb: *x\n") == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3:1 a: key 'a' is given twice (first on line 1); keep one"),
        ("s:\n  x: 1\n  x: 2\n", "x.yaml:3:3 s.x: key 'x' is given twice (first on line 2); keep one"),
        ("1: a\n'1': b\n", "x.yaml:2:1 1: key '1' is given twice (first on line 1); keep one"),
        ("? [a, b]\n: 1\n", "x.yaml:1:3 a key must be a word, found a list or mapping"),
        ("a: &a {x: 1}\nb:\n  <<: *a\n", "x.yaml:3:3 b['<<']: keys are not merged here; write them out"),
        ("a: .inf\n", "x.yaml:1:4 a: '.inf' is not a number that can be used here"),
        ("a: -.INF\n", "x.yaml:1:4 a: '-.INF' is not a number that can be used here"),
        ("a: [.nan]\n", "x.yaml:1:5 a[0]: '.nan' is not a number that can be used here"),
        ("a: 1e999\n", "x.yaml:1:4 a: '1e999' is not a number that can be used here"),
        (
            f"a: {'9' * 5000}\n",
            f"x.yaml:1:4 a: a whole number of 5000 digits is too large; at most {MAX_INT}",
        ),
        (
            f"a: {MAX_INT + 1}\n",
            f"x.yaml:1:4 a: a whole number of 19 digits is too large; at most {MAX_INT}",
        ),
        ("a: !foo x\n", "x.yaml:1:4 a: tag '!foo' is not known; write plain YAML without tags"),
        ("a: !foo [1]\n", "x.yaml:1:4 a: tag '!foo' is not known; write plain YAML without tags"),
        (
            "a: !!set {x, y}\n",
            "x.yaml:1:4 a: tag 'tag:yaml.org,2002:set' is not known; write plain YAML without tags",
        ),
        (
            "a: !!python/object/apply:os.getcwd []\n",
            "x.yaml:1:4 a: tag 'tag:yaml.org,2002:python/object/apply:os.getcwd' is not known; "
            "write plain YAML without tags",
        ),
        ("a: !!int abc\n", f"x.yaml:1:4 a: 'abc' {WRONG_TAG}"),
        ("a: !!float ''\n", f"x.yaml:1:4 a: '' {WRONG_TAG}"),
        ("a: !!bool maybe\n", f"x.yaml:1:4 a: 'maybe' {WRONG_TAG}"),
        (
            'a: "\\ud800"\n',
            "x.yaml:1:4 a: \\ud800 is half of a character; give both halves, or the character itself",
        ),
        (
            '"\\udc00": 1\n',
            "x.yaml:1:1 \\udc00 is half of a character; give both halves, or the character itself",
        ),
        ("a: &x [*x]\n", "x.yaml:1:4 a[0]: aliases that contain themselves or multiply without end"),
    ],
)  # fmt: skip
def test_what_cannot_be_data_is_refused_at_its_place(text: str, problem: str) -> None:
    assert problems(text) == [problem]


def test_the_largest_numbers_are_read() -> None:
    assert parsed(f"a: {MAX_INT}\nb: -{MAX_INT}\nc: 1.7e308\n") == {"a": MAX_INT, "b": -MAX_INT, "c": 1.7e308}


def test_several_problems_are_reported_at_once_in_order() -> None:
    assert problems("a: .inf\nb: 1\nb: 2\nc: !x 1\n") == [
        "x.yaml:1:4 a: '.inf' is not a number that can be used here",
        "x.yaml:3:1 b: key 'b' is given twice (first on line 2); keep one",
        "x.yaml:4:4 c: tag '!x' is not known; write plain YAML without tags",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "a:\n\tb: 1\n",
            "x.yaml:2:1 not YAML: found character '\\t' that cannot start any token; "
            "indent with spaces, not tabs",
        ),
        (
            "a: b: c\n",
            "x.yaml:1:5 not YAML: mapping values are not allowed here; write a text that holds ': ' in "
            "quotes, and indent the keys of a mapping alike",
        ),
        (
            "a: [1, 2\nb: 3\n",
            "x.yaml:2:2 not YAML: expected ',' or ']', but got ':' "
            "(while parsing a flow sequence that begins on line 1); write a comma between two entries, and "
            "a bracket at the end",
        ),
        (
            'a: "x\n',
            "x.yaml:2:1 not YAML: found unexpected end of stream "
            "(while scanning a quoted scalar that begins on line 1)",
        ),
        ("a: *nope\n", "x.yaml:1:4 not YAML: found undefined alias 'nope'"),
        (
            "a: 1\n---\nb: 2\n",
            "x.yaml:2:1 not YAML: expected a single document in the stream, but found another document",
        ),
        ("a: 1\nb: x\x00\n", "x.yaml:2:5 not YAML: character '\\x00' is not allowed"),
        ("[" * 3000, "x.yaml:1:1 not a spec: lists or mappings are nested too deeply"),
    ],
)
def test_text_that_is_not_yaml_is_refused_at_its_place(text: str, problem: str) -> None:
    assert problems(text) == [problem]


def test_an_alias_bomb_meets_a_bound() -> None:
    lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for name, before in zip("bcdefghi", "abcdefgh", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]")
    (problem,) = problems("\n".join(lines))
    assert problem.endswith("aliases that contain themselves or multiply without end")


def test_two_escapes_that_make_one_character_in_json_make_one_here() -> None:
    assert parsed('{"a\\ud83d\\ude00": "\\ud83d\\ude00"}') == {"a\U0001f600": "\U0001f600"}


def test_a_byte_order_mark_and_windows_line_ends_are_no_content(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    document = read_document(path)
    assert document.data == {"a": 1, "b": 2}
    assert document.keys["b",] == Place(2, 1)
    assert document.name == str(path)


def test_a_file_that_cannot_be_read_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    def problem(path: Path) -> str:
        with pytest.raises(SpecError) as caught:
            read_document(path, "spec.yaml")
        return str(caught.value)

    (tmp_path / "latin.yaml").write_bytes("a: é\n".encode("latin-1"))
    (tmp_path / "wide.yaml").write_text("a: 1\n", "utf-16")
    assert problem(tmp_path / "none.yaml") == "spec.yaml:1:1 no such file"
    assert problem(tmp_path) == "spec.yaml:1:1 is a folder; give the YAML file inside it"
    assert problem(tmp_path / "latin.yaml") == "spec.yaml:1:1 not UTF-8 text (byte 3); save it as UTF-8"
    assert problem(tmp_path / "wide.yaml") == "spec.yaml:1:1 not UTF-8 text (byte 0); save it as UTF-8"
    assert problem(tmp_path / "latin.yaml" / "x") == "spec.yaml:1:1 cannot be read (Not a directory)"


@given(st.text())
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        document = parse_document(text, "x.yaml")
    except SpecError as error:
        for problem in error.problems:
            assert problem.startswith("x.yaml:")
    else:
        assert () in document.values or document.data is None


@given(
    st.recursive(
        SCALARS | NUMBERS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=12,
    )
)
def test_json_is_read_as_the_data_that_it_holds(data: object) -> None:
    assert parsed(json.dumps(data)) == data


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: Every: day\n", "1:9 not YAML: mapping values are not allowed here; write a text that holds ': "
        "'"),
        ("a: *.jsonl\n", "found '.'; write a text that begins with '*' in quotes"),
        ("a: @x\n", "that cannot start any token; write a text that begins so in quotes"),
        ("a:\n  b: 1\n c: 2\n", "; indent the keys of a mapping alike"),
        ("a: {b: 1, c {d: 2}}\n", "; write key: value in braces, and a comma between two"),
        ("a: [1, 2\nb: 3\n", "; write a comma between two entries, and a bracket at the end"),
    ],
)  # fmt: skip
def test_what_is_no_yaml_says_what_would_do(text: str, expected: str) -> None:
    assert expected in problems(text)[0]


def test_a_spec_that_is_not_there_is_told_by_the_one_that_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mixtures").mkdir()
    for name in ("mixtures/demo.yaml", "top.yaml"):
        Path(name).touch()
    for said, meant in [
        ("demo", "mixtures/demo.yaml"), ("demo.yaml", "mixtures/demo.yaml"), ("top", "top.yaml"),
        ("mixtures/dmeo.yaml", "mixtures/demo.yaml"), ("mixtures/demo", "mixtures/demo.yaml"),
    ]:  # fmt: skip
        with pytest.raises(SpecError) as caught:
            read_document(Path(said))
        assert str(caught.value) == f"{said}:1:1 no such file; did you mean {meant!r}?"
    with pytest.raises(SpecError, match=r"no such file$"):
        read_document(Path("gone/other.yaml"))
