"""Tags: names of versions, told from ids, kept by who writes, resolved wherever a version is named."""

import fcntl
import json

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from mixture_fixtures import Place, chats
from store_fixtures import written

from tulu_data.cli.main import group
from tulu_data.errors import StoreError, TuluDataError
from tulu_data.store import Store, Version
from tulu_data.store.tags import check_tag


@pytest.fixture
def two(workspace: Place) -> tuple[Version, Version]:
    return written(workspace.store, ["one"]), written(workspace.store, ["two"], time="2030-01-02")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["tag", *arguments], prog_name="tulu-data")


def output(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def error(*arguments: str) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, TuluDataError), repr(result.exception) + result.output
    return str(result.exception)


def test_a_tag_names_a_version_until_it_is_moved_or_deleted(
    workspace: Place, two: tuple[Version, Version]
) -> None:
    old, new = two
    assert output("d", "best") == f"d@best is {new.ref}\n"
    assert output("d", "best") == f"d@best is {new.ref} already\n"
    assert workspace.store.resolve("d@best") == new
    text = error(old.ref, "best")
    assert text.startswith(f"tag 'best': is {new.ref} since ")
    assert text.endswith(f"; move it to {old.ref} with --move")
    assert output(old.ref, "best", "--move") == f"d@best is {old.ref} (was {new.ref})\n"
    assert workspace.store.resolve("d@best") == old
    assert workspace.store.resolve("d") == new
    assert output("d@best", "first") == f"d@first is {old.ref}\n"
    assert [line.split()[:2] for line in output().splitlines()] == [
        ["tag", "version"], ["d@best", old.ref], ["d@first", old.ref],
    ]  # fmt: skip
    found = json.loads(output("--list", "d", "--json"))
    assert [(one["tag"], one["version"]) for one in found] == [("d@best", old.ref), ("d@first", old.ref)]
    assert output("--delete", "d@best") == f"deleted d@best, which was {old.ref}; the version stays\n"
    assert error("--delete", "d@best") == "d@best: no such tag (tags of d: first)"
    with pytest.raises(StoreError, match=r"^d@frist: no such version of 'd'; did you mean 'first'\? \(the"):
        workspace.store.resolve("d@frist")


def test_a_tag_serves_where_a_mixture_names_a_version(workspace: Place) -> None:
    workspace.write("a.jsonl", chats(3))
    base = workspace.mix({"a": {"uri": "a.jsonl"}}, name="base")
    output("base", "best")
    made = workspace.mix({"b": {"uri": "base@best"}}, name="more")
    assert made.manifest.sources[0].revision == base.content_id
    assert "base@best" not in (made.path / "spec.yaml").read_text("utf-8")


def test_list_shows_tags_and_sizes(workspace: Place, two: tuple[Version, Version]) -> None:
    output(two[0].ref, "best")
    output(two[0].ref, "paper")
    shown = CliRunner().invoke(group, ["list", "--json"]).stdout
    assert [(v["tags"], v["bytes"]) for v in json.loads(shown)] == [
        (["best", "paper"], two[0].bytes), ([], two[1].bytes),
    ]  # fmt: skip
    lines = CliRunner().invoke(group, ["list"]).stdout.splitlines()
    assert lines[1].split()[:6] == [two[0].ref, "best,", "paper", "sft", "1", f"{two[0].bytes / 1000:.1f}"]


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("latest", "tag 'latest': always means the newest version of a name; choose another word"),
        (
            "cafe",
            "'cafe': could be the beginning of a content id (0-9, a-f alone); choose another word, for ",
        ),
        ("My Best", "beginning with a letter or digit; 'my-best' would do"),
        ("../x", "beginning with a letter or digit; 'x' would do"),
        ("", "beginning with a letter or digit"),
        ("x" * 101, "(at most 100)"),
    ],
)
def test_words_that_cannot_be_tags_are_refused(tag: str, text: str) -> None:
    with pytest.raises(StoreError) as caught:
        check_tag(tag)
    assert text in str(caught.value)


@given(tag=st.text("abcdefxyz0189_.-", min_size=1, max_size=6), length=st.integers(1, 64))
def test_no_tag_is_the_beginning_of_an_id(tag: str, length: int) -> None:
    try:
        check_tag(tag)
    except StoreError:
        return
    assert not set(tag) <= set("0123456789abcdef")


def test_tags_wait_for_no_other_writer(workspace: Place, two: tuple[Version, Version]) -> None:
    with (workspace.store.root / "d" / ".lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another process is writing 'd'" in error("d", "best")
    assert workspace.store.resolve("d") == two[1]


def test_a_tag_of_a_version_that_is_gone_is_no_tag(workspace: Place, two: tuple[Version, Version]) -> None:
    output(two[0].ref, "best")
    output("d", "new")
    (two[0].path / "manifest.json").unlink()
    assert workspace.store.tagged("d") == {two[1].content_id: ["new"]}
    with pytest.raises(StoreError, match="no such version"):
        workspace.store.resolve("d@best")


def test_a_damaged_line_hides_no_other_tag(workspace: Place, two: tuple[Version, Version]) -> None:
    output("d", "best")
    path = workspace.store.root / "refs" / ".tags" / "d"
    path.write_bytes(b"torn \xff\n" + path.read_bytes())
    assert workspace.store.resolve("d@best") == two[1]
    assert workspace.store.names() == ["d"]


def test_wrong_forms_are_usage(workspace: Place, two: tuple[Version, Version]) -> None:
    assert "give the tag too: tulu-data tag d TAG; or --list d" in run("d").output
    assert "--delete: give the tag with its name, as in sft_v3@best" in run("--delete", "d").output
    assert "or --list [NAME], or --delete NAME@TAG" in run("d", "x", "--list").output
    assert (
        error("--list", "e") == f"{Store(workspace.root / 'store').root}: no dataset 'e' (the store holds d)"
    )
    assert output() == "no tags; give one with: tulu-data tag VERSION TAG\n"
