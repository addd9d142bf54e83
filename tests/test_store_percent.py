"""Parts in percent: they make a hundred, are near the truth, and are the same wherever they are shown."""

import json

from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from mixture_fixtures import Place, chats

from tulu_data.cli.main import group
from tulu_data.store.percent import Parts, parts_in_percent


@given(counts=st.lists(st.integers(0, 10**9), min_size=1, max_size=40))
def test_shares_make_a_hundred_and_are_near_to_the_truth(counts: list[int]) -> None:
    found = parts_in_percent(counts)
    total = sum(counts)
    assert round(sum(found), 6) == (100 if total else 0)
    for count, share in zip(counts, found, strict=True):
        assert abs(share - (100 * count / total if total else 0)) < 0.01
        assert share or count * 10_000 < total or not total


@given(st.dictionaries(st.text("abcd", min_size=1), st.integers(0, 10**6), min_size=1), st.randoms())
def test_parts_do_not_depend_on_their_order_and_several_are_their_sum(counts, order) -> None:
    parts = Parts(counts)
    names = list(counts)
    order.shuffle(names)
    other = Parts({name: counts[name] for name in names})
    assert [other.text(name) for name in names] == [parts.text(name) for name in names]
    some = names[: len(names) // 2]
    rest = names[len(some) :]
    assert round(parts.of(some) + parts.of(rest), 2) == (100 if any(counts.values()) else 0)
    assert parts.of(some) == round(sum(parts.of([name]) for name in some), 2)
    assert parts.whole == f"{parts.of(names):.2f}%"


def test_a_share_is_the_same_in_plan_stats_diff_and_card(workspace: Place) -> None:
    for name in "abc":
        workspace.write(f"{name}.jsonl", chats(7, name))
    sources = {name: {"uri": f"{name}.jsonl", "tags": [f"t{name}", "all"]} for name in "abc"}
    version = workspace.mix(sources)

    def run(*arguments: str) -> list[list[str]]:
        result = CliRunner().invoke(group, list(arguments))
        assert result.exit_code == 0, result.output + repr(result.exception)
        return [line.split() for line in result.stdout.replace("|", " ").splitlines()]

    expected = {"a": "33.34%", "b": "33.33%", "c": "33.33%"}
    every = [
        *run("plan", "mixtures/m.yaml"), *run("stats", "m"), *run("diff", "m", version.ref), *run("card", "m")
    ]  # fmt: skip
    shares = [(line[0], [cell for cell in line if cell.endswith("%")]) for line in every if line]
    for name, share in expected.items():
        found = [cells for key, cells in shares if key == name and cells]
        assert found == [[share], [share], [share, share], [share]], name
        assert [cells for key, cells in shares if key == f"t{name}"] == [[share], [share]]
    assert [cells for key, cells in shares if key == "all"] == [["100.00%"], ["100.00%"]]
    told = json.loads(CliRunner().invoke(group, ["stats", "m", "--json"]).stdout)
    assert told["sources"]["a"]["share"] == 7 / 21
