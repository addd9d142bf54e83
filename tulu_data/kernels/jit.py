"""The decorators under which every kernel is compiled.

The one idea: numba carries no types, so this is the only place that touches `njit` untyped and
every other module stays under strict checking. A kernel releases the GIL, and its machine code is
kept on disk: beside the module, or in the user's cache folder where that is read-only. Numba asks
only whether a kernel's own file has changed; here the sources of all kernels enter the key, since a
kernel holds the code of those it calls. No kernel may allocate: numba then leaves out the counting
of references, which costs more than the work of many a kernel. This module must not hold any kernel itself.
"""

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import __version__ as numba_version
from numba import njit
from numba.core.caching import FunctionCache

F = TypeVar("F", bound=Callable[..., Any])

_compiled = njit(nogil=True, no_cfunc_wrapper=True, _nrt=False)
_inner = njit(nogil=True, _nrt=False, forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
SOURCES = sha256(b"\0".join(p.read_bytes() for p in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()
"""Digest of the sources of all kernels."""


class _Cache(FunctionCache):  # type: ignore[misc]
    """Machine code on disk, valid for these very sources."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        # Numba reads this mark first, and no more where it differs: what other sources left may name types
        # that are no more.
        self._cache_file._version = f"{numba_version} {SOURCES}"  # noqa: SLF001

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load machine code; numba would first load all that it can compile, which costs more by far."""
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


def kernel(function: F) -> F:
    """Compile a function over arrays and numbers; its signature is kept for the type checker."""
    compiled = _compiled(function)
    # Numba raises RuntimeError where no folder can be written; the kernel is then compiled in each process.
    with suppress(RuntimeError):
        compiled._cache = _Cache(function)  # noqa: SLF001  (numba has no public way to widen the key)
    return cast("F", compiled)


def is_compiled(function: Callable[..., Any]) -> bool:
    """Tell whether a kernel's machine code for these sources is at hand, without loading it."""
    if getattr(function, "signatures", ()):
        return True
    cache = getattr(function, "_cache", None)
    if not isinstance(cache, _Cache):
        return False
    return bool(cache._cache_file._load_index())  # noqa: SLF001


def inner(function: F) -> F:
    """Compile a function that only kernels call; without a way in from Python it compiles faster."""
    return cast("F", _inner(function))
