"""Splits by record id: no record changes side, whatever else changes."""

from fractions import Fraction
from hashlib import sha256

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.cli.main import group
from tulu_data.mix.splitting import split_names, split_of
from tulu_data.specs.splits import Split

M = 2**64 - 1
IDS = st.lists(st.tuples(st.integers(0, M), st.integers(0, M)), min_size=1, max_size=40)
NAMES = st.sampled_from(["validation", "test", "a", "zz_9"])
SPLITS = st.dictionaries(NAMES, st.floats(0.001, 0.249), max_size=4)


def words(ids: list[tuple[int, int]]) -> np.ndarray:
    return np.array(ids, np.uint64).reshape(-1, 2)


def splits(said: dict[str, float]) -> dict[str, Split]:
    return {name: Split(fraction=fraction) for name, fraction in said.items()}


def mixed(h: int) -> int:
    """Return fmix64 of MurmurHash3, in Python's own numbers."""
    h ^= h >> 33
    h = h * 0xFF51AFD7ED558CCD & M
    h ^= h >> 33
    h = h * 0xC4CEB9FE1A85EC53 & M
    return h ^ h >> 33


def expected(said: dict[str, float], one: tuple[int, int]) -> str:
    """Return the split of one record, written down a second time."""
    taken = Fraction(0)
    for name in sorted(said):
        digest = sha256(f"split\0000\0{name}".encode()).digest()
        first, second = (int.from_bytes(digest[i : i + 8], "little") for i in (0, 8))
        rank = mixed(mixed((mixed(one[0] ^ first) + one[1]) & M) ^ second)
        if rank < Fraction(str(said[name])) / (1 - taken) * 2**64 // 1:
            return name
        taken += Fraction(str(said[name]))
    return "train"


@given(SPLITS, IDS)
def test_a_split_is_what_a_second_writing_of_it_says(
    said: dict[str, float], ids: list[tuple[int, int]]
) -> None:
    names = split_names(splits(said))
    found = [names[number] for number in split_of(splits(said), words(ids))]
    assert found == [expected(said, one) for one in ids]


@given(SPLITS, IDS, st.randoms(use_true_random=False))
def test_a_record_is_on_one_side_whatever_is_beside_it(said: dict[str, float], ids: list, random) -> None:
    order = random.sample(range(len(ids)), len(ids))
    together = split_of(splits(said), words(ids))
    assert split_of(splits(said), words([ids[i] for i in order] * 2)).tolist() == together[order].tolist() * 2
    assert [split_of(splits(said), words([one])).item() for one in ids] == together.tolist()


@given(st.floats(0.001, 0.9), st.floats(0.001, 0.9), IDS)
def test_a_larger_fraction_keeps_what_a_smaller_one_had(one: float, other: float, ids: list) -> None:
    small, large = (split_of(splits({"validation": f}), words(ids)) for f in sorted([one, other]))
    assert (small <= large).all()


@given(st.floats(0.001, 0.4), st.floats(0.001, 0.4), IDS)
def test_a_split_that_comes_later_by_name_leaves_the_first_alone(one: float, other: float, ids: list) -> None:
    alone = split_of(splits({"test": one}), words(ids))
    both = split_of(splits({"validation": other, "test": one}), words(ids))
    assert (alone == 1).tolist() == (both == 1).tolist()


def test_each_split_gets_its_share() -> None:
    ids = np.random.default_rng(7).integers(0, M, (40_000, 2), np.uint64, endpoint=True)
    said = {"a": 0.5, "b": 0.25, "c": 0.2}
    counts = np.bincount(split_of(splits(said), ids), minlength=4)
    # Five standard deviations of a binomial count; the ids are fixed.
    for count, share in zip(counts, [0.05, 0.5, 0.25, 0.2], strict=True):
        assert abs(count - share * 40_000) < 5 * (share * (1 - share) * 40_000) ** 0.5


def test_no_splits_leave_all_in_train() -> None:
    assert split_names({}) == ("train",)
    assert split_of({}, words([(1, 2), (3, 4)])).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("{train: {fraction: 0.9}}", "6:10 splits.train: 'train' is what the splits leave; name those "
            "that are taken from it"),
        (
            "{Dev: {fraction: 0.1}}",
            "6:10 splits.Dev: a split's name must be small letters, digits and '_', beginning with "
            "a letter, found 'Dev'",
        ),
        (
            "{a: {fraction: 0.5}, b: {fraction: 0.5}}",
            "6:1 splits: the fractions add up to 1, so nothing is left for 'train'; make them smaller",
        ),
        ("{a: {fraction: 1}}", "6:24 splits.a.fraction: must be below 1, found 1"),
        ("{a: {fraction: 0}}", "6:24 splits.a.fraction: must be above 0, found 0"),
        ("{a: 0.1}", "6:13 splits.a: expected a mapping of keys to values, found 0.1; "
            "write it as in splits: {validation: {fraction: 0.01}}"),
        ("{a: {rows: 5}}", "6:13 splits.a: key 'fraction' is missing; add `fraction:` (Share of "
            "the records, above 0 and below 1)\n"
         "m.yaml:6:14 splits.a.rows: unknown key 'rows' (known: fraction)"),
        ("[0.1]", "6:9 splits: expected a mapping of names to values, found a list; "
            "write it as in splits: {validation: {fraction: 0.01}}"),
    ],
)  # fmt: skip
def test_a_mistake_in_splits_is_told_at_its_place(
    said: str, expected: str, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    head = "version: 1\nname: m\nkind: sft\ndecontaminate: none\nsources: {a: {uri: a.jsonl}}\n"
    (tmp_path / "m.yaml").write_text(f"{head}splits: {said}\n")
    assert CliRunner().invoke(group, ["check", "m.yaml"]).output == f"m.yaml:{expected}\n"
