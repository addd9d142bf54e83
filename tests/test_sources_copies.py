"""Cleaned copies: every row in exactly one place, whatever its fate, and no folder taken from another."""

import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_fixtures import REPORT, read
from hypothesis import given, settings
from hypothesis import strategies as st
from mixture_fixtures import Place, chat

from tulu_data.errors import SourceError
from tulu_data.sources.copies import MARK, Copied, Target, check_target, relative_place, write_copies
from tulu_data.sources.fates import DROPPED, Fates
from tulu_data.sources.ledger import Ledger

BAD = "{broken"
WORDS = st.sampled_from(["keep", "near", "same", "bad", "blank"])
"""What becomes of a line, or what it is where it is no record."""


def target(base: Path, command: str = "dedup") -> Target:
    return Target(command=command, options={"by": "hand"}, folder=base / "clean", report=base / REPORT)


def fates(rows: list[tuple[str, str, str, str]], **more: object) -> Fates:
    """Make fates of (dataset, origin, id, reason); the evidence is the reason, in other letters."""
    named = [
        dict(zip(DROPPED.names, (*row, None if row[3] == "same" else row[3].upper()), strict=True))
        for row in rows
    ]
    return Fates(dropped=pa.Table.from_pylist(named, schema=DROPPED), reasons=("near",), **more)  # type: ignore[arg-type]


def line(k: int, word: str) -> str:
    return {"bad": BAD, "blank": ""}.get(word, json.dumps({"prompt": f"{k} {word}", "completion": "yes"}))


def write(path: Path, words: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line(k, word)}\n" for k, word in enumerate(words)), "utf-8")


def text(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.lists(WORDS, max_size=9), st.booleans()), min_size=1, max_size=3))
def test_every_row_is_where_its_fate_says_and_is_counted_there(
    files: list[tuple[list[str], bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        names = [f"d{k}/x.jsonl" for k in range(len(files))]
        for name, (words, _) in zip(names, files, strict=True):
            write(base / name, words)
        gone = [
            (name, f"{name}:{k}", f"id{k}", word)
            for name, (words, _) in zip(names, files, strict=True)
            for k, word in enumerate(words, 1)
            if word in ("near", "same")
        ]
        whole = {name: ("dirty", "why") for name, (_, is_whole) in zip(names, files, strict=True) if is_whole}
        done = write_copies(read(base, *names), fates(gone[::-1], whole=whole), target(base))
        for one, name, (words, is_whole) in zip(done, names, files, strict=True):
            check(base, one, name, words, is_whole=is_whole)
        listed = pq.read_table(base / REPORT / "dropped.parquet")
        assert listed.schema.equals(DROPPED)
        assert listed.to_pylist() == [
            row
            for name, (words, is_whole) in zip(names, files, strict=True)
            for row in expected_rows(name, words, is_whole=is_whole)
        ]


def expected_rows(name: str, words: list[str], *, is_whole: bool) -> list[dict[str, str | None]]:
    """List what is dropped of a file, in its order."""
    found = []
    for k, word in enumerate(words, 1):
        if word in ("near", "same"):
            found.append((f"id{k}", word, None if word == "same" else "NEAR"))
        elif word == "keep" and is_whole:
            found.append((None, "dirty", "why"))
        else:
            continue
        found[-1] = (name, f"{name}:{k}", *found[-1])
    return [dict(zip(DROPPED.names, row, strict=True)) for row in found]


def check(base: Path, one: Copied, name: str, words: list[str], *, is_whole: bool) -> None:
    """Hold the copy of a file, what lies beside it, and the counts to its lines; blank ones are no rows."""
    dropped = {"near", "same"} | ({"keep"} if is_whole else set())
    for folder, part in (
        (base / "clean", {"keep"} - dropped),
        (base / REPORT / "dropped", dropped),
        (base / REPORT / "quarantined", {"bad"}),
    ):
        expected = [line(k, word) for k, word in enumerate(words) if word in part]
        assert [said for said in text(folder / name).splitlines() if said] == expected, folder
    counts = {word: words.count(word) for word in ("keep", "near", "same", "bad")}
    reasons = {"near": counts["near"]} | ({"dirty": counts["keep"]} if is_whole else {})
    reasons |= {"same": counts["same"]} if counts["same"] else {}
    kept = 0 if is_whole else counts["keep"]
    assert (one.dataset, one.kept, one.dropped, one.quarantined) == (name, kept, reasons, counts["bad"])
    assert one.read == sum(counts.values()) == one.kept + sum(one.dropped.values()) + one.quarantined


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    write(tmp_path / "a.jsonl", ["keep", "near"])
    return read(tmp_path, "a.jsonl")


NEAR = [("a.jsonl", "a.jsonl:2", "id2", "near")]


def test_a_command_replaces_its_own_copies_and_not_those_of_another(ledger: Ledger) -> None:
    base = ledger.base
    write_copies(ledger, fates(NEAR), target(base))
    mark = json.loads((base / "clean" / MARK).read_text("utf-8"))
    assert (mark["command"], mark["by"], list(mark["files"])) == ("dedup", "hand", ["a.jsonl"])
    before = text(base / "clean/a.jsonl")
    for refused in (check_target, lambda other: write_copies(ledger, fates([]), other)):
        with pytest.raises(SourceError) as caught:
            refused(target(base, "decontaminate"))
        assert str(caught.value) == (
            f"{base / 'clean'}: holds copies written by dedup, and would be replaced; name another folder"
        )
    assert text(base / "clean/a.jsonl") == before
    write_copies(ledger, fates([]), target(base))
    assert text(base / "clean/a.jsonl") == text(base / "a.jsonl") != before


def test_a_row_to_drop_that_no_file_has_is_not_passed_over(ledger: Ledger) -> None:
    wrong = fates([*NEAR, ("a.jsonl", "a.jsonl:9", "id9", "near")])
    with pytest.raises(AssertionError, match=r"a\.jsonl: rows to drop are missing"):
        write_copies(ledger, wrong, target(ledger.base))
    assert not (ledger.base / "clean").exists()


def test_the_fate_of_a_record_in_a_version_is_not_that_of_the_row_it_came_from(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write("a.jsonl", [chat("one"), chat("two")])
    version = place.mix({"a": {"uri": "a.jsonl"}}).ref
    ledger = read(tmp_path, version, "a.jsonl")
    origins = [f"a.jsonl:{k}" for k in (1, 2)]
    (copied,) = write_copies(
        ledger, fates([(version, origin, "id", "near") for origin in origins]), target(tmp_path)
    )
    assert (copied.dataset, copied.kept, copied.dropped) == ("a.jsonl", 2, {"near": 0})
    assert text(tmp_path / "clean/a.jsonl") == text(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("origin", "place"),
    [("data/a.jsonl", "data/a.jsonl"), ("/x/a.jsonl", "x/a.jsonl"), ("../../x/a.jsonl", "x/a.jsonl"),
     ("hf://o/n@1f/data/a.parquet", "o/n@1f/data/a.parquet")],
)  # fmt: skip
def test_copies_stay_below_their_folder(origin: str, place: str) -> None:
    assert relative_place(origin).as_posix() == place
