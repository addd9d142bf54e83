"""The sha256 of many runs of bytes, in one call.

The one idea: hashlib takes a Python call for each, and gives up the interpreter's lock and asks for it
again meanwhile, which among threads costs as much as the hashing of a short record; a kernel calls the same
library, OpenSSL, by its address, and holds no lock. Where that does not show its functions, hashlib does it.
"""

import ctypes
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from tulu_data.kernels.jit import kernel

DIGEST_BYTES = 32
_STATE_BYTES = 256
"""Room for OpenSSL's SHA256_CTX, which takes 112."""

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]


def _addresses() -> tuple[int, int, int] | None:
    """Return where OpenSSL's functions lie that hashlib uses, None where they cannot be seen."""
    try:
        import _hashlib

        library = ctypes.CDLL(_hashlib.__file__)
        found = [getattr(library, f"SHA256_{name}") for name in ("Init", "Update", "Final")]
    except (ImportError, AttributeError, OSError, TypeError):
        return None
    begin, update, finish = (ctypes.cast(function, ctypes.c_void_p).value or 0 for function in found)
    return begin, update, finish


def _hash(_: Any, _functions: Any, state: Any, data: Any, _start: Any, _size: Any, out: Any, _at: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        functions, state, data, start, size, out, at = arguments
        place, source, target = (
            context.make_array(signature.args[number])(context, builder, array).data
            for number, array in ((1, state), (2, data), (5, out))
        )
        given = [
            (place,), (place, builder.gep(source, [start]), size), (builder.gep(target, [at]), place)
        ]  # fmt: skip
        for number, parts in enumerate(given):
            kind = ir.FunctionType(ir.IntType(32), [part.type for part in parts])
            address = builder.extract_value(functions, number)
            builder.call(builder.inttoptr(address, kind.as_pointer()), parts)
        return context.get_dummy_value()

    functions = types.UniTuple(types.int64, 3)
    return types.void(functions, state, data, types.int64, types.int64, out, types.int64), build


_hash_run: Callable[[tuple[int, int, int], Bytes, Bytes, int, int, Bytes, int], None] = intrinsic(_hash)
"""Hash `size` bytes of `data[start:]` to `out[at:]`, by the three functions."""


def sha256_digests(data: Bytes, ends: Offsets) -> Bytes:
    """Return the sha256 of runs of bytes, which lie one after another and end at `ends`: (n, 32)."""
    out = np.empty((len(ends), DIGEST_BYTES), np.uint8)
    if _OPENSSL is not None:
        _digests(_OPENSSL, np.empty(_STATE_BYTES, np.uint8), data, ends, out.reshape(-1))
        return out
    view, start = data.data, 0
    for row, end in enumerate(ends.tolist()):
        out[row] = np.frombuffer(hashlib.sha256(view[start:end]).digest(), np.uint8)
        start = end
    return out


@kernel
def _digests(functions: tuple[int, int, int], state: Bytes, data: Bytes, ends: Offsets, out: Bytes) -> None:
    """Hash run after run."""
    start = 0
    for row in range(ends.size):
        _hash_run(functions, state, data, start, ends[row] - start, out, row * DIGEST_BYTES)
        start = ends[row]


_OPENSSL = _addresses()
