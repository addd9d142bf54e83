"""The workspace file `tulu-data.yaml`: where the store is and which model training starts from."""

from pathlib import Path
from typing import Literal

from tulu_data.specs.base import Spec, read_spec

WORKSPACE_FILE = "tulu-data.yaml"


class Workspace(Spec):
    """Settings of a working directory; a directory without the file has the defaults."""

    version: Literal[1]
    """Version of this format."""
    store: str = "store"
    """Folder of the dataset versions, relative to this file."""
    model: str | None = None
    """Model folder or hub id that `train` starts from when the recipe names none."""


def read_workspace(directory: Path) -> Workspace:
    """Read the workspace file of a directory, or return the defaults where there is none."""
    path = directory / WORKSPACE_FILE
    if not path.is_file():
        return Workspace(version=1)
    return read_spec(Workspace, path, name=WORKSPACE_FILE)
