"""The functions users call in traced code. Each takes plain numbers, traced scalars and traced arrays alike."""

import math

from . import _scalar, _subscript, _tensor
from ._scalar import Scalar
from ._tensor import Tensor


def _function(traced, plain):
    def apply(*arguments):
        if any(isinstance(argument, Tensor) for argument in arguments):
            return _tensor.elementwise(traced, *arguments)
        if any(isinstance(argument, Scalar) for argument in arguments):
            return traced(*arguments)
        return plain(*arguments)
    return apply


_exp = _function(_scalar.exp, math.exp)
_exp2 = _function(_scalar.exp2, lambda x: 2.0 ** x)
_log = _function(_scalar.log, lambda x: math.log(x) if x > 0 else -math.inf if x == 0 else math.nan)
_tanh = _function(_scalar.tanh, math.tanh)
_sqrt = _function(_scalar.sqrt, math.sqrt)
_abs = _function(_scalar.absolute, abs)
_sigmoid = _function(_scalar.sigmoid, lambda x: 1.0 / (1.0 + math.exp(-x)))
_sin = _function(_scalar.sin, math.sin)
_cos = _function(_scalar.cos, math.cos)
_erf = _function(_scalar.erf, math.erf)
_atan2 = _function(_scalar.atan2, math.atan2)
_minimum = _function(_scalar.minimum, min)
_maximum = _function(_scalar.maximum, max)
_where = _function(_scalar.where, lambda condition, a, b: a if condition else b)
_floor = _function(_scalar.floor, math.floor)


def exp(x):
    """e to the power of x."""
    return _exp(x)


def exp2(x):
    """2 to the power of x."""
    return _exp2(x)


def log(x):
    """The natural logarithm; -inf at 0, NaN below."""
    return _log(x)


def tanh(x):
    """The hyperbolic tangent."""
    return _tanh(x)


def sqrt(x):
    """The square root."""
    return _sqrt(x)


def abs(x):
    """The absolute value."""
    return _abs(x)


def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return _sigmoid(x)


def sin(x):
    """The sine of x radians."""
    return _sin(x)


def cos(x):
    """The cosine of x radians."""
    return _cos(x)


def erf(x):
    """The error function: 0.5 x (1 + erf(x / sqrt 2)) is GELU."""
    return _erf(x)


def atan2(y, x):
    """The angle of the point (x, y), from -pi to pi."""
    return _atan2(y, x)


def minimum(a, b):
    """The smaller of two numbers, element by element."""
    return _minimum(a, b)


def maximum(a, b):
    """The larger of two numbers, element by element."""
    return _maximum(a, b)


def where(condition, a, b):
    """`a` where the condition holds, else `b`; both are evaluated."""
    return _where(condition, a, b)


def floor(x):
    """The largest whole number that is not above x; a float stays a float."""
    return _floor(x)


def constant(array, dtype=None):
    """A NumPy array of the library's own as a traced one, which becomes an argument of what is compiled, once however often it is asked for."""
    from ._spec import current_trace  # it imports these functions
    trace = current_trace()
    if (id(array), dtype) not in trace.constants:
        made = trace.tensor(array, "array") if dtype in (None, "f32") else constant(array).astype(dtype)
        trace.constants[id(array), dtype] = made, array  # which stays alive, so that its number stays its own
    return trace.constants[id(array), dtype][0]


def concat(tensors, axis=-1):
    """Traced arrays one after another along an axis whose extents are known while tracing (usually the last)."""
    return _subscript.concat(tensors, axis)


def softmax(x, axis=-1):
    """exp(x - max x) / sum exp(x - max x) along the last axis of a traced array; its extent must be known."""
    e = exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def view(x, shape, place):
    """A traced array (rank 4 or less) that reads another, or an array of the closure, through coordinates: element p is x[place(*p)].

    `shape`: its extents, numbers or traced ones; the last is a number. `place` gets integers, one per dimension, and returns
    one per dimension of x, which has to be inside of it: bound what may not be. Nothing is copied where a kernel can read so.

        shifted = heddle.view(k, k.shape, lambda b, h, t, c: (b, h, heddle.maximum(t - 1, 0), c))
        twice = heddle.view(q, (q.shape[0], 8, *q.shape[2:]), lambda b, h, t, c: (b, h // 2, t, c))
    """
    return _subscript.view(x, shape, place)


def and_masks(*mask_mods):
    """The mask_mod that is true where all of the given ones are."""
    def mask_mod(b, h, q_idx, kv_idx):
        result = True
        for mod in mask_mods:
            value = mod(b, h, q_idx, kv_idx)
            result = value if result is True else result & value
        return result
    return mask_mod


def or_masks(*mask_mods):
    """The mask_mod that is true where any of the given ones is."""
    def mask_mod(b, h, q_idx, kv_idx):
        result = False
        for mod in mask_mods:
            value = mod(b, h, q_idx, kv_idx)
            result = value if result is False else result | value
        return result
    return mask_mod
