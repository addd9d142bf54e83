"""A version written as files for others: JSON lines, parquet, a `datasets` folder, the shapes that TRL takes.

The one idea: records stream batch by batch into something beside the target, which takes the target's name
when it is whole; the same version gives the same bytes. Content alone is written, and provenance where it is
asked for. It changes nothing of the store.
"""

import gzip
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, get_args

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from tulu_data.errors import StoreError
from tulu_data.schema import CONTENT, ID, PROVENANCE
from tulu_data.store import Version
from tulu_data.store.version import TRAIN

Format = Literal["jsonl", "parquet", "hf", "trl"]
FORMATS: tuple[Format, ...] = get_args(Format)
MARK = ".export.json"
"""Says in a folder that it was exported, so that it may be replaced."""
FILE_BYTES = 512 << 20
"""Bytes of records, as they lie in memory, after which a new parquet file or shard is begun."""
GROUP_BYTES = 64 << 20
"""Such bytes of a row group of parquet."""
SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    path: Path
    files: tuple[Path, ...]
    rows: int
    bytes: int


def default_path(version: Version, form: Format) -> Path:
    """Return where a version goes when nobody says."""
    stem = f"{version.name}-{version.content_id[:8]}"
    return Path({"jsonl": f"{stem}.jsonl", "trl": f"{stem}.trl.jsonl"}.get(form, f"{stem}-{form}"))


def export(version: Version, form: Format, out: Path, *, provenance: bool, force: bool) -> Exported:
    """Write a version; raise StoreError where the target is there, or the disk refuses.

    Lines of a version in splits go to a file for each, named `OUT-SPLIT`.
    """
    is_folder = form in ("parquet", "hf")
    if not is_folder and not out.name.endswith(SUFFIXES):
        ends = ", ".join(SUFFIXES)
        raise StoreError(f"{out}: {form} is written as JSON lines; give a name that ends in {ends}")
    parts = {out: None} if is_folder or not version.splits else _by_split(version, out)
    for target in parts:
        _check_free(target, is_folder=is_folder, force=force)
    columns = _columns(version, provenance=provenance)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # Names are taken when all is written.
        with ExitStack() as stack:
            places = [(stack.enter_context(_beside(target)), split) for target, split in parts.items()]
            for new, split in places:
                if is_folder:
                    _write_folder(version, new, form, columns)
                else:
                    shape = _plain if form == "jsonl" else _for_trl
                    _write_lines(_batches(version, columns, split), new, shape, out.suffix)
    except OSError as error:
        raise StoreError(
            f"{error.filename or out}: cannot be written ({error.strerror or error}); "
            "nothing was exported; make room, or name another place with --out"
        ) from error
    inside = (path for path in out.rglob("*") if path.is_file() and path.name != MARK)
    files = tuple(sorted(inside)) if is_folder else tuple(parts)
    size = sum(path.stat().st_size for path in files)
    return Exported(path=out, files=files, rows=version.num_rows, bytes=size)


def _by_split(version: Version, out: Path) -> dict[Path, str | None]:
    """Return a file for each split."""
    end = next(end for end in sorted(SUFFIXES, key=len, reverse=True) if out.name.endswith(end))
    stem = out.name.removesuffix(end)
    return {out.with_name(f"{stem}-{split}{end}"): split for split in version.splits}


def _check_free(out: Path, *, is_folder: bool, force: bool) -> None:
    """Raise StoreError where something lies at the target that may not be replaced."""
    if not out.exists():
        return
    if not force:
        raise StoreError(
            f"{out}: is there already; name another place with --out, or replace it with --force"
        )
    if out.is_dir() != is_folder or (is_folder and not (out / MARK).is_file()):
        what = "a folder that was not exported" if out.is_dir() else "a file"
        raise StoreError(f"{out}: is {what}, which --force does not replace; name another place with --out")


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """Yield a place beside the target, which takes the target's name in the end."""
    new, old = (out.with_name(f".{out.name}.{word}-{os.getpid()}") for word in ("new", "old"))
    try:
        yield new
        if out.is_dir():
            out.rename(old)
        new.rename(out) if new.is_dir() else new.replace(out)
    finally:
        for left in (new, old):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _columns(version: Version, *, provenance: bool) -> list[str]:
    """Name the columns that are written."""
    content = CONTENT[version.kind].names
    return [ID.name, *content, *PROVENANCE.names] if provenance else content


def _batches(version: Version, columns: list[str], split: str | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the records in pieces that are small enough for a row group."""
    for batch in version.batches(columns, split):
        step = max(1, batch.num_rows * GROUP_BYTES // max(batch.nbytes, 1))
        for start in range(0, batch.num_rows, step):
            yield batch.slice(start, step)


def _files(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Yield the records of each file; what is mapped costs no memory."""
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        if held and size + batch.nbytes > FILE_BYTES:
            yield held
            held, size = [], 0
        held.append(batch)
        size += batch.nbytes
    yield held


def _write_folder(version: Version, folder: Path, form: Format, columns: list[str]) -> None:
    """Write the files of a folder, and what says that it was exported."""
    folder.mkdir()
    schema = pa.schema([version.schema.field(name) for name in columns])
    for split in version.splits or (None,):
        files = _files(_batches(version, columns, split))
        if form == "parquet":
            _write_parquet(files, folder, split or TRAIN, schema)
        else:
            _write_dataset(files, folder / (split or ""), version, split, schema)
    if version.splits and form == "hf":
        (folder / "dataset_dict.json").write_text(json.dumps({"splits": [*version.splits]}), "utf-8")
    told = {"version": version.ref, "content_id": version.content_id, "format": form}
    (folder / MARK).write_text(json.dumps(told) + "\n", "utf-8")


def _write_parquet(
    files: Iterator[list[pa.RecordBatch]], folder: Path, split: str, schema: pa.Schema
) -> None:
    """Write parquet files, named as the hub names them."""
    written = []
    for number, batches in enumerate(files):
        path = folder / f"{number}.part"
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)
        written.append(path)
    for number, path in enumerate(written):
        path.rename(folder / f"{split}-{number:05d}-of-{len(written):05d}.parquet")


def _write_dataset(
    files: Iterator[list[pa.RecordBatch]],
    folder: Path,
    version: Version,
    split: str | None,
    schema: pa.Schema,
) -> None:
    """Write a folder as `datasets.Dataset.save_to_disk` does."""
    folder.mkdir(exist_ok=True)
    written = []
    for number, batches in enumerate(files):
        path = folder / f"{number}.part"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        written.append(path)
    names = [f"data-{number:05d}-of-{len(written):05d}.arrow" for number in range(len(written))]
    for path, name in zip(written, names, strict=True):
        path.rename(folder / name)
    state: dict[str, Any] = {
        "_data_files": [{"filename": name} for name in names],
        "_fingerprint": f"{version.content_id[:16]}{split or ''}", "_format_columns": None,
        "_format_kwargs": {}, "_format_type": None, "_output_all_columns": False, "_split": split or TRAIN,
    }  # fmt: skip
    (folder / "state.json").write_text(json.dumps(state, indent=1), "utf-8")
    (folder / "dataset_info.json").write_text(json.dumps({"dataset_name": version.name}), "utf-8")


Row = dict[str, Any]


def _write_lines(
    batches: Iterator[pa.RecordBatch], path: Path, shape: Callable[[Row], Row], suffix: str
) -> None:
    """Write one JSON object a line, compressed as the name says."""
    with _opened(path, suffix) as file:
        for batch in batches:
            for start in range(0, batch.num_rows, 1000):
                rows = batch.slice(start, 1000).to_pylist()
                file.write(b"".join(orjson.dumps(shape(row)) + b"\n" for row in rows))


@contextmanager
def _opened(path: Path, suffix: str) -> Iterator[IO[bytes] | pa.NativeFile]:
    """Open a file for writing; no time and no name enters it."""
    if suffix == ".gz":
        with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
            yield packed
    elif suffix == ".zst":
        with pa.OSFile(str(path), "wb") as raw, pa.CompressedOutputStream(raw, "zstd") as packed:
            yield packed
    else:
        with path.open("wb") as plain:
            yield plain


def _plain(row: Row) -> Row:
    """Return a record as one would write it by hand: JSON held as text is JSON, nulls are left out."""
    found: Row = {}
    for name, value in row.items():
        if isinstance(value, list):
            found[name] = [_message(one) for one in value]
        elif value is not None:
            found[name] = _json(value) if name == "tools" else value
    return found


def _message(message: Row) -> Row:
    calls = message["tool_calls"]
    found = {"role": message["role"], "content": message["content"]}
    return found if calls is None else found | {"tool_calls": _json(calls)}


def _json(text: str) -> object:
    """Return what a text of JSON holds, or the text where it is none."""
    try:
        found: object = orjson.loads(text)
    except ValueError:
        return text
    return found


def _for_trl(row: Row) -> Row:
    """Return a record in the conversational form of TRL: prompts are named so, calls are of functions."""
    found = _plain(row)
    if "ground_truth" in row:
        found = {"prompt": found.pop("messages"), **found}
    for value in found.values():
        for message in value if isinstance(value, list) else ():
            if isinstance(message, dict) and isinstance(message.get("tool_calls"), list):
                message["tool_calls"] = [_call(call) for call in message["tool_calls"]]
    if isinstance(found.get("tools"), list):
        found["tools"] = [_tool(tool) for tool in found["tools"]]
    return found


def _tool(tool: Any) -> Any:
    """Return the definition of a tool as that of a function."""
    is_bare = isinstance(tool, dict) and "function" not in tool and "name" in tool
    return {"type": "function", "function": tool} if is_bare else tool


def _call(call: Any) -> Any:
    """Return a tool call as a function's, its arguments as an object."""
    if not isinstance(call, dict):
        return call
    function = dict(call.get("function", {"name": call.get("name"), "arguments": call.get("arguments")}))
    if isinstance(function.get("arguments"), str):
        function["arguments"] = _json(function["arguments"])
    return {"type": "function", "function": function}
