"""Send a version elsewhere: all of its folder but what can be made anew.

The one idea: what is sent is the version as it lies in the store, byte by byte, so that what is pulled is
the same version; its card tells the hub's viewer where the records are. Nothing is sent that was not listed
before.
"""

from dataclasses import dataclass
from pathlib import Path

from tulu_data.exchange.remotes import Remote
from tulu_data.store import Version
from tulu_data.store.version import SIGNATURES


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What would be sent."""

    version: Version
    files: dict[str, Path]

    @property
    def bytes(self) -> int:
        """Return the size of all files."""
        return sum(path.stat().st_size for path in self.files.values())


def pack(version: Version) -> Parcel:
    """List what is sent of a version."""
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
    return Parcel(version=version, files=kept)


def send(parcel: Parcel, remote: Remote) -> str:
    """Send a version; return the uri that brings it back."""
    version = parcel.version
    message = f"{version.ref}: {version.num_rows:,} rows"
    return remote.send(version.name, version.content_id, parcel.files, message)
