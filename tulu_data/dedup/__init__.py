"""Duplicates: exact and near ones, among records and against stored versions.

The public names are exported lazily: who only asks for the help of a command loads no compiler.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tulu_data.dedup.interchange import from_datasketch, lsh_of, to_datasketch
    from tulu_data.specs.near import Near

_EXPORTS = {
    "tulu_data.dedup.interchange": ("from_datasketch", "lsh_of", "to_datasketch"),
    "tulu_data.specs.near": ("Near",),
}
"""Names by the module that defines them."""

__all__ = ["Near", "from_datasketch", "lsh_of", "to_datasketch"]


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    for module, names in _EXPORTS.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
