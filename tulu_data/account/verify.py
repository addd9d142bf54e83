"""Is a version what it says it is: whole, adding up, and what its own spec makes of its inputs.

The one idea: three answers are told apart. A version is `wrong` where it contradicts itself, or where its
inputs give something else; `unrepeatable` where its inputs are not there any more, or are others, which says
nothing against the version; `whole`, or after a rebuild `same`, where nothing speaks against it.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tulu_data.account.books import book_faults
from tulu_data.account.contents import Fault, content_faults
from tulu_data.account.rebuild import Rebuilt, rebuild
from tulu_data.engine.local import default_workers
from tulu_data.errors import TuluDataError
from tulu_data.store import Manifest, Store, Version
from tulu_data.store.manifest import read_manifest

Verdict = Literal["same", "whole", "unrepeatable", "wrong"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found of a version."""

    path: Path
    manifest: Manifest
    contents: tuple[Fault, ...]
    """What is wrong with files and records."""
    books: tuple[Fault, ...]
    """What does not add up in the account."""
    rebuilt: Rebuilt | None
    """None where it was not built again."""
    refused: str | None = None
    """Why it could not be built again, though its inputs are there."""

    @property
    def verdict(self) -> Verdict:
        """Return the answer in one word."""
        if self.contents or self.books or (self.rebuilt and self.rebuilt.differences):
            return "wrong"
        if self.refused or (self.rebuilt and self.rebuilt.inputs):
            return "unrepeatable"
        return "same" if self.rebuilt else "whole"

    def to_dict(self) -> dict[str, Any]:
        """Return what was found, as JSON values."""
        return {
            "version": f"{self.manifest.name}@{self.manifest.content_id[:8]}", "path": str(self.path),
            "content_id": self.manifest.content_id, "verdict": self.verdict,
            "contents": [asdict(fault) for fault in self.contents],
            "account": [asdict(fault) for fault in self.books],
            "rebuilt": asdict(self.rebuilt) if self.rebuilt else None, "refused": self.refused,
        }  # fmt: skip


def verify(
    path: Path, base: Path, store: Store, *, workers: int, fast: bool, say: Callable[[str], None]
) -> Verified:
    """Check the version in a folder, and unless `fast` build it again; raise StoreError where there is none.

    A version that contradicts itself is not built again. `workers`: threads, 0 for one per core.
    """
    workers = workers or default_workers()
    manifest = read_manifest(path)
    say("reading files and records")
    contents, books = tuple(content_faults(path, manifest, workers)), tuple(book_faults(path, manifest))
    rebuilt, refused = None, None
    if not fast and not contents and not books:
        try:
            rebuilt = rebuild(Version(path=path, manifest=manifest), base, store, workers, say)
        except TuluDataError as error:
            refused = str(error)
    return Verified(
        path=path, manifest=manifest, contents=contents, books=books, rebuilt=rebuilt, refused=refused
    )
