"""`tulu-data evals` as a person types it, and suites on a small local hub."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hub_server import HubServer
from hypothesis import given, settings
from hypothesis import strategies as st
from mixture_fixtures import Place

from tulu_data.cli.main import group
from tulu_data.decontaminate import find_suites, load_suites
from tulu_data.errors import LockError, SpecError, SuiteError, TuluDataError
from tulu_data.specs.document import parse_document
from tulu_data.specs.suite_text import with_suite

MATH = [{"problem": f"What is {k} plus {k}?", "solution": str(2 * k)} for k in range(1, 5)]


def lines(rows: list[dict[str, object]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


@pytest.fixture
def place(workspace: Place) -> Path:
    """Make a workspace, in which commands are typed."""
    (workspace.root / "raw").mkdir()
    (workspace.root / "raw/math.jsonl").write_bytes(lines(MATH))
    return workspace.root


def typed(*words: str) -> str:
    done = CliRunner().invoke(group, ["evals", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(*words: str) -> str:
    done = CliRunner().invoke(group, ["evals", *words])
    assert isinstance(done.exception, TuluDataError), done.output
    return str(done.exception)


def test_add_tells_the_layout_shows_instances_and_writes_a_spec(place: Path) -> None:
    out = typed("add", "math", "raw/math.jsonl", "--role", "unseen")
    assert out.startswith(
        "math: 4 instances in test\n\ntest/1\n  question  What is 1 plus 1?\n  answer    2\n"
    )
    assert out.endswith(
        "added math to evals/suites.yaml (layout math)\n"
        "next: tulu-data decontaminate --against evals/suites.yaml\n"
    )
    assert (place / "evals/suites.yaml").read_text("utf-8") == (
        "version: 1\nsuites:\n  math:\n    uri: ../raw/math.jsonl\n    role: unseen\n    layout: math\n"
    )
    (suite,) = load_suites(["evals/"], place)
    assert (suite.name, suite.role, suite.instances.num_rows) == ("math", "unseen", 4)


def test_add_takes_a_map_from_the_command_line(place: Path) -> None:
    rows = [{"ask": "Q?", "a": "x", "b": "y", "right": 1, "text": "P", "key": 7}]
    (place / "raw/own.jsonl").write_bytes(lines(rows))
    options = ["--question", "{text}\\n{ask}", "--choices", "a", "--choices", "b", "--answer-index", "right"]
    typed(
        "add", "own", "raw/own.jsonl", *options, "--id", "key", "--split", "dev", "--to", "evals/more/my.yaml"
    )
    spec = yaml.safe_load((place / "evals/more/my.yaml").read_text("utf-8"))["suites"]["own"]
    assert spec["uri"] == "../../raw/own.jsonl"
    assert spec["fields"] == {
        "id": "key", "question": "{text}\n{ask}", "answer": {"choices": "right"}, "choices": ["a", "b"],
    }  # fmt: skip
    (found,) = json.loads(typed("show", "own", "--json"))
    assert found == {
        "id": "7", "split": "dev", "question": "P\nQ?", "passage": None, "answer": "y", "choices": ["x", "y"],
    }  # fmt: skip


def test_add_names_the_columns_of_a_file_without_a_header(place: Path) -> None:
    (place / "raw/plain.tsv").write_text("Q one?\t1\nQ two?\t2\n", "utf-8")
    typed("add", "plain", "raw/plain.tsv", "--columns", "question,answer", "--question", "question")
    assert load_suites(["evals"], place)[0].instances["question"].to_pylist() == ["Q one?", "Q two?"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["math", "raw/gone.jsonl"], "raw/gone.jsonl: no such file; searched "),
        (["math", "raw/math.jsonl", "--question", "problm"], "raw/math.jsonl: no column 'problm'; did you mean 'problem'?"),
        (["math", "raw/math.jsonl", "--where", "problem = 'x'"], "raw/math.jsonl: no eval instance: `where` is true for none"),
        (["math", "raw/math.jsonl", "--layout", "mat"], "evals/suites.yaml:5:13 suites.math.layout: no layout 'mat'; did"),
        (["a/b", "raw/math.jsonl"], "evals/suites.yaml:3:3 suites['a/b']: a suite's name has at most 100 letters"),
    ],
)  # fmt: skip
def test_add_refuses_what_gives_no_instance_and_writes_nothing(
    place: Path, words: list[str], text: str
) -> None:
    assert refused("add", *words).startswith(text)
    assert not (place / "evals/suites.yaml").exists()


def test_add_warns_of_a_field_that_no_instance_has(place: Path) -> None:
    (place / "raw/own.jsonl").write_bytes(lines([{"q": "Q?", "a": None}]))
    done = CliRunner().invoke(
        group, ["evals", "add", "own", "raw/own.jsonl", "--question", "q", "--answer", "a"]
    )
    assert "warning: no instance of own has an answer; look at its column" in done.stderr


def test_add_keeps_what_a_person_wrote(place: Path) -> None:
    before = "# my suites\nversion: 1\nsuites:\n    one: {uri: ../raw/math.jsonl}  # the first\n\n# the end\n"
    (place / "evals").mkdir()
    (place / "evals/suites.yaml").write_text(before, "utf-8")
    typed("add", "two", "raw/math.jsonl")
    assert (place / "evals/suites.yaml").read_text("utf-8") == before.replace(
        "\n\n# the end", "\n    two:\n        uri: ../raw/math.jsonl\n        layout: math\n\n# the end"
    )
    assert refused("add", "two", "raw/math.jsonl") == (
        "evals/suites.yaml:5:5 suites.two: the suite is there already (line 5); "
        "choose another name, or edit the file"
    )


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
words = words.filter(lambda text: "://" not in text)
names = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,8}", fullmatch=True)
suites = st.dictionaries(names, st.fixed_dictionaries({"uri": words}), min_size=1, max_size=4)


@settings(max_examples=50)
@given(
    suites,
    names,
    words,
    st.booleans(),
    st.integers(0, 1),
    st.lists(st.sampled_from(["", "# a remark", "  # another"]), max_size=3),
)
def test_a_suite_is_added_to_any_spec_without_touching_a_line(
    tmp_path_factory: pytest.TempPathFactory,
    there: dict,
    name: str,
    text: str,
    first: bool,
    ends: int,
    remarks: list[str],
) -> None:
    path = tmp_path_factory.mktemp("s") / "s.yaml"
    block = [
        "suites:",
        *(f"  {json.dumps(n)}: {{uri: {json.dumps(e['uri'])}}}" for n, e in there.items()),
        *remarks,
    ]
    old = ["version: 1", *block] if first else [*block, "version: 1"]
    path.write_text("\n".join(old) + "\n" * ends, "utf-8")
    entry = {"uri": text, "where": text, "columns": [text, "x"]}
    if name in there:
        with pytest.raises(SpecError, match="there already"):
            with_suite(path, "s.yaml", name, entry)
        return
    _, new = with_suite(path, "s.yaml", name, entry)
    assert parse_document(new, "s.yaml").data == {"version": 1, "suites": {**there, name: entry}}
    kept = iter(new.splitlines())
    assert all(line in kept for line in path.read_text("utf-8").splitlines())


def test_a_spec_in_braces_is_not_added_to(place: Path) -> None:
    (place / "evals").mkdir()
    (place / "evals/suites.yaml").write_text("{version: 1, suites: {one: {uri: x}}}", "utf-8")
    assert "evals/suites.yaml:1:22 suites: is written in braces" in refused("add", "two", "raw/math.jsonl")


def test_list_and_show_say_what_there_is(place: Path) -> None:
    typed("add", "math", "raw/math.jsonl", "--role", "development")
    (place / "evals/own.jsonl").write_bytes(b'{"question": "own?", "passage": "line\\nline"}\nnot json\n')
    out = typed("list")
    assert out.splitlines()[1].split()[:6] == [
        "math",
        "development",
        "test",
        "4",
        "0",
        load_suites(["evals"], place)[0].sha256[:8],
    ]
    assert out.splitlines()[2].split()[:4] == ["own", "test", "1", "1"]
    told = json.loads(typed("list", "evals/suites.yaml", "--json"))
    assert [(one["suite"], one["role"], one["instances"], one["bad_rows"]) for one in told] == [
        ("math", "development", 4, {})
    ]
    assert typed("show", "own") == (
        "own: 1 instance in test, 1 bad rows\n\ntest/1\n  passage   line\n            line\n  question  own?\n"
    )
    assert typed("show", "math", "--id", "3").endswith(
        "test/3\n  question  What is 3 plus 3?\n  answer    6\n"
    )
    assert refused("show", "math", "--id", "33") == "math: no instance '33'; did you mean '3'?"
    assert refused("show", "mth") == "mth: no such suite in evals; did you mean 'math'?"


@pytest.fixture
def server(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """Serve two datasets to the real client, with an empty cache and without waiting."""
    from huggingface_hub import close_session, constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(place / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("time.sleep", lambda _: None)
    datasets = {
        "org/math": {"a/test-0.jsonl": lines(MATH[:3]), "b/test-0.jsonl": lines(MATH[3:])},
        "org/gated": {"test.jsonl": lines(MATH)},
    }
    with HubServer(datasets) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        yield running
    close_session()


@pytest.fixture
def spec(place: Path) -> Path:
    (place / "evals").mkdir()
    (place / "evals/own.jsonl").write_bytes(b'{"question": "own?"}\n')
    suites = {
        "m": {"uri": "hf://org/math/*/test-*.jsonl", "role": "unseen", "layout": "math"},
        "g": {"uri": "hf://org/gated", "layout": "math"},
    }
    path = place / "evals/hub.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "suites": suites}, sort_keys=False), "utf-8")
    return path


def test_fetch_pins_what_can_be_had_and_says_what_cannot(server: HubServer, spec: Path) -> None:
    server.repo("org/gated").gated = True
    done = CliRunner().invoke(group, ["evals", "fetch", "evals/hub.yaml"])
    assert str(done.exception) == "evals/hub.yaml: 1 suite could not be fetched"
    assert done.stdout.splitlines()[1].split()[:4] == ["m", "unseen", "4", "0"]
    assert "warning: g: hf://org/gated: is gated; accept its terms at" in done.stderr
    lock = yaml.safe_load(spec.with_name("hub.lock.yaml").read_text("utf-8"))["sources"]
    assert {name: pin["revision"] for name, pin in lock.items()} == {
        "m": server.repo("org/math").branches["main"]
    }
    server.repo("org/gated").gated = False
    typed("fetch", "evals/hub.yaml", "g")
    lock = yaml.safe_load(spec.with_name("hub.lock.yaml").read_text("utf-8"))["sources"]
    assert sorted(lock) == ["g", "m"]


def test_hub_suites_are_fetched_on_first_use_and_read_without_a_hub_from_then_on(
    server: HubServer, spec: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_suites(["evals/"], place)
    assert {suite.name: suite.instances.num_rows for suite in first} == {"g": 4, "m": 4, "own": 1}
    assert next(suite for suite in first if suite.name == "m").instances["id"].to_pylist() == [
        "a/1",
        "a/2",
        "a/3",
        "b/1",
    ]
    asked = len(server.requests)
    server.repo("org/math").push({"a/test-0.jsonl": lines([{"problem": "moved?", "solution": "s"}])})
    assert [suite.key for suite in load_suites(["evals/"], place)] == [suite.key for suite in first]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert [suite.key for suite in load_suites(["evals/"], place, frozen=True)] == [
        suite.key for suite in first
    ]
    assert len(server.requests) == asked
    monkeypatch.delenv("HF_HUB_OFFLINE")
    typed("fetch", "evals/hub.yaml", "m", "--update")
    moved = next(suite for suite in load_suites(["evals/"], place) if suite.name == "m")
    assert moved.instances["question"].to_pylist() == ["moved?"]


def test_a_folder_is_never_narrowed_to_what_is_here(
    spec: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SuiteError) as caught:
        load_suites(["evals/"], place)
    assert str(caught.value) == (
        "evals/hub.yaml: 2 of 2 suites are not here: g, m (hf://org/math/*/test-*.jsonl: not pinned yet, and the hub "
        "may not be asked (offline), and 1 more); fetch them: tulu-data evals fetch evals/hub.yaml; "
        "or name other suites instead of all"
    )
    assert [suite.name for suite in load_suites(["evals/own.jsonl"], place)] == ["own"]
    out = typed("list")
    assert [line.split()[-2:] for line in out.splitlines()[1:3]] == [["not", "fetched"]] * 2
    assert out.splitlines()[-1] == "next: tulu-data evals fetch evals/hub.yaml"
    assert refused("show", "m") == "m: not fetched; run: tulu-data evals fetch evals/hub.yaml m"
    with pytest.raises(LockError, match=r"no lock, and --frozen resolves nothing"):
        find_suites(["evals/"], place, frozen=True)


def test_add_fetches_and_pins_a_hub_suite(server: HubServer, place: Path) -> None:
    out = typed("add", "math", "hf://org/math/*/test-*.jsonl", "--to", "evals/mine.yaml")
    assert "added math to evals/mine.yaml (layout math)" in out
    assert sorted(yaml.safe_load((place / "evals/mine.lock.yaml").read_text("utf-8"))["sources"]) == ["math"]
    assert refused("add", "bad", "hf://org/math/*/test-*.jsonl", "--question", "x", "--to", "evals/mine.yaml")
    assert sorted(yaml.safe_load((place / "evals/mine.lock.yaml").read_text("utf-8"))["sources"]) == ["math"]


def test_check_and_lock_take_suite_specs(server: HubServer, spec: Path, place: Path) -> None:
    done = CliRunner().invoke(group, ["check", "evals"])
    assert done.output == "evals/hub.yaml: ok\n"
    spec.with_name("bad.yaml").write_text("version: 1\nsuites: {a: {uri: x, where: 'count('}}\n", "utf-8")
    done = CliRunner().invoke(group, ["check", "evals/bad.yaml"])
    assert done.output.startswith("evals/bad.yaml:2:29 suites.a.where: 'count(': ")
    done = CliRunner().invoke(group, ["lock", "evals/hub.yaml"])
    assert done.output.count(" new\n") == 2
    server.repo("org/math").push({"a/test-0.jsonl": lines(MATH[:1])})
    done = CliRunner().invoke(group, ["lock", "evals/hub.yaml", "--update", "m"])
    assert "(1 files) moved from" in done.output
