"""Chat formats of the world to records: one module a layout, `auto` to choose, `adapt` to run."""

from tulu_data.sources.adapters.adapt import Adapted, adapt
from tulu_data.sources.adapters.auto import LAYOUTS, choose, kind_looked_like
from tulu_data.sources.adapters.parts import LayoutError, PartError

__all__ = ["LAYOUTS", "Adapted", "LayoutError", "PartError", "adapt", "choose", "kind_looked_like"]
