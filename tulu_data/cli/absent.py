"""Libraries that others load by the way, left out of processes that do not need them.

The one idea: pyarrow looks for pandas at its first array, and numba for coverage when it is loaded and for
scipy at its first kernel, half a second for nothing; where they seem not to be installed, both do without. It
hides nothing that is loaded already, and is for the process of a command alone, never for a library.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Absent:
    """A finder that says of some packages that they are not installed."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse the packages of this finder; know nothing of others."""
        if name in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}: left out of this command", name=name)
        return None


def leave_out(*names: str) -> None:
    """Let packages that are not loaded seem not to be installed."""
    sys.meta_path.insert(0, _Absent(frozenset(names) - sys.modules.keys()))
