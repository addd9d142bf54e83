"""Two processes that write into one store at once: each is done or told so, and nothing is torn."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mixture_fixtures import Place, chats

from tulu_data.account.verify import verify
from tulu_data.errors import StoreError
from tulu_data.mix import mix, prepare, resolve_inputs
from tulu_data.specs.mixture import MixtureFile, read_mixture

SCRIPT = """
import os, sys
from pathlib import Path
from mixture_fixtures import Place
from tulu_data.errors import StoreError
from tulu_data.mix import mix
from tulu_data.specs.mixture import read_mixture
from tulu_data.store import writer

# Wait in the middle of what is asked for, holding what is held there, until the other has gone on.
place, spec, stop = Place(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
def told(word):
    print(word, flush=True)
    sys.stdin.readline()
real = writer._write_shards
def waiting(*given):
    told("writing")
    yield from real(*given)
if stop == "writing":
    writer._write_shards = waiting
elif stop == "reading":
    from tulu_data.mix import preparation

    read = preparation.read_inputs
    preparation.read_inputs = lambda *given: told("reading") or read(*given)
else:
    told("ready")
try:
    print("built", mix(read_mixture(spec), place.settings(say=lambda _: None)).version.content_id)
except StoreError as error:
    print("refused", error)
"""


class Other:
    """Another process that builds a spec, and waits to be told to go on."""

    def __init__(self, place: Place, file: MixtureFile, stop: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(place.root), str(file.path), stop], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
        )  # fmt: skip
        assert self.process.stdout is not None
        self.waits_at = self.process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> tuple[str, str]:
        said, _ = self.process.communicate("\n")
        word, _, rest = said.strip().rpartition("\n")[2].partition(" ")
        return word, rest


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.write("a.jsonl", chats(200))
    place.mix({"a": {"uri": "a.jsonl", "take": {"rows": 3}}})
    return place


def build(place: Place, file: MixtureFile) -> str:
    return mix(file, place.settings()).version.content_id


def is_whole(place: Place, wanted: dict[str, set[str]]) -> None:
    for name, ids in wanted.items():
        assert ids <= set(place.store.ids(name))
        for version in place.store.versions(name):
            found = verify(version.path, place.root, place.store, workers=1, fast=True, say=str)
            assert found.verdict == "whole"
        assert not [*(place.store.root / name).glob(".building*")]


def specs(place: Place, how: str) -> tuple[MixtureFile, MixtureFile]:
    first = place.spec({"a": {"uri": "a.jsonl", "take": {"rows": 50}}})
    if how == "the same spec":
        return first, first
    if how == "another name":
        return first, place.spec({"a": {"uri": "a.jsonl", "take": {"rows": 60}}}, name="n")
    moved = first.path.rename(first.path.with_name("first.yaml"))
    return read_mixture(moved), place.spec({"a": {"uri": "a.jsonl", "take": {"rows": 60}}})


@pytest.mark.parametrize("stop", ["reading", "writing"])
@pytest.mark.parametrize("how", ["the same spec", "another spec of the name", "another name"])
def test_of_two_builds_the_second_is_refused_before_it_reads(place: Place, how: str, stop: str) -> None:
    first, second = specs(place, how)
    other = Other(place, first, stop)
    assert other.waits_at == stop
    place.said.clear()
    if how == "another name":
        mine = build(place, second)
    else:
        with pytest.raises(StoreError, match="another process is writing 'm'; wait for it"):
            build(place, second)
        assert place.said == []
        # A plan writes nothing, so nobody is in its way.
        assert prepare(second, resolve_inputs(second, place.root, place.store), place.settings()).plan.rows
    word, theirs = other.end()
    assert word == "built"
    mine = build(place, second)
    assert (mine == theirs) == (how == "the same spec")
    is_whole(place, {first.mixture.name: {theirs}, second.mixture.name: {mine}})


@pytest.mark.parametrize("how", ["the same spec", "another spec of the name", "another name"])
def test_two_builds_that_run_side_by_side_are_done_or_refused_and_never_torn(place: Place, how: str) -> None:
    pair = specs(place, how)
    others = [Other(place, file, "start") for file in pair]
    for other in others:
        other.go_on()
    ended = [other.end() for other in others]
    assert "built" in {word for word, _ in ended}
    for word, said in ended:
        assert word == "built" or "another process is writing" in said, said
    ids = [build(place, file) for file in pair]
    assert [said for word, said in ended if word == "built"] == [
        one for one, (word, _) in zip(ids, ended, strict=True) if word == "built"
    ]
    is_whole(place, {file.mixture.name: {one} for file, one in zip(pair, ids, strict=True)})
