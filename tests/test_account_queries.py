"""What answers for versions knows queries: what they see, and that they give something else by now."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from mixture_fixtures import Place, chats
from store_fixtures import tree

from tulu_data.account.difference import compare
from tulu_data.account.drawn import as_data, as_lines, as_mermaid
from tulu_data.account.lineage import lineage
from tulu_data.account.status import status
from tulu_data.account.verify import verify
from tulu_data.cli.status import command
from tulu_data.mix import mix
from tulu_data.mix.pins import resolve_all
from tulu_data.specs.lock import Lock, SourcePin, lock_path, lock_text, read_lock, write_lock
from tulu_data.store import Version

SOURCES = {
    "tickets": {
        "uri": "sql:SELECT q AS prompt, a AS completion FROM db.tickets WHERE q NOT IN (SELECT q FROM skip)",
        "attach": {"db": "sqlite:data/t.db", "skip": "data/skip.jsonl"},
    },
    "chat": {"uri": "chat.jsonl"},
}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    (tmp_path / "tulu-data.yaml").write_text("version: 1\n")
    place.write("data/skip.jsonl", [{"q": "question 0"}])
    place.write("chat.jsonl", chats(3))
    with closing(sqlite3.connect(tmp_path / "data/t.db")) as database:
        database.execute("CREATE TABLE tickets (q TEXT, a TEXT)")
        database.commit()
    add(place, *range(5))
    return place


@pytest.fixture
def version(place: Place) -> Version:
    return place.mix(SOURCES)


def add(place: Place, *numbers: int) -> None:
    with closing(sqlite3.connect(place.root / "data/t.db")) as database:
        rows = [(f"question {i}", f"answer {i}") for i in numbers]
        database.executemany("INSERT INTO tickets VALUES (?, ?)", rows)
        database.commit()


def spec_of(place: Place) -> Path:
    return place.root / "mixtures/m.yaml"


def told(place: Place, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(place.root)
    return CliRunner().invoke(command, ["mixtures/m.yaml"]).stdout.splitlines()


def test_a_database_that_changed_makes_its_spec_stale_and_nothing_is_written(
    place: Place, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert status(spec_of(place), place.root, place.store).state == "built"
    add(place, 5)
    before = tree(place.store)
    lines = told(place, monkeypatch)
    assert tree(place.store) == before
    assert lines[0] == f"mixtures/m.yaml  {version.ref}  stale"
    assert lines[1].startswith("  source tickets: the lock pins another result of its query (")
    assert "data/t.db, data/skip.jsonl; bring back" in lines[1]
    assert lines[1].endswith(" or: tulu-data lock mixtures/m.yaml --update tickets")
    assert lines[2] == "  changes: other records of tickets"
    file = place.spec(SOURCES)
    resolve_all(file, place.root, place.store, moving=["tickets"])
    (line,) = [line for line in told(place, monkeypatch) if "source tickets" in line]
    assert line.startswith("  source tickets: the result of its query changed (")
    new = mix(file, place.settings()).version
    assert status(spec_of(place), place.root, place.store).state == "built"
    (one,) = compare(version, new, place.store).inputs
    assert (one.role, one.origin) == ("source tickets", "the result of its query")
    assert None not in (one.was, one.now)


def test_a_database_that_changed_in_what_a_query_does_not_see_changes_nothing(
    place: Place, version: Version
) -> None:
    add(place, 0)
    found = status(spec_of(place), place.root, place.store)
    assert (found.state, found.version) == ("built", version)


def test_a_database_that_is_gone_is_told_once(
    place: Place, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.root / "data/t.db").unlink()
    (place.root / "chat.jsonl").unlink()
    lines = told(place, monkeypatch)
    assert lines[0].endswith("  stale")
    assert sum("tickets" in line for line in lines[1:-1]) == 1
    assert sum("chat.jsonl" in line for line in lines[1:]) == 1
    found = verify(version.path, place.root, place.store, workers=1, fast=False, say=lambda _: None)
    assert found.verdict == "unrepeatable"


def test_a_server_is_not_asked_and_that_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    uri, attach = (
        "sql:SELECT q AS prompt, a AS completion FROM pg.t",
        {"pg": "postgres:host=127.0.0.1 port=1"},
    )
    file = place.spec({"tickets": {"uri": uri, "attach": attach}})
    asked = file.mixture.sources["tickets"].asked
    write_lock(file.path, Lock(sources={"tickets": SourcePin(uri=asked, revision="0" * 40, files=())}))
    found = status(file.path, place.root, place.store)
    assert (found.problems, found.unasked, found.unpinned) == ((), ("tickets",), ())
    assert "  not asked: tickets, whose query reads a server; mix asks it" in told(place, monkeypatch)


def test_what_a_query_saw_stands_in_the_lineage_and_in_the_card(place: Place, version: Version) -> None:
    found = lineage(version, place.store, place.root / "runs")
    lines = as_lines(found)
    assert "    sees db = sqlite:data/t.db" in lines
    assert "    sees skip = data/skip.jsonl" in lines
    assert any("db = sqlite:data/t.db<br/>skip = data/skip.jsonl" in line for line in as_mermaid(found))
    attached = [source["attach"] for source in as_data(found)["sources"]]
    assert attached == [SOURCES["tickets"]["attach"], {}]
    card = (version.path / "README.md").read_text()
    assert "Source tickets is a query over db = `sqlite:data/t.db`, skip = `data/skip.jsonl`." in card


def test_locks_say_of_a_query_nothing_that_only_the_hub_has(place: Place, version: Version) -> None:
    spec = spec_of(place)
    keys = {"uri", "revision", "files"}
    for path in (lock_path(spec), version.path / "lock.yaml"):
        lock = yaml.safe_load(path.read_text())
        pins = lock.get("pins", lock["sources"])
        assert pins["tickets"].keys() == keys
    lock = read_lock(spec)
    on_hub = lock.sources["tickets"].model_copy(update={"uri": "hf://a/b", "split": "test"})
    both = Lock(sources={**lock.sources, "on_hub": on_hub})
    assert yaml.safe_load(lock_text(both))["sources"]["on_hub"].keys() == {*keys, "wanted", "split"}
    write_lock(spec, both)
    assert read_lock(spec) == both
