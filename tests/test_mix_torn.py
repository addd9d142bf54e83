"""Files that end before their data does: what is there is mixed, and what is missing is told."""

import gzip
import json
import os

import pytest
from mixture_fixtures import Place, account, chats


def test_a_torn_archive_is_told_with_the_row_it_ends_at(tmp_path):
    place = Place(tmp_path)
    # Rows that do not compress, so that half of the file is about half of the rows.
    lines = [json.dumps({**row, "noise": os.urandom(200).hex()}) for row in chats(200)]
    whole = gzip.compress("\n".join(lines).encode())
    (tmp_path / "a.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    version = place.mix({"a": {"uri": "a.jsonl.gz"}})
    counts = account(version, "a")
    assert 50 < counts["kept"] < 150
    assert counts["quarantined"] == {"truncated archive": 1}
    (said,) = version.manifest.warnings
    assert said.startswith(f"source 'a': a.jsonl.gz: nothing after row {counts['kept']} could be read (")
    assert said.endswith("); get the whole file")


@pytest.mark.parametrize("cut", [-1, -3, -40])
def test_a_torn_list_is_told(tmp_path, cut):
    place = Place(tmp_path)
    text = json.dumps(chats(30))
    (tmp_path / "a.json").write_text(text[:cut])
    version = place.mix({"a": {"uri": "a.json"}})
    counts = account(version, "a")
    assert counts["quarantined"] == {"truncated file": 1}
    assert version.manifest.warnings == (
        f"source 'a': a.json: nothing after row {counts['kept']} could be read "
        "(the array has no closing bracket); get the whole file",
    )


def test_a_broken_element_at_the_end_of_a_whole_list_is_no_tear(tmp_path):
    place = Place(tmp_path)
    (tmp_path / "a.json").write_text(json.dumps(chats(3))[:-1] + ', {"messages": ]')
    version = place.mix({"a": {"uri": "a.json"}})
    assert account(version, "a")["quarantined"] == {"broken json": 1}
    assert version.manifest.warnings == ()
