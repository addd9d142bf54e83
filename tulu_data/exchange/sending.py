"""Send a version elsewhere: all of its folder but what can be made anew.

The one idea: what is sent is the version as it lies in the store, so that what is pulled is the same version;
its card tells the hub's viewer where the records are. Of what was left out it tells where and why, not what
it said. Nothing is sent that was not listed before, and nothing that is not what was written.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import pyarrow as pa
import pyarrow.parquet as pq

from tulu_data.account.contents import bytes_faults
from tulu_data.errors import StoreError
from tulu_data.exchange.remotes import Remote
from tulu_data.store import Version
from tulu_data.store.version import SIGNATURES

_QUOTED = {"quarantined.parquet": ("raw", "detail"), "dropped.parquet": ("evidence",)}
"""Columns that may quote what was left out, by file."""
_MATCHED = "matched"
"""What of a filter's evidence is the record's own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What would be sent."""

    version: Version
    files: dict[str, Path]


def pack(version: Version, scratch: Path) -> Parcel:
    """List what is sent of a version; raise StoreError where a shard is not what was written.

    Tables that quote what was left out are written without that into a folder, and sent from there.
    """
    faults = [fault for shard in version.manifest.shards for fault in bytes_faults(version.path, shard)]
    if faults:
        more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise StoreError(
            f"{version.path}: is damaged: {faults[0]}{more}; nothing was sent; build it again, "
            f"tulu-data verify {version.ref} --store {quote(str(version.path.parents[1]))} says more"
        )
    files = {
        path.relative_to(version.path).as_posix(): path
        for path in sorted(version.path.rglob("*"))
        if path.is_file()
    }
    kept = {
        name: path
        for name, path in files.items()
        if not name.startswith((".", f"{SIGNATURES}/")) and "/." not in name
    }
    quiet = {
        name: _quiet(path, scratch / name, _QUOTED[name]) for name, path in kept.items() if name in _QUOTED
    }
    return Parcel(version=version, files=kept | quiet)


def _quiet(path: Path, target: Path, columns: tuple[str, ...]) -> Path:
    """Write a table without what quotes the data, if there is any; return where it lies."""
    before = after = pq.read_table(path)
    for name in columns:
        texts = after.column(name).to_pylist()
        said = [_without_words(text) if name == "evidence" else None for text in texts]
        after = after.set_column(
            after.schema.get_field_index(name), name, pa.array(said, after.column(name).type)
        )
    if after.equals(before):
        return path
    pq.write_table(after, target, compression="zstd")
    return target


def _without_words(evidence: str | None) -> str | None:
    """Return evidence without the words of the record that matched."""
    told = json.loads(evidence) if evidence else {}
    if _MATCHED not in told:
        return evidence
    return json.dumps({name: value for name, value in told.items() if name != _MATCHED}, ensure_ascii=False)


def missing(parcel: Parcel, remote: Remote) -> dict[str, Path]:
    """Return the files of a parcel that are not at a remote yet."""
    version = parcel.version
    names = remote.missing(version.name, version.content_id, parcel.files)
    return {name: path for name, path in parcel.files.items() if name in names}


def send(parcel: Parcel, remote: Remote, new: Collection[str]) -> str:
    """Send what is new there of a version; return the uri that brings it back."""
    version = parcel.version
    message = f"{version.ref}: {version.num_rows:,} rows"
    return remote.send(version.name, version.content_id, parcel.files, new, message)
