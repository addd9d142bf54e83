"""Operations on many bytes or bits at once that numba has no function for.

The one idea: each is a few lines of LLVM's code, which LLVM fits to any machine. The caller answers
for the bytes that are read: `classes` reads `BLOCK` of them and `load` eight, and neither looks whether
the array holds them. Places and results are unsigned. Nothing here knows what a word is.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

BLOCK = 64
_BYTE, _WORD, _WIDE = ir.IntType(8), ir.IntType(64), ir.IntType(128)
_LANES = ir.VectorType(_BYTE, BLOCK)


def _every(value: int) -> Any:
    """Return `BLOCK` times the same byte."""
    return ir.Constant(_LANES, [value] * BLOCK)


def _read(context: Any, builder: Any, signature: Any, arguments: Any, kind: Any) -> Any:
    """Read a value of a kind from an array of bytes, wherever it stands."""
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    value = builder.load(builder.bitcast(builder.gep(data, [arguments[1]]), kind.as_pointer()))
    value.align = 1
    return value


def _load(_: Any, text: Any, _at: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _read(context, builder, signature, arguments, _WORD)

    return types.uint64(text, types.uint64), build


def _classes(_: Any, text: Any, _at: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block = _read(context, builder, signature, arguments, _LANES)
        small = builder.or_(block, _every(0x20))
        letter = builder.icmp_unsigned("<", builder.sub(small, _every(ord("a"))), _every(26))
        digit = builder.icmp_unsigned("<", builder.sub(block, _every(ord("0"))), _every(10))
        beyond = builder.icmp_signed("<", block, _every(0))
        masks = [builder.bitcast(lanes, _WORD) for lanes in (builder.or_(letter, digit), beyond)]
        return context.make_tuple(builder, signature.return_type, masks)

    return types.UniTuple(types.uint64, 2)(text, types.uint64), build


def _lowest(_: Any, _number: Any) -> Any:
    def build(_: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), build


def _multiply(_: Any, _a: Any, _b: Any) -> Any:
    def build(_: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        product = builder.mul(*(builder.zext(factor, _WIDE) for factor in arguments))
        upper = builder.lshr(product, ir.Constant(_WIDE, 64))
        return builder.trunc(builder.xor(product, upper), _WORD)

    return types.uint64(types.uint64, types.uint64), build


load: Callable[[Bytes, np.uint64], np.uint64] = intrinsic(_load)
"""Return the eight bytes from a place on, the first of them lowest."""
classes: Callable[[Bytes, np.uint64], tuple[np.uint64, np.uint64]] = intrinsic(_classes)
"""Return, a bit for each byte of a block: which are ASCII letters or digits, and which are not ASCII."""
lowest: Callable[[np.uint64], np.uint64] = intrinsic(_lowest)
"""Return the place of the lowest bit that is set; 64 where none is."""
multiply: Callable[[np.uint64, np.uint64], np.uint64] = intrinsic(_multiply)
"""Return the upper half of a product of 128 bits laid on its lower half."""
