"""The eval suites of a mixture: what is wrong with them is told at their place, before a record is read."""

from pathlib import Path

import pytest
from mixture_fixtures import Place, chats

from tulu_data.errors import SuiteError
from tulu_data.mix import mix


def step(*against: str) -> dict[str, object]:
    return {"step": "decontaminate", "against": list(against)}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.write("a.jsonl", chats(9))
    place.write("evals/good.jsonl", [{"question": "What is the tallest tree of the old park by the river?"}])
    place.write("evals/maths/test.jsonl", [{"problem": "One and one?"}])
    return place


def refused(place: Place, *against: str) -> str:
    file = place.spec({"a": {"uri": "a.jsonl"}}, steps=[{"step": "filter", "max_turns": 9}, step(*against)])
    with pytest.raises(SuiteError) as caught:
        mix(file, place.settings())
    # Reading, and each step, would have said so.
    assert place.said == []
    return str(caught.value).removeprefix(f"{file.path}:")


@pytest.mark.parametrize(
    ("against", "where"),
    [
        (["evals/maths/test.jsonl"], "9:5 steps[1].against[0]: "),
        (["evals/good.jsonl", "evals/maths"], "10:5 steps[1].against[1]: "),
        (["evals"], "9:5 steps[1].against[0]: "),
    ],
)
def test_a_suite_that_cannot_be_read_is_told_at_its_path_before_anything_is_read(
    place: Place, against: list[str], where: str
) -> None:
    found = refused(place, *against)
    assert found == (
        f"{where}evals/maths/test.jsonl: not an eval suite: no column 'question', found columns problem; "
        "say how it is read: tulu-data evals add maths evals/maths/test.jsonl --question problem"
    )


def test_a_suite_that_is_not_there_is_told_at_its_path(place: Place) -> None:
    assert refused(place, "evals/good.jsonl", "eval").startswith("10:5 steps[1].against[1]: eval: no such")


def test_paths_that_fail_together_alone_are_told_where_they_are_named(place: Place) -> None:
    for name in ("one", "two"):
        (place.root / f"{name}.yaml").write_text(
            "version: 1\nsuites:\n  s: {uri: evals/good.jsonl}\n", "utf-8"
        )
    assert refused(place, "one.yaml", "two.yaml").startswith("9:3 steps[1].against: suite 's' is in ")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("evals/x.jsonl", "x"), ("evals/test.jsonl", "test"), ("evals/s/test-00000.jsonl", "s"),
        ("e/s p/1.jsonl", "s_p"),
    ],
)  # fmt: skip
def test_the_command_that_is_named_calls_a_suite_by_what_tells_it_apart(
    place: Place, path: str, name: str
) -> None:
    place.write(path, [{"problem": "One and one?"}])
    assert f"tulu-data evals add {name} " in refused(place, path)
