"""Data files on a disk: what a path, folder or glob stands for.

The one idea: a file is its bytes, which stand in what describes it as a digest, so that an edited file is
never taken for the one that was read before. This module lists and names files; it does not look inside them,
except at a saved dataset's state.
"""

import glob
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from tulu_data.errors import SourceError, nearest
from tulu_data.sources.digests import FRESH, Digests, state_of

Format = Literal["jsonl", "json", "csv", "tsv", "parquet", "arrow"]
FORMATS: tuple[Format, ...] = get_args(Format)
Compression = Literal["gz", "zst", "bz2", "xz"]

_SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv",
    ".parquet": "parquet", ".arrow": "arrow", ".feather": "arrow",
}  # fmt: skip
_COMPRESSIONS: dict[str, Compression] = {".gz": "gz", ".zst": "zst", ".bz2": "bz2", ".xz": "xz"}
_NOT_DATA = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "manifest.json"}
_MAGIC = set("*?[")
MANY_BYTES = 1 << 24
"""Bytes from which threads that hash files pay for their start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One data file: where it came from, where it lies, and what its bytes are."""

    origin: str
    """How records name it: the path relative to the base, or `hf://owner/name@commit/path`."""
    path: Path
    sha256: str
    """Hash of the bytes as stored, still compressed."""
    format: Format
    compression: Compression | None = None
    threads: bool = False
    """Its rows are messages of conversation trees: each answer is read with what leads to it."""
    state: tuple[int, ...] | None = field(default=None, compare=False)
    """What the disk said of it before it was hashed; None where nobody asked."""

    def check(self) -> None:
        """Raise SourceError where the file was changed since it was hashed."""
        try:
            if self.state is None or state_of(self.path) == self.state:
                return
        except OSError:
            pass  # Gone, which is a change too.
        raise SourceError(f"{self.origin}: changed while it was read; run the command again")


def file_format(name: str) -> tuple[Format, Compression | None] | None:
    """Tell format and compression from a file name, or None when it is no data file."""
    path = PurePosixPath(name)
    compression = _COMPRESSIONS.get(path.suffix.lower())
    inner = path.with_suffix("") if compression else path
    found = _SUFFIXES.get(inner.suffix.lower())
    binary = found in ("parquet", "arrow")
    if found is None or path.name in _NOT_DATA or path.name.startswith(".") or (binary and compression):
        return None
    return found, compression


def source_file(path: Path, origin: str, digests: Digests = FRESH) -> SourceFile:
    """Describe one file; raise SourceError when its name says no known format or it cannot be read."""
    found = file_format(path.name)
    if found is None:
        raise _no_data_file(origin)
    try:
        state = state_of(path)
        digest = digests.of(path)
    except OSError as error:
        raise SourceError(f"{origin}: cannot be read ({error.strerror or error})") from None
    return SourceFile(
        origin=origin, path=path, sha256=digest, format=found[0], compression=found[1], state=state
    )


def _no_data_file(origin: str) -> SourceError:
    return SourceError(
        f"{origin}: not a data file by its name; give one that ends in "
        f"{', '.join(sorted(_SUFFIXES))}, the text ones also with {', '.join(sorted(_COMPRESSIONS))}"
    )


def find_files(pattern: str, base: Path, digests: Digests = FRESH) -> tuple[SourceFile, ...]:
    """Return the data files that a path, folder or glob stands for, sorted by origin; raise SourceError.

    As `data_files`; each is hashed.
    """
    named = data_files(pattern, base)
    if len(named) == 1 or sum(path.stat().st_size for _, path in named) < MANY_BYTES:
        return tuple(source_file(path, origin, digests) for origin, path in named)
    with ThreadPoolExecutor() as pool:
        return tuple(pool.map(lambda item: source_file(item[1], item[0], digests), named))


def data_files(pattern: str, base: Path) -> list[tuple[str, Path]]:
    """Name the data files that a path, folder or glob stands for, sorted by origin; none is opened.

    A path is relative to `base`. A folder stands for every data file below it, or for the shards
    that its state.json names where `datasets.save_to_disk` wrote it. Raises SourceError when
    nothing is found, or when a file named directly is no data file.
    """
    there = found_at(pattern, base)
    named = len(there) == 1 and there[0] == _anchored(pattern, base)
    found = [path for match in there for path in _expand(match, base, named=named)]
    if not found:
        raise SourceError(
            f"{pattern}: no data file in {base} fits; data files end in {', '.join(sorted(_SUFFIXES))}"
        )
    for path in found:
        if file_format(path.name) is None:
            raise _no_data_file(_origin(path, base))
    return _by_origin(found, base)


def found_at(pattern: str, base: Path) -> list[Path]:
    """Return the path that something is at, or what a glob fits; raise SourceError for nothing."""
    anchored = _anchored(pattern, base)
    if anchored.exists():
        return [anchored]
    # glob.glob leaves hidden names out, Path.glob does not.
    matches = [Path(p) for p in sorted(glob.glob(str(anchored), recursive=True))] if _is_glob(pattern) else []  # noqa: PTH207
    if not matches:
        raise _nothing(pattern.removeprefix("file://"), base)
    return matches


def _anchored(pattern: str, base: Path) -> Path:
    return base / Path(pattern.removeprefix("file://")).expanduser()


def files_below(folder: Path, base: Path) -> list[tuple[str, Path]]:
    """Name the data files that a folder stands for, sorted by origin; not one where it is no folder."""
    return _by_origin(_expand(folder, base, named=False), base) if folder.is_dir() else []


def _by_origin(paths: Iterable[Path], base: Path) -> list[tuple[str, Path]]:
    """Return each file once, with its origin, sorted by it."""
    return sorted({_origin(path, base): path for path in paths}.items())


def _is_glob(pattern: str) -> bool:
    return not _MAGIC.isdisjoint(pattern)


def _origin(path: Path, base: Path) -> str:
    """Name a file relative to the base, or in full where it lies elsewhere."""
    try:
        return path.relative_to(base).as_posix()
    except ValueError:
        return path.as_posix()


def _expand(path: Path, base: Path, *, named: bool) -> list[Path]:
    """List the data files that one existing path stands for."""
    if path.is_file():
        return [path] if named or file_format(path.name) else []
    if (path / "state.json").is_file():
        return _saved_shards(path, _origin(path, base))
    if (path / "dataset_dict.json").is_file():
        splits = sorted(p.name for p in path.iterdir() if p.is_dir())
        raise SourceError(
            f"{_origin(path, base)}: a saved dataset with several splits; name one of them: "
            f"{', '.join(f'{_origin(path, base)}/{s}' for s in splits)}"
        )
    below = [p for p in sorted(path.rglob("*")) if p.is_file() and file_format(p.name)]
    return [p for p in below if not any(part.startswith(".") for part in p.relative_to(path).parts)]


def _saved_shards(folder: Path, shown: str) -> list[Path]:
    """List the shards of a `datasets.save_to_disk` folder, leaving its caches aside."""
    try:
        state = json.loads((folder / "state.json").read_bytes())
        names = [str(entry["filename"]) for entry in state["_data_files"]]
    except (ValueError, KeyError, TypeError):
        raise SourceError(
            f"{shown}/state.json: not the state of a saved dataset; name the data files"
        ) from None
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise SourceError(
            f"{shown}: state.json names {missing[0]!r}, which is missing; save the dataset again"
        )
    return [folder / name for name in names]


def _nothing(pattern: str, base: Path) -> SourceError:
    """Build the error for a pattern that matches nothing, with the nearest existing name."""
    fixed: list[str] = []
    parts = Path(pattern).parts
    for part in parts:
        if _is_glob(part) or not (base / Path(*fixed, part)).exists():
            break
        fixed.append(part)
    folder = base / Path(*fixed)
    if len(fixed) == len(parts) or not folder.is_dir():
        folder = folder.parent
    wanted = parts[len(fixed)] if len(fixed) < len(parts) else parts[-1]
    remedy = _near(wanted, folder) or "; mend the path, or put the file there"
    return SourceError(f"{pattern}: no such file; searched {folder}{remedy}")


def _near(wanted: str, folder: Path) -> str:
    names: Iterable[str] = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else ()
    return nearest(wanted, names)
