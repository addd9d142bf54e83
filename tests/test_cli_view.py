"""`tulu-data view`: records chosen and shown, those of a version and those that were left out."""

import json

import pytest
from click.testing import CliRunner, Result
from mixture_fixtures import Place, chat, chats
from rich.console import Console
from version_fixtures import pair, say, stored

from tulu_data.cli.main import VERBS, group
from tulu_data.cli.record_text import print_record
from tulu_data.cli.view import command
from tulu_data.errors import TuluDataError
from tulu_data.versions.browse import Found, Said, Wanted, kept


def run(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["view", *arguments], prog_name="tulu-data")


def output(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def found(*arguments: str) -> list[dict]:
    return json.loads(output(*arguments, "--json"))


def error(*arguments: str) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, TuluDataError), repr(result.exception) + result.output
    return str(result.exception)


@pytest.fixture
def place(workspace: Place) -> Place:
    """Mix two sources, of which a filter, the search for duplicates and the reader leave some out."""
    rows = [*chats(20, "fruit"), chat("no answer", ""), chat("fruit 3"), {"messages": []}]
    workspace.write("a.jsonl", rows)
    workspace.write("b.jsonl", [chat("A [bold] pear?", "As an AI language model, I cannot eat.")])
    steps = [{"step": "filter", "drop": ["empty_turn"]}, {"step": "dedup", "key": "record"}]
    sources = {"a": {"uri": "a.jsonl", "take": {"epochs": 1.5}}, "b": {"uri": "b.jsonl"}}
    workspace.mix(sources, steps=steps)
    return workspace


def test_records_come_in_the_order_of_the_version(place: Place) -> None:
    table = place.store.resolve("m").table().to_pylist()
    every = found("m", "-n", "100")
    assert [(one["row"], one["id"], one["source"], one["origin"], one["copy"]) for one in every] == [
        (i + 1, r["id"], r["source"], r["origin"], r["copy"]) for i, r in enumerate(table)
    ]
    assert [one["said"][0]["content"] for one in every] == [r["messages"][0]["content"] for r in table]
    assert found("m", "-n", "4", "--from", "9") == every[8:12]
    assert found("m", "--source", "b") == [one for one in every if one["source"] == "b"]
    one = every[5]
    assert found("m", "--id", one["id"][:12].upper(), "-n", "9") == [o for o in every if o["id"] == one["id"]]
    assert found("m", "--search", "FRUIT 1", "-n", "99") == [
        o for o in every if "fruit 1" in o["said"][0]["content"]
    ]
    assert found("m", "--search", "fruit 1", "--source", "b") == []


def test_batches_do_not_matter(workspace: Place) -> None:
    rows = [{"messages": [say("user", f"text {i}")]} for i in range(23)]
    small = stored(workspace.store.root / "x", "sft", rows, batch=3)
    large = stored(workspace.store.root / "y", "sft", rows, batch=50)
    for wanted in (Wanted(), Wanted(start=8), Wanted(text="t 1", start=5), Wanted(source="s", text="2")):
        one, other = (list(kept(v, wanted)) for v in (small, large))
        assert one == other
        assert [o.row for o in one] == [
            i + 1 for i in range(wanted.start - 1, 23) if (wanted.text or "") in f"text {i}"
        ]


def test_what_is_not_shown_yet_is_named(place: Place) -> None:
    assert output("m", "-n", "3").endswith("\n\nnext: tulu-data view m -n 3 --from 4\n")
    assert "more:" not in output("m", "-n", "100")
    assert output("m", "--search", "cucumber") == "no such record\n"
    assert output("m", "--quarantined", "--search", "cucumber") == "no such row\n"


def test_dropped_records_are_read_back_with_reason_and_evidence(place: Place) -> None:
    every = found("m", "--dropped")
    assert [(one["reason"], one["step"], one["origin"]) for one in every] == [
        ("empty_turn", "filter", "a.jsonl:21"), ("duplicate_record", "dedup", "a.jsonl:22"),
    ]  # fmt: skip
    assert every[1]["said"][0]["content"] == "fruit 3"
    assert every[1]["evidence"]["stands"]["origin"] == "a.jsonl:4"
    assert found("m", "--reason", "duplicate_record") == every[1:]
    assert found("m", "--dropped", "--search", "NO ANSWER") == every[:1]
    assert found("m", "--dropped", "--source", "b") == []
    text = output("m", "--dropped", "--from", "2")
    assert "\n  dropped by dedup: duplicate_record\n  like " in text
    shares = "  a  a.jsonl:4  (shares 100% of either, 100% of its own)\n"
    assert f"{shares}  user\n    fruit 3\n" in text


def test_a_dropped_record_whose_file_has_changed_is_said_to_be_gone(place: Place) -> None:
    place.write("a.jsonl", chats(3))
    text = output("m", "--dropped", "-n", "1")
    assert "not shown: a.jsonl changed since the report, and this record is gone" in text


def test_rows_that_are_no_records_are_shown_as_they_were_read(place: Place) -> None:
    assert output("m", "--quarantined") == (
        "1  a  a.jsonl:23\n  quarantined: no messages\n  detail\n    messages is empty\n"
        '  raw\n    {"messages": []}\n\n'
    )


def test_what_a_filter_matched_is_marked(workspace: Place) -> None:
    workspace.write("a.jsonl", [chat("pear?", "As an AI language model, I do not eat."), chat("b")])
    workspace.mix({"a": {"uri": "a.jsonl"}}, steps=[{"step": "filter", "drop": ["identity"]}])
    text = output("m", "--reason", "identity")
    assert "  dropped by filter: identity\n  matched: As an AI language model (turn 2)\n" in text
    assert "\n    [[As an AI language model]], I do not eat.\n" in text


def test_markup_in_records_and_names_is_text(place: Place) -> None:
    text = output("m", "--source", "b")
    assert "\n  user\n    A [bold] pear?\n  assistant\n    As an AI language model, I cannot eat.\n" in text


def test_answers_of_a_pair_are_marked_where_they_differ(workspace: Place) -> None:
    same = "the river is long and wide and it runs through the old town"
    rows = [pair("How is it?", f"{same} slowly", f"{same} fast"), pair("q", "one two", "three four")]
    stored(workspace.store.root, "preference", rows)
    text = output("d")
    assert f"  assistant (chosen)\n    {same} [[slowly]]\n" in text
    assert f"  assistant (rejected)\n    {same} [[fast]]\n" in text
    assert "    one two\n" in text


def shown(one: Found, width: int = 60, **more: bool) -> str:
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        print_record(console, one, 1, None, full=more.get("full", False))
    return captured.get()


def said(content: str, calls: object = None) -> Found:
    turn = Said(
        column="messages", role="assistant", content=content,
        tool_calls=calls if calls is None or isinstance(calls, str) else json.dumps(calls),
    )  # fmt: skip
    return Found(row=1, source="s", origin="s:1", said=(turn,))


def test_prose_is_wrapped_and_code_is_left_as_it_is() -> None:
    line = "word " * 30
    text = shown(said(f"{line}\n```python\nx = {line}\n```\n{line}"))
    assert f"\n    x = {line}".rstrip() in text
    assert max(len(each) for each in text.splitlines() if "x =" not in each) <= 60


def test_of_a_long_text_the_beginning_is_shown_unless_it_is_to_be_whole() -> None:
    text = "".join(f"{i:05d}\n" for i in range(400))
    assert "\u2026 1,200 characters \u2026" in shown(said(text))
    assert "00399" in shown(said(text), full=True)
    assert "\u2026" not in shown(said(text), full=True)


def test_tool_calls_are_written_as_calls() -> None:
    calls = [{"function": {"name": "find", "arguments": {"q": "x"}}}, {"name": "stop", "arguments": "{}"}]
    assert '    -> find({"q": "x"})\n    -> stop({})\n' in shown(said("", calls))
    assert "    -> not JSON\n" in shown(said("", "not JSON"))
    assert "    (empty)\n" in shown(said(""))


def test_what_would_steer_a_terminal_is_shown() -> None:
    text = shown(said("a\x1b[2Jb", '"\x1b[2J"'))
    assert "\x1b" not in text
    assert "a\u241b[2Jb" in text


def test_misspelt_words_are_named_with_the_nearest(place: Place) -> None:
    ref = place.store.resolve("m").ref
    assert error("m", "--source", "aa") == f"{ref}: no source 'aa'; did you mean 'a'? (there are: a, b)"
    assert error("m", "--reason", "empty_trun") == (
        f"{ref}: nothing was dropped for 'empty_trun'; did you mean 'empty_turn'? "
        "(there are: duplicate_record, empty_turn)"
    )
    assert "name one" in run("m", "--dropped", "--quarantined").output


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dropped.parquet", ["view", "m", "--dropped"]),
        ("spec.yaml", ["stats", "m"]),
        ("spec.yaml", ["card", "m"]),
    ],
)
def test_a_version_that_lost_a_file_is_damaged_and_no_crash(
    place: Place, name: str, words: list[str]
) -> None:
    path = place.store.resolve("m").path / name
    path.unlink()
    result = CliRunner().invoke(group, words)
    assert isinstance(result.exception, TuluDataError)
    assert str(result.exception) == f"{path}: is missing; the version is damaged, build it again"


def test_the_help_is_the_one_in_the_table() -> None:
    assert command.get_short_help_str(limit=200) == VERBS["view"][1]


def test_what_where_left_out_is_counted_and_said_to_have_no_rows(workspace: Place) -> None:
    workspace.write("n.jsonl", [{**chat(f"q {i}"), "n": i} for i in range(5)])
    version = workspace.mix({"n": {"uri": "n.jsonl", "where": "n > 1"}})
    done = CliRunner().invoke(group, ["view", version.ref, "--dropped", "--reason", "where"])
    assert done.exit_code == 1
    assert "where left out 2 rows, which are counted and not listed" in done.output + str(done.exception)


def test_what_is_not_there_is_said_as_it_is(place: Place, workspace: Place) -> None:
    workspace.mix({"b": {"uri": "b.jsonl"}}, name="plain")
    rows = len(found("plain", "-n", "1000"))
    assert output("plain", "--quarantined") == "no row was quarantined\n"
    assert output("plain", "--dropped") == "no record was dropped by a step\n"
    assert output("plain", "--search", "nowhere said") == "no such record\n"
    assert output("m", "--quarantined", "--source", "b") == "no such row\n"
    assert len(found("plain", "--from", str(rows))) == 1
    told = error("plain", "--from", str(rows + 1))
    assert told.endswith(f": nothing to show from row {rows + 1} on, the last is row {rows}")
    assert error("m", "--dropped", "--from", "3").endswith(
        ": nothing to show from row 3 on, the last is row 2"
    )


def test_of_a_preference_the_answer_is_named_in_which_something_was_found(workspace: Place) -> None:
    rows = [{"prompt": "Who?", "chosen": "A helper.", "rejected": "I am ChatGPT, made by OpenAI."}]
    workspace.write("p.jsonl", [*rows, {"prompt": "b?", "chosen": "x", "rejected": "y"}])
    steps = [{"step": "filter", "drop": ["identity"]}]
    workspace.mix({"p": {"uri": "p.jsonl"}}, name="pairs", kind="preference", steps=steps)
    assert "  matched: I am ChatGPT (turn 3, rejected)\n" in output("pairs", "--dropped")
