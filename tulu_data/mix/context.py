"""What steps need besides the pool: folders, stored versions, suites, threads, tokens, and who hears of it.

The one idea: nothing here says what is done with records, so nothing here can change a result.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tulu_data.decontaminate import Suite
from tulu_data.mix.tokens import TokenCounter
from tulu_data.store import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What steps need besides the pool."""

    base: Path
    cache: Path
    """Folder for what can be made again, or is needed for a while."""
    versions: Mapping[str, Version]
    """Stored versions, by how the spec names them."""
    suites: Mapping[tuple[str, ...], tuple[Suite, ...]]
    """Eval suites, by how a step names them."""
    workers: int
    counter: TokenCounter | None
    say: Callable[[str], None]
