"""Which files of a hub dataset make up a configuration and a split.

The one idea: decided from the names of the files and the `configs:` of the dataset card alone,
with the conventions that the hub documents: card patterns first, then split words in file and
folder names, then every data file as `train`. The `datasets` library holds the same rules, but
only behind functions that open the network themselves and are not part of its public interface.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from tulu_data.errors import SourceError, nearest
from tulu_data.sources.files import file_format

_SPLIT_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SHARD = re.compile(r"(?:^|/)data/(?P<split>[\w.]+)-\d{5}-of-\d{5}\b")


def split_files(
    paths: Iterable[str], card: Mapping[str, Any], *, name: str, config: str | None, split: str
) -> list[str]:
    """Return the data files of a configuration and split, sorted; an empty list when there is no data file.

    Raises SourceError for an unknown configuration or split, with the ones there are.
    """
    data = sorted(p for p in paths if file_format(PurePosixPath(p).name))
    configs = [c for c in card.get("configs") or [] if isinstance(c, dict) and c.get("config_name")]
    splits = _card_splits(data, configs, name, config) if configs else None
    if splits is None:
        if config is not None and not configs and config != "default":
            inside = [p for p in data if p.startswith(f"{config}/")]
            if data and not inside:
                raise SourceError(
                    f"{name}: no configuration {config!r}; the dataset has only its default one"
                )
            data = inside
        splits = _splits_by_name(data)
    if not splits:
        return []
    if split not in splits:
        raise SourceError(
            f"{name}: no split {split!r}{nearest(split, splits)} (splits: {', '.join(sorted(splits))})"
            + ("; a part of a split is taken with take: and where:" if "[" in split else "")
        )
    return splits[split]


def _card_splits(
    data: Sequence[str], configs: Sequence[Mapping[str, Any]], name: str, config: str | None
) -> dict[str, list[str]] | None:
    """Return the files by split that the card gives a configuration; None when it gives no patterns."""
    names = [str(c["config_name"]) for c in configs]
    chosen = next((c for c in configs if c["config_name"] == config), None)
    if config is None:
        default = [c for c in configs if c.get("default") is True or c["config_name"] == "default"]
        chosen = default[0] if default else configs[0] if len(configs) == 1 else None
        if chosen is None:
            raise SourceError(
                f"{name}: several configurations; say which, config: one of {', '.join(sorted(names))}"
            )
    if chosen is None:
        raise SourceError(
            f"{name}: no configuration {config!r}{nearest(str(config), names)} "
            f"(configurations: {', '.join(sorted(names))})"
        )
    folder = str(chosen.get("data_dir") or "").strip("/")
    inside = [p for p in data if not folder or p.startswith(f"{folder}/")]
    patterns = _patterns(chosen.get("data_files"))
    if not patterns:
        return _splits_by_name([*inside]) if folder else None
    found: dict[str, list[str]] = {}
    for split, wanted in patterns:
        full = [f"{folder}/{w}" if folder else w for w in wanted]
        found.setdefault(split, []).extend(p for p in data if any(fits(p, w) for w in full))
    return {split: sorted(set(files)) for split, files in found.items() if files}


def _patterns(data_files: object) -> list[tuple[str, list[str]]]:
    """Return split and patterns of a card's data_files, whichever of its shapes it has."""
    if isinstance(data_files, str):
        return [("train", [data_files])]
    if isinstance(data_files, dict):
        return [(str(split), _listed(paths)) for split, paths in data_files.items()]
    if not isinstance(data_files, list):
        return []
    if all(isinstance(d, str) for d in data_files):
        return [("train", [str(d) for d in data_files])] if data_files else []
    return [(str(d.get("split", "train")), _listed(d.get("path"))) for d in data_files if isinstance(d, dict)]


def _listed(paths: object) -> list[str]:
    return [str(p) for p in paths] if isinstance(paths, list) else [str(paths)]


def fits(path: str, pattern: str) -> bool:
    """Tell whether a path fits a glob in which a star stops at a slash and two stars do not."""
    return bool(re.fullmatch(_regex(pattern.removeprefix("./")), path))


def _regex(pattern: str) -> str:
    out, i = "", 0
    while i < len(pattern):
        if pattern.startswith("**/", i):
            out, i = out + r"(?:.*/)?", i + 3
        elif pattern.startswith("**", i):
            out, i = out + ".*", i + 2
        elif pattern[i] == "*":
            out, i = out + "[^/]*", i + 1
        elif pattern[i] == "?":
            out, i = out + "[^/]", i + 1
        elif pattern[i] == "[" and "]" in pattern[i + 1 :]:
            end = pattern.index("]", i + 1)
            inner = (
                pattern[i + 1 : end].replace("!", "^", 1) if pattern[i + 1] == "!" else pattern[i + 1 : end]
            )
            out, i = f"{out}[{inner}]", end + 1
        else:
            out, i = out + re.escape(pattern[i]), i + 1
    return out


def _splits_by_name(data: Sequence[str]) -> dict[str, list[str]]:
    """Return files by the split that their names say; all of them are `train` where none says one."""
    shards: dict[str, list[str]] = {}
    for path in data:
        if found := _SHARD.search(path):
            shards.setdefault(found["split"], []).append(path)
    if shards:
        return shards
    for part in (_folder_part, _file_part):
        named: dict[str, list[str]] = {}
        for path in data:
            split = _split_word(part(path))
            if split:
                named.setdefault(split, []).append(path)
        if named:
            return named
    return {"train": list(data)} if data else {}


def _folder_part(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _file_part(path: str) -> str:
    return PurePosixPath(path).name


def _split_word(text: str) -> str | None:
    """Return the split that a word of a name says, or None."""
    words = set(re.split(r"[^a-zA-Z]+", text.lower()))
    return next((split for split, said in _SPLIT_WORDS.items() if not words.isdisjoint(said)), None)
