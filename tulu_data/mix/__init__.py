"""Plan, draw and build a dataset version from a mixture spec.

The public names are exported lazily: who only plans does not load what writes.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tulu_data.mix.building import Built, build, find_existing, mix, reuse
    from tulu_data.mix.inputs import Inputs, resolve_inputs
    from tulu_data.mix.plan import Plan
    from tulu_data.mix.preparation import Prepared, Settings, prepare

_EXPORTS = {
    "tulu_data.mix.building": ("Built", "build", "find_existing", "mix", "reuse"),
    "tulu_data.mix.inputs": ("Inputs", "resolve_inputs"),
    "tulu_data.mix.plan": ("Plan",),
    "tulu_data.mix.preparation": ("Prepared", "Settings", "prepare"),
}
"""Names by the module that defines them."""

__all__ = [
    "Built", "Inputs", "Plan", "Prepared", "Settings",
    "build", "find_existing", "mix", "prepare", "resolve_inputs", "reuse",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    for module, names in _EXPORTS.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
