"""The eval suites of a mixture's steps: found with what it reads, and parsed before a record is.

The one idea: a suite that cannot be read is told at the path of the spec that names it, before anything is
done that takes time. What is found in records this module does not know.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tulu_data.errors import SuiteError, TuluDataError
from tulu_data.specs.mixture import MixtureFile
from tulu_data.specs.steps import DecontaminateStep

if TYPE_CHECKING:
    from tulu_data.decontaminate import Suite

T = TypeVar("T")
Paths = Sequence[str]
StepSuites = dict[tuple[str, ...], "tuple[Suite, ...]"]
"""Eval suites, by how a step names them."""


def suite_inputs(file: MixtureFile, base: Path, *, frozen: bool) -> list[tuple[str, str]]:
    """Return what the eval suites of every step depend on; raise SuiteError at the path at fault."""

    def find(paths: Paths) -> list[tuple[str, str]]:
        from tulu_data.decontaminate import find_suites

        # A file counts once for each path that names it.
        return [one for path in paths for one in find_suites([path], base, frozen=frozen).inputs()]

    return [one for number, step in _steps(file) for one in _told(file, number, step, find)]


def load_step_suites(file: MixtureFile, base: Path, cache: Path) -> StepSuites:
    """Load the eval suites of every step, by how it names them; raise SuiteError at the path at fault."""

    def load(paths: Paths) -> "tuple[Suite, ...]":
        from tulu_data.decontaminate import load_suites

        return load_suites(paths, base, cache=cache)

    return {step.against: _told(file, number, step, load) for number, step in _steps(file)}


def _steps(file: MixtureFile) -> Iterator[tuple[int, DecontaminateStep]]:
    """Yield the steps that look for suites, with their numbers."""
    for number, step in enumerate(file.mixture.steps):
        if isinstance(step, DecontaminateStep):
            yield number, step


def _told(file: MixtureFile, number: int, step: DecontaminateStep, act: Callable[[Paths], T]) -> T:
    """Do something with the paths of a step; put the place of the one at fault before what is raised."""
    try:
        return act(step.against)
    except SuiteError as error:
        entry = [j for j, path in enumerate(step.against) if _fails(act, path)][:1]
        raise SuiteError(file.document.problem(("steps", number, "against", *entry), str(error))) from None


def _fails(act: Callable[[Paths], object], path: str) -> bool:
    """Tell whether a path fails by itself, and not only beside others."""
    try:
        act([path])
    except TuluDataError:
        return True
    return False
