"""The one decorator under which every kernel is compiled.

The one idea: numba carries no types, so this is the only place that touches `njit` untyped and
every other module stays under strict checking. A kernel releases the GIL, and its machine code is
kept on disk (beside the module, or in the user's cache folder where that is read-only).
It must not hold any kernel itself.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

_compiled = njit(nogil=True, cache=True)
_inlined = njit(nogil=True, cache=True, inline="always")
_inner = njit(nogil=True, cache=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def kernel(function: F) -> F:
    """Compile a function over arrays and numbers; its signature is kept for the type checker."""
    return cast("F", _compiled(function))


def inner(function: F) -> F:
    """Compile a function that only kernels call; without a way in from Python it compiles faster."""
    return cast("F", _inner(function))


def inlined(function: F) -> F:
    """Compile a small function into the body of every kernel that calls it."""
    return cast("F", _inlined(function))
