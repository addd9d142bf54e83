"""Write a version: into a temporary folder beside the target, synced, renamed.

The manifest is written last, so its existence means the version is whole; a kill at any moment
leaves the store as it was plus a temporary folder, which the next writer of that name removes.
One writer per name at a time. The records of a version never change. When another recipe or other
inputs make the same records, only the account of them is replaced, file by file, manifest last.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tulu_data.errors import StoreError
from tulu_data.schema import Kind, version_schema
from tulu_data.store.locks import locked
from tulu_data.store.manifest import MANIFEST, FileEntry, Manifest, ShardEntry
from tulu_data.store.refs import Ref, append_ref, read_refs
from tulu_data.store.store import Store
from tulu_data.store.unbuffered import Pieces, UnbufferedFile
from tulu_data.store.version import SIGNATURES, TRAIN, Version

SHARD_BYTES = 256 << 20
TEMPORARY = ".building-"
"""Beginning of the folders of builds that are not finished; only who holds the writer lock has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Everything about a version but its shards: the writer fills those in."""

    manifest: Manifest
    inputs_id: str
    """Hash of the input files' contents; with the recipe id it says `already built`."""
    files: Mapping[str, str]
    """Further text files of the version, by name (spec, lock, card)."""
    tables: Mapping[str, pa.Table]
    """Further parquet tables of the version, by name (dropped, quarantined, hits)."""


def write_version(store: Store, draft: Draft, batches: Iterable[pa.RecordBatch]) -> Version:
    """Write a version whole or not at all; raise StoreError when the disk refuses or another writes."""
    name = draft.manifest.name
    try:
        with _writing(store, name) as folder:
            target = store.root / name / draft.manifest.content_id
            there = open_whole(target)
            if there is None:
                shards = tuple(_write_shards(folder, draft.manifest, batches))
                _write_account(folder, draft, shards)
                shutil.rmtree(target, ignore_errors=True)
                folder.rename(target)
                _sync(target.parent)
            elif _read_files(there.manifest) != _read_files(draft.manifest):
                # The same records out of other files: their `origin` has to follow.
                shards = tuple(_write_shards(folder, draft.manifest, batches))
                _write_account(folder, draft, shards)
                target.rename(folder.with_name(f"{folder.name}-before"))
                folder.rename(target)
                _sync(target.parent)
            elif _account(there.manifest) != _account(draft.manifest):
                _write_account(folder, draft, there.manifest.shards)
                _replace_account(folder, target, there.manifest.shards)
            try:
                append_ref(store.root, name, _ref(draft.manifest, draft.inputs_id))
            except OSError:
                if there is None:
                    # No log names it, so nobody would find the room that it takes.
                    shutil.rmtree(target, ignore_errors=True)
                raise
    except OSError as error:
        raise _refused(error, store, name) from error
    return Version.open(target)


@contextmanager
def building(store: Store, name: str) -> Iterator[None]:
    """Hold the writer lock of a name from before anything is read for it, so that nobody works in vain.

    Raises StoreError when another writes, or the disk refuses.
    """
    with ExitStack() as held:
        try:
            held.enter_context(locked(store.root, name))
        except OSError as error:
            raise _refused(error, store, name) from error
        yield


def make_newest(store: Store, version: Version, recipe_id: str, inputs_id: str) -> None:
    """Note that a version of the store was asked for again, so that it is the newest of its name."""
    refs = read_refs(store.root, version.name)
    if refs and refs[-1].content_id == version.content_id:
        return
    manifest = version.manifest.model_copy(update={"recipe_id": recipe_id, "created": utc_now()})
    try:
        with _writing(store, version.name):
            append_ref(store.root, version.name, _ref(manifest, inputs_id))
    except OSError as error:
        raise _refused(error, store, version.name) from error


def adopt_version(store: Store, manifest: Manifest, folder: Path) -> Version:
    """Take a whole version, which lies in a folder on the store's disk, into the store by a rename."""
    target = store.root / manifest.name / manifest.content_id
    try:
        with _writing(store, manifest.name):
            if open_whole(target) is None:
                shutil.rmtree(target, ignore_errors=True)
                folder.rename(target)
                _sync(target.parent)
            # What made it elsewhere has no inputs id here: a build of the same recipe looks again.
            arrived = manifest.model_copy(update={"created": utc_now()})
            append_ref(store.root, manifest.name, _ref(arrived, "-"))
    except OSError as error:
        raise _refused(error, store, manifest.name) from error
    return Version.open(target)


def open_whole(path: Path) -> Version | None:
    """Open a version folder, or return None where there is no whole version."""
    try:
        return Version.open(path)
    except StoreError:
        return None


def _ref(manifest: Manifest, inputs_id: str) -> Ref:
    return Ref(
        content_id=manifest.content_id, time=manifest.created, recipe_id=manifest.recipe_id,
        inputs_id=inputs_id,
    )  # fmt: skip


def _account(manifest: Manifest) -> Manifest:
    """Return what a manifest says of the records, without when and on which disk."""
    return manifest.model_copy(update={"created": "", "shards": (), "software": {}})


def _read_files(manifest: Manifest) -> list[tuple[str, tuple[FileEntry, ...]]]:
    """Return the files behind the records, by source; `origin` columns are about these."""
    return [(source.name, source.files) for source in manifest.sources]


def _refused(error: OSError, store: Store, name: str) -> StoreError:
    """Build the error for a disk that does not take the version."""
    where = error.filename or store.root / name
    return StoreError(
        f"{where}: cannot write the version ({error.strerror or error}); the store is as it was; "
        "make room or the folder writable, or choose another store with --store"
    )


@contextmanager
def _writing(store: Store, name: str) -> Iterator[Path]:
    """Hold the writer lock of a name and give a fresh temporary folder."""
    with locked(store.root, name) as parent:
        for stale in parent.glob(TEMPORARY + "*"):
            shutil.rmtree(stale, ignore_errors=True)
        folder = parent / f"{TEMPORARY}{os.getpid()}"
        folder.mkdir()
        try:
            yield folder
        finally:
            for left in parent.glob(f"{folder.name}*"):
                shutil.rmtree(left, ignore_errors=True)


def _write_account(folder: Path, draft: Draft, shards: tuple[ShardEntry, ...]) -> None:
    """Write everything but the shards, the manifest last."""
    rows = sum(shard.rows for shard in shards)
    assert rows == draft.manifest.rows, f"wrote {rows} rows, planned {draft.manifest.rows}"
    for name, text in draft.files.items():
        _write_synced(folder / name, text.encode())
    for name, table in draft.tables.items():
        pq.write_table(table, folder / name, compression="zstd")
        _sync(folder / name)
    for split in draft.manifest.splits or (None,):
        part = folder / (split or "")
        part.mkdir(exist_ok=True)
        mine = [shard for shard in shards if shard.split == split]
        _write_synced(part / "dataset_info.json", _dataset_info(draft.manifest))
        _write_synced(part / "state.json", _dataset_state(draft.manifest, split, mine))
    if draft.manifest.splits:
        _write_synced(folder / "dataset_dict.json", json.dumps({"splits": [*draft.manifest.splits]}).encode())
    manifest = draft.manifest.model_copy(update={"shards": shards})
    _write_synced(folder / MANIFEST, manifest.model_dump_json(indent=1).encode())
    _sync(folder)


def _replace_account(folder: Path, target: Path, shards: tuple[ShardEntry, ...]) -> None:
    """Move the files of an account over those of a version, the manifest last."""
    # What lies in the folders of splits is of the records alone, and stays.
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != MANIFEST)
    for name in (*names, MANIFEST):
        (folder / name).replace(target / name)
    kept = {*names, MANIFEST, SIGNATURES, *(Path(shard.file).parts[0] for shard in shards)}
    for path in target.iterdir():
        if path.name not in kept:
            path.unlink()
    _sync(target)


def _write_shards(
    folder: Path, manifest: Manifest, batches: Iterable[pa.RecordBatch]
) -> Iterator[ShardEntry]:
    """Write batches, of which none lies in two splits, into the shards of each split."""
    stream = iter(batches)
    with Pieces() as pieces:
        parts: list[tuple[str | None, int]] = [*manifest.splits.items()] or [(None, manifest.rows)]
        for split, rows in parts:
            part = folder / (split or "")
            part.mkdir(exist_ok=True)
            for shard in _write_split(part, manifest.kind, _first(stream, rows), pieces):
                name = shard.file if split is None else f"{split}/{shard.file}"
                yield shard.model_copy(update={"file": name, "split": split})
            if split is not None:
                _sync(part)


def _first(stream: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield batches until they hold so many rows."""
    while rows > 0:
        batch = next(stream, None)
        assert batch is not None, f"{rows} rows of what was planned are missing"
        rows -= batch.num_rows
        yield batch


def _write_split(
    folder: Path, kind: Kind, stream: Iterator[pa.RecordBatch], pieces: Pieces
) -> Iterator[ShardEntry]:
    """Write batches into Arrow stream files of about SHARD_BYTES, named once their number is known."""
    written: list[tuple[Path, int, int, str]] = []
    batch = next(stream, None)
    while batch is not None or not written:
        path, rows = folder / f"{len(written)}.tmp", 0
        file = UnbufferedFile(path, pieces)
        try:
            with pa.ipc.new_stream(pa.PythonFile(_Sink(file), mode="w"), version_schema(kind)) as writer:
                while batch is not None and file.size < SHARD_BYTES:
                    writer.write_batch(batch)
                    rows += batch.num_rows
                    batch = next(stream, None)
            file.close()
        finally:
            file.abandon()
        written.append((path, rows, file.size, file.sha256))
    for i, (path, rows, size, digest) in enumerate(written):
        final = path.rename(folder / f"data-{i:05d}-of-{len(written):05d}.arrow")
        yield ShardEntry(file=final.name, rows=rows, bytes=size, sha256=digest)


class _Sink:
    """A file as Arrow writes to it, which does not close it."""

    def __init__(self, file: UnbufferedFile) -> None:
        self.file, self.closed = file, False

    def write(self, data: bytes) -> int:
        return self.file.write(data)

    def flush(self) -> None:
        """Do nothing: only the whole file is handed over."""

    def close(self) -> None:
        self.closed = True


def _dataset_info(manifest: Manifest) -> bytes:
    """Return the dataset_info.json that `datasets.load_from_disk` wants; features come from the shards."""
    return json.dumps({"dataset_name": manifest.name, "version": {"version_str": "0.0.0"}}).encode()


def _dataset_state(manifest: Manifest, split: str | None, shards: Sequence[ShardEntry]) -> bytes:
    """Return the state.json that `datasets.load_from_disk` wants."""
    state: dict[str, object] = {
        "_data_files": [{"filename": Path(shard.file).name} for shard in shards],
        "_fingerprint": f"{manifest.content_id[:16]}{split or ''}",
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split or TRAIN,
    }
    return json.dumps(state, indent=1).encode()


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    """Flush a file or folder entry to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def utc_now() -> str:
    """Return the time now as ISO text in UTC, to the microsecond, so that it sorts."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
