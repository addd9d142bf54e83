"""Dataset versions on disk: immutable values named by their content."""

from tulu_data.store.manifest import Manifest, ShardEntry, SourceEntry
from tulu_data.store.store import Store
from tulu_data.store.version import Version
from tulu_data.store.writer import Draft, building, make_newest, open_whole, write_version

__all__ = [
    "Draft", "Manifest", "ShardEntry", "SourceEntry", "Store", "Version",
    "building", "make_newest", "open_whole", "write_version",
]  # fmt: skip
