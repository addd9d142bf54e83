"""The difference of two versions: kept, added, removed, moved, per source."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from store_fixtures import batch_of, draft_of

from tulu_data.store import Store, Version, write_version
from tulu_data.store.diff import SourceChange, diff_versions

ROWS = st.sets(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["x", "y"])), min_size=1)


def version_of(store: Store, rows: set[tuple[str, str]]) -> Version:
    batches = [batch_of(sorted(t for t, s in rows if s == name), name) for name in ("x", "y")]
    return write_version(
        store, draft_of([b for b in batches if b.num_rows]), [b for b in batches if b.num_rows]
    )


def test_every_row_is_kept_added_removed_or_moved(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old = version_of(store, {("a", "x"), ("b", "x"), ("c", "x"), ("d", "y")})
    new = version_of(store, {("a", "x"), ("b", "y"), ("e", "x"), ("d", "y")})
    assert diff_versions(old, new) == [
        SourceChange(source="x", kept=1, added=1, removed=1, moved_in=0, moved_out=1),
        SourceChange(source="y", kept=1, added=0, removed=0, moved_in=1, moved_out=0),
    ]


@settings(max_examples=20)
@given(ROWS, ROWS)
def test_the_parts_make_up_both_versions(tmp_path_factory, before, after) -> None:
    store = Store(tmp_path_factory.mktemp("diff"))
    changes = diff_versions(version_of(store, before), version_of(store, after))
    for change in changes:
        mine = [{t for t, s in rows if s == change.source} for rows in (before, after)]
        assert change.kept == len(mine[0] & mine[1])
        assert change.kept + change.removed + change.moved_out == len(mine[0])
        assert change.kept + change.added + change.moved_in == len(mine[1])


def test_a_version_does_not_differ_from_itself(tmp_path: Path) -> None:
    version = version_of(Store(tmp_path), {("a", "x"), ("b", "y")})
    assert {(c.added, c.removed, c.moved_in, c.moved_out) for c in diff_versions(version, version)} == {
        (0,) * 4
    }
