"""What `check` says of a spec without reading data: files that are not there, and what a query reads."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tulu_data.cli.main import group

HEAD = "version: 1\nname: m\nkind: sft\n"
NONE = "decontaminate: none\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> Iterator[None]:
    with contextlib.chdir(tmp_path):
        yield


def check(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(group, ["check", *arguments])
    return done.exit_code, done.output


def test_paths_that_lead_nowhere_are_mistakes_of_a_spec_that_is_built_here() -> None:
    sources = (
        "sources: {a: {uri: data/a.jsonl}, b: {uri: 'data/*.csv'}, c: {uri: hf://o/n}, d: {uri: old@0a1b},\n"
        "  e: {uri: 'sql:SELECT * FROM t, db.u', attach: {t: u.csv, db: 'sqlite:t.db'}}}\n"
    )
    steps = "steps: [{step: decontaminate, against: [evals/], decisions: verdicts.yaml}]\ntokenizer: ./tok\n"
    Path("work").mkdir()
    Path("work/m.yaml").write_text(HEAD + sources + steps, "utf-8")
    remedy = "; mend the path, or put the file there"
    for root in (Path.cwd(), Path.cwd() / "work"):
        # The folder that a build takes paths from: the current one, or the workspace above the spec.
        text = f"no such file; searched {root}{remedy}"
        assert check("work/m.yaml") == (
            1,
            f"work/m.yaml:4:20 sources.a.uri: data/a.jsonl: {text}\n"
            f"work/m.yaml:4:44 sources.b.uri: data/*.csv: {text}\n"
            f"work/m.yaml:5:53 sources.e.attach.t: u.csv: {text}\n"
            f"work/m.yaml:5:64 sources.e.attach.db: t.db: {text}\n"
            f"work/m.yaml:6:41 steps[0].against[0]: evals/: {text}\n"
            f"work/m.yaml:6:61 steps[0].decisions: verdicts.yaml: {text}\n"
            f"work/m.yaml:7:12 tokenizer: ./tok: {text}\n",
        )
        Path("work/tulu-data.yaml").write_text("version: 1\n", "utf-8")
    Path("elsewhere").mkdir()
    Path("work/tulu-data.yaml").unlink()
    with contextlib.chdir("elsewhere"):
        assert check("../work/m.yaml") == (0, "../work/m.yaml: ok\n")
    for name in ("data", "evals", "tok"):
        Path(name).mkdir()
    for name in ("data/a.jsonl", "data/b.csv", "u.csv", "t.db", "verdicts.yaml"):
        Path(name).touch()
    assert check("work/m.yaml") == (0, "work/m.yaml: ok\n")


def test_what_is_no_data_file_by_its_name_and_a_name_that_is_nearly_there_are_told() -> None:
    Path("data").mkdir()
    for name in ("a.txt", "chat.jsonl"):
        Path("data", name).touch()
    Path("m.yaml").write_text(HEAD + NONE + "sources: {a: {uri: data/a.txt}, b: {uri: data/chatt.jsonl}}\n")
    code, output = check("m.yaml")
    assert code == 1
    first, second = output.splitlines()
    assert first.startswith(
        "m.yaml:5:20 sources.a.uri: data/a.txt: not a data file by its name; give one that"
    )
    assert second == (
        f"m.yaml:5:42 sources.b.uri: data/chatt.jsonl: no such file; searched {Path.cwd() / 'data'}; "
        "did you mean 'chat.jsonl'?"
    )


def test_a_folder_of_a_tokenizer_beside_others_and_a_part_that_no_layout_has_are_told() -> None:
    Path("models/tiny").mkdir(parents=True)
    Path("a.jsonl").touch()
    Path("m.yaml").write_text(
        HEAD + NONE + "tokenizer: models/tinny\nsources: {a: {uri: a.jsonl, columns: {promt: question}}}\n"
    )
    code, output = check("m.yaml")
    assert (code, output.splitlines()) == (
        1,
        [
            f"m.yaml:5:12 tokenizer: models/tinny: no such file; searched {Path.cwd() / 'models'}; did you "
            f"mean "
            "'tiny'?",
            "m.yaml:6:39 sources.a.columns.promt: no part 'promt'; did you mean 'prompt'? (parts of kind "
            "sft: chosen, completion, history, input, instruction, messages, output, prompt, rejected, "
            "system, text, tools)",
        ],
    )
    Path("m.yaml").write_text(HEAD + NONE + "tokenizer: owner/name\nsources: {a: {uri: a.jsonl}}\n")
    assert check("m.yaml") == (0, "m.yaml: ok\n")


@pytest.mark.parametrize(
    ("query", "attach", "text"),
    [
        ("SELECT * FROM db.t", "{}", "reads 'db.t', and sees nothing; name it beside the uri, such as "
         "attach: {db: 'sqlite:FILE'}"),
        ("SELECT * FROM DB.t, a.main.u", "{db: 'sqlite:t.db'}", "reads 'a.main.u', and sees db; name it "
         "beside the uri, such as attach: {a: 'sqlite:FILE'}"),
        ("SELECT * FROM tickets", "{db: 'sqlite:t.db'}", "reads 'tickets', and sees db; write db.tickets for "
         "a table of db"),
        ("SELECT * FROM (SELECT * FROM tikets)", "{tickets: t.csv}", "reads 'tikets', and sees tickets; did "
         "you mean 'tickets'?"),
        ("SELECT * FROM 'x.csv'", "{}", "reads 'x.csv', and sees nothing; name it beside the uri, attach: "
         "{web: x.csv}, and read web"),
        ("SELECT * FROM t", "{}", "reads 't', and sees nothing; name it beside the uri, attach: "
         "{t: data/web.parquet}, and read t"),
        ("SELEC 1", "{}", 'syntax error at or near "SELEC"'),
        ("DELETE FROM t", "{t: t.csv}", "give one SELECT; nothing else is run"),
        ("WITH x AS (SELECT 1 AS a), y AS (FROM x) SELECT * FROM X, Y, range(3), main.t", "{t: t.csv}", None),
        ("SELECT 1", "{db: t.db}", "sources.a.attach.db: is a database by its name; write sqlite:t.db"),
        ("SELECT 1", "{db: t.duckdb}", "sources.a.attach.db: is a database by its name; write "
         "duckdb:t.duckdb"),
    ],
)  # fmt: skip
def test_a_query_reads_what_its_source_attaches(query: str, attach: str, text: str | None) -> None:
    for name in ("t.csv", "t.db", "t.duckdb"):
        Path(name).touch()
    Path("m.yaml").write_text(
        HEAD + NONE + f"sources:\n  a:\n    uri: {json.dumps('sql:' + query)}\n    attach: {attach}\n"
    )
    told = "m.yaml: ok" if text is None else text if "sources." in text else f"sources.a.uri: {text}"
    code, output = check("m.yaml")
    assert (code, output.partition(" sources.")[2] and output.partition(" ")[2]) == (
        (0, "") if text is None else (1, f"{told}\n")
    )
