"""Runs of numbers copied inside a kernel, and words of eight bytes written wherever they stand.

The one idea: numba asks of every signed index whether it counts from the end, so that a loop over bytes is
never copied as a block; here LLVM is told what is meant. The caller answers for what is read and written, and
that no two runs overlap: nothing here looks whether an array holds them. Nothing here knows what is copied.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import raw_memcpy
from numba.extending import intrinsic
from numpy import uint64
from numpy.typing import NDArray

_BYTE, _WORD = ir.IntType(8), ir.IntType(64)


def _copy(_: Any, out: Any, _at: Any, data: Any, _start: Any, _size: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, at, source, start, size = arguments
        places = (
            builder.gep(context.make_array(kind)(context, builder, array).data, [place])
            for kind, array, place in ((signature.args[0], to, at), (signature.args[2], source, start))
        )
        raw_memcpy(builder, *places, size, context.get_abi_sizeof(context.get_data_type(out.dtype)))
        return context.get_dummy_value()

    if out.dtype != data.dtype:
        return None
    return types.void(out, types.int64, data, types.int64, types.int64), build


def _store(_: Any, out: Any, _at: Any, _word: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, at, word = arguments
        data = context.make_array(signature.args[0])(context, builder, array).data
        place = builder.bitcast(builder.gep(data, [at]), _WORD.as_pointer())
        builder.store(word, place).align = 1
        return context.get_dummy_value()

    return types.void(out, types.int64, types.uint64), build


copy: Callable[[NDArray[Any], int, NDArray[Any], int, int], None] = intrinsic(_copy)
"""Copy `size` numbers of one type: to `out[at:]` from `data[start:]`."""
store: Callable[[NDArray[Any], int, uint64 | int], None] = intrinsic(_store)
"""Write a word into an array of bytes, the lowest of its eight bytes first."""
