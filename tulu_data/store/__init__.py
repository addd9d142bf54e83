"""Dataset versions on disk: immutable values named by their content."""

from tulu_data.store.manifest import Manifest, ShardEntry, SourceEntry
from tulu_data.store.store import Store
from tulu_data.store.version import Version

__all__ = ["Manifest", "ShardEntry", "SourceEntry", "Store", "Version"]
