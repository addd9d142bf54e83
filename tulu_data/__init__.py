"""tulu-data: post-training data from persona to policy.

The public names are exported lazily, so that importing the package costs nothing and
`tulu-data --help` stays instant. Nothing below this package imports torch.
"""

from importlib import import_module

__version__ = "0.1.0"

_EXPORTS = {
    "Store": "tulu_data.store",
    "TuluDataError": "tulu_data.errors",
    "Version": "tulu_data.store",
}

__all__ = ["Store", "TuluDataError", "Version", "__version__"]


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
