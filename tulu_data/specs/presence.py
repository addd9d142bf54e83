"""Which files that a mixture names are not there, as far as its workspace can tell.

The one idea: paths are meant from the folder of the workspace, so they are looked for where the current
folder is one and holds the spec; a spec that is looked at elsewhere may be right where it will be built.
It opens no file.
"""

import glob
from collections.abc import Iterator
from pathlib import Path

from tulu_data.specs.document import KeyPath
from tulu_data.specs.mixture import MixtureFile
from tulu_data.specs.steps import DecontaminateStep
from tulu_data.specs.workspace import WORKSPACE_FILE

_MARKS = ("@", ":")
"""A stored version, and what lies elsewhere."""


def absent_files(file: MixtureFile, base: Path) -> list[str]:
    """Return a problem for every path that nothing is at; none where `base` is no workspace of the spec."""
    inside = file.path.resolve().is_relative_to(base.resolve())
    if not (inside and (base / WORKSPACE_FILE).is_file()):
        return []
    text = "no such file in {base}; mend the path, or put the file there"
    return [
        file.document.problem(place, f"{path}: {text.format(base=base.resolve())}")
        for place, path in _paths(file)
        if not _is_there(path, base)
    ]


def _paths(file: MixtureFile) -> Iterator[tuple[KeyPath, str]]:
    """Yield the paths of sources and of eval suites, with their places."""
    for name, source in file.mixture.sources.items():
        if not any(mark in source.uri for mark in _MARKS):
            yield ("sources", name, "uri"), source.uri
    for i, step in enumerate(file.mixture.steps):
        for j, path in enumerate(step.against if isinstance(step, DecontaminateStep) else ()):
            if not any(mark in path for mark in _MARKS):
                yield ("steps", i, "against", j), path


def _is_there(path: str, base: Path) -> bool:
    anchored = base / Path(path).expanduser()
    return anchored.exists() or bool(glob.glob(str(anchored), recursive=True))  # noqa: PTH207
