"""The formats that can be imported, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tulu_data.errors import SpecError
from tulu_data.imports.axolotl import read_axolotl
from tulu_data.imports.draft import Draft
from tulu_data.imports.llama_factory import read_llama_factory
from tulu_data.imports.open_instruct import read_open_instruct
from tulu_data.schema import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format of another tool."""

    what: str
    """Which of its files are read."""
    read: Callable[[Path, Path, Kind | None], Draft]
    """Reads a file, for a workspace, as a kind where one is asked for; raises SpecError."""


FORMATS: dict[str, Format] = {
    "open-instruct": Format(
        what="a YAML config, or a script with --dataset_mixer_list", read=read_open_instruct
    ),
    "axolotl": Format(what="a YAML config with datasets", read=read_axolotl),
    "llama-factory": Format(what="a train YAML, or dataset_info.json", read=read_llama_factory),
}


def read_draft(name: str, file: Path, base: Path, kind: Kind | None) -> Draft:
    """Read a file of another tool; raise SpecError where it names no dataset that a mixture could have."""
    draft = FORMATS[name].read(file, base, kind)
    if not draft.sources:
        raise SpecError([f"{file}: no dataset that a mixture can name", *draft.left])
    return draft
