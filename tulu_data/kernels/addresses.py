"""Memory by its address, read inside a kernel: how one kernel sees the buffers of many batches.

The one idea: a table of addresses is an array as any other, so a kernel that is given one looks at
thousands of buffers in one call. The caller keeps the buffers alive and answers for every address.
"""

import ctypes
import sys
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import raw_memcpy
from numba.extending import intrinsic
from numpy.typing import NDArray

_BYTE, _WORD = ir.IntType(8), ir.IntType(64)

_HAS_PREAD = sys.platform != "win32" and sys.maxsize > 1 << 32
_PREAD = getattr(ctypes.CDLL(None), "pread", None) if _HAS_PREAD else None


def _reader(bits: int) -> Callable[..., Any]:
    """Make the intrinsic that reads a signed number of so many bits; bytes are without a sign."""
    kind = ir.IntType(bits)

    def read(_: Any, _address: Any) -> Any:
        def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            loaded = builder.load(builder.inttoptr(arguments[0], kind.as_pointer()), align=1)
            widen = builder.zext if bits == 8 else builder.sext
            return loaded if bits == 64 else widen(loaded, ir.IntType(64))

        return types.int64(types.int64), build

    return read


def _copy_from(_: Any, out: Any, _at: Any, _address: Any, _size: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, at, address, size = arguments
        data = context.make_array(signature.args[0])(context, builder, array).data
        source = builder.inttoptr(address, _BYTE.as_pointer())
        raw_memcpy(builder, builder.gep(data, [at]), source, size, 1)
        return context.get_dummy_value()

    return types.void(out, types.int64, types.int64, types.int64), build


def _read_file(_: Any, _reader: Any, _file: Any, out: Any, _at: Any, _size: Any, _place: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        reader, file, array, at, size, place = arguments
        data = context.make_array(signature.args[2])(context, builder, array).data
        kind = ir.FunctionType(_WORD, [ir.IntType(32), _BYTE.as_pointer(), _WORD, _WORD])
        call = builder.inttoptr(reader, kind.as_pointer())
        return builder.call(call, [builder.trunc(file, ir.IntType(32)), builder.gep(data, [at]), size, place])

    parts = (types.int64, types.int64, out, types.int64, types.int64, types.int64)
    return types.int64(*parts), build


read_byte: Callable[[int], int] = intrinsic(_reader(8))
"""The byte at an address."""
read_half: Callable[[int], int] = intrinsic(_reader(32))
"""The signed number of 32 bits at an address."""
read_word: Callable[[int], int] = intrinsic(_reader(64))
"""The signed number of 64 bits at an address."""
copy_from: Callable[[NDArray[Any], int, int, int], None] = intrinsic(_copy_from)
"""Copy `size` bytes to `out[at:]`, an array of bytes, from an address."""
read_file: Callable[[int, int, NDArray[Any], int, int, int], int] = intrinsic(_read_file)
"""Read `size` bytes to `out[at:]` by `PREAD` from a place of an open file; returns how many came."""
PREAD = ctypes.cast(_PREAD, ctypes.c_void_p).value or 0 if _PREAD is not None else 0
"""Address of the system's pread, or 0 where there is none that takes 64 bits."""
