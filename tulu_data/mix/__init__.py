"""Plan, draw and build a dataset version from a mixture spec."""

from tulu_data.mix.build import Built, Prepared, Settings, build, find_existing, mix, prepare, reuse
from tulu_data.mix.inputs import Inputs, resolve_inputs
from tulu_data.mix.plan import Plan

__all__ = [
    "Built", "Inputs", "Plan", "Prepared", "Settings",
    "build", "find_existing", "mix", "prepare", "resolve_inputs", "reuse",
]  # fmt: skip
