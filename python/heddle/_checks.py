"""The checks of `heddle.attend`'s arguments: everything that can be known before a kernel starts."""

from typing import NamedTuple

from . import _arrays
from ._normalizer import NAMES, Normalizer

_FLOATS = ("f32", "f16", "bf16")
_RANKS = {"bhtd": 4, "bthd": 4, "thd": 3}


class Shapes(NamedTuple):
    result: tuple
    lse: tuple
    rows: int
    batch: int
    heads: int
    query_length: int
    key_length: int


def arrays(q, k, v):
    """q, k and v are arrays of one float type."""
    for name, value in (("q", q), ("k", k), ("v", v)):
        if not _arrays.is_array(value):
            raise TypeError(f"expected an array (NumPy, PyTorch, or one that speaks DLPack) as {name}, got "
                            f"{type(value).__module__}.{type(value).__qualname__}")
    for name, value in (("q", q), ("k", k), ("v", v)):
        if _arrays.element(value) not in _FLOATS:
            raise TypeError(f"expected {name} of float32, float16 or bfloat16, got {value.dtype}")
        if not value.shape:
            raise ValueError(f"expected {name} of rank 4 (or 3 for layout \"thd\"), got a single number")
    for name, width in (("q", q.shape[-1]), ("v", v.shape[-1])):
        if width % 8 or not 8 <= width <= 512:
            raise ValueError(f"expected a head size of {name} that is a multiple of 8 from 8 to 512, got {width}")


def options(layout, normalizer, sink, return_lse, cu_seqlens_q, cu_seqlens_k, kv_lengths):
    """Options that do not fit each other."""
    if layout not in _RANKS:
        raise ValueError(f"expected layout \"bhtd\", \"bthd\" or \"thd\", got {layout!r}")
    if not isinstance(normalizer, (str, Normalizer)):
        raise TypeError(f"expected a name or a heddle.Normalizer as normalizer, got {type(normalizer).__name__}")
    if isinstance(normalizer, str) and normalizer not in NAMES:
        raise ValueError(f"expected one of {', '.join(NAMES)} or a heddle.Normalizer as normalizer, got {normalizer!r}")
    has_lse = "lse" in normalizer.stats if isinstance(normalizer, Normalizer) else NAMES[normalizer]
    if return_lse and not has_lse:
        raise ValueError(f"expected a normalizer with the statistic lse for return_lse=True, got {normalizer!r}")
    if sink is not None and normalizer != "softmax":
        raise ValueError(f"expected normalizer=\"softmax\" with sink, got {normalizer!r}")
    if layout == "thd" and cu_seqlens_q is None:
        raise ValueError("expected cu_seqlens_q for layout \"thd\", got none")
    if layout == "thd" and kv_lengths is not None:
        raise ValueError("expected no kv_lengths for layout \"thd\" (cu_seqlens_k says the lengths), got one")
    if layout != "thd" and (cu_seqlens_q is not None or cu_seqlens_k is not None):
        raise ValueError(f"expected no cu_seqlens for layout {layout!r} (they are for \"thd\"), got one")


def call(q, k, v, layout, cu_seqlens_q, cu_seqlens_k, kv_lengths, sink, out):
    """The arrays of one call fit each other; returns the sizes of its results."""
    query, key, value = q.shape, k.shape, v.shape
    rank = _RANKS[layout]
    if not len(query) == len(key) == len(value) == rank:
        raise ValueError(f"expected q, k and v of rank {rank} for layout {layout!r}, got shapes {_shapes(q, k, v)}")
    dtype = q.dtype
    if k.dtype != dtype or v.dtype != dtype:
        raise TypeError(f"expected q, k and v of one type, got {q.dtype}, {k.dtype} and {v.dtype}")
    for name, array in (("q", q), ("k", k), ("v", v)):
        _contiguous(name, array)
        if _arrays.requires_grad(array):
            raise NotImplementedError(f"expected inputs that do not require gradients (there is no backward yet), got {name} with "
                                      "requires_grad: detach it, or call under torch.no_grad()")
    if layout == "bhtd":
        (batch, heads, rows, width), (key_batch, key_heads, keys, key_width) = query, key
        value_batch, value_heads, values, value_width = value
    elif layout == "bthd":
        (batch, rows, heads, width), (key_batch, keys, key_heads, key_width) = query, key
        value_batch, values, value_heads, value_width = value
    else:
        (rows, heads, width), (keys, key_heads, key_width) = query, key
        values, value_heads, value_width = value
        batch = key_batch = value_batch = len(cu_seqlens_q) - 1 if cu_seqlens_q.shape else -1
    if width != key_width:
        raise ValueError(f"expected q and k of one head size, got {width} and {key_width}")
    if keys != values:
        raise ValueError(f"expected k and v of one length, got {keys} and {values}")
    if not key_heads or not value_heads or heads % key_heads or heads % value_heads:
        raise ValueError(f"expected heads of q that are a multiple of those of k and v, got {heads}, {key_heads} and {value_heads}")
    if key_batch not in (batch, 1) or value_batch not in (batch, 1):
        raise ValueError(f"expected batches of k and v of {batch} (as q) or 1, got {key_batch} and {value_batch}")
    if layout == "thd":
        _offsets("cu_seqlens_q", cu_seqlens_q, None, rows)
        if cu_seqlens_k is not None:
            _offsets("cu_seqlens_k", cu_seqlens_k, batch + 1, keys)
        elif keys != rows:
            raise ValueError(f"expected cu_seqlens_k where k has another length than q, got none for {rows} rows and {keys} keys")
        result, lse = (rows, heads, value_width), (heads, rows)
    else:
        if kv_lengths is not None:
            _lengths(kv_lengths, batch, keys)
        result = (batch, heads, rows, value_width) if layout == "bhtd" else (batch, rows, heads, value_width)
        lse = (batch, heads, rows)
    if sink is not None:
        _vector("sink", sink, "f32", heads)
    if out is not None:
        _output(out, result, q)
    return Shapes(result, lse, batch * heads * rows, batch, heads, rows, keys)


def _shapes(*values):
    return ", ".join(str(tuple(value.shape)) for value in values)


def _contiguous(name, array):
    which = _arrays.library(array)
    if which == "numpy":
        good = array.strides[-1] == array.itemsize or array.shape[-1] <= 1 or not array.size
    elif which == "torch":
        good = array.stride(-1) == 1 or array.shape[-1] <= 1
    else:
        return  # the runtime sees its strides
    if not good:
        raise ValueError(f"expected {name} with a contiguous last dimension, got strides {_arrays.strides(array)} (in elements)")


def _vector(name, array, element, size):
    if not _arrays.is_array(array):
        raise TypeError(f"expected an array as {name}, got {type(array).__name__}")
    if len(array.shape) != 1 or (size is not None and array.shape[0] != size):
        raise ValueError(f"expected {name} of shape ({'B + 1' if size is None else size},), got {tuple(array.shape)}")
    if _arrays.element(array) != element:
        raise TypeError(f"expected {name} of {_arrays.NAMES[element]}, got {array.dtype}")
    _contiguous(name, array)


def _offsets(name, array, size, total):
    _vector(name, array, "i32", size)
    if array.shape[0] < 1:
        raise ValueError(f"expected {name} of at least 1 element, got 0")
    if _arrays.device(array)[0] != "cpu":
        return  # the kernel clamps; HEDDLE_CHECK=1 reports
    values = _arrays.on_host(array)
    if values[0] != 0 or values[-1] > total or (values[1:] < values[:-1]).any():
        raise ValueError(f"expected {name} to start at 0, never to fall and to end at {total} or before, got {values.tolist()[:16]}")


def _lengths(array, batch, keys):
    _vector("kv_lengths", array, "i32", batch)
    if batch and _arrays.device(array)[0] == "cpu":
        values = _arrays.on_host(array)
        if values.min() < 0 or values.max() > keys:
            raise ValueError(f"expected kv_lengths from 0 to {keys}, got {values.tolist()[:16]}")


def _output(out, shape, q):
    if not _arrays.is_array(out):
        raise TypeError(f"expected an array as out, got {type(out).__name__}")
    if tuple(out.shape) != shape:
        raise ValueError(f"expected out of shape {shape}, got {tuple(out.shape)}")
    if _arrays.element(out) != _arrays.element(q):
        raise TypeError(f"expected out of {q.dtype}, got {out.dtype}")
    if not _arrays.is_writeable(out):
        raise ValueError("expected out to be writeable, got a read-only array")
    _contiguous("out", out)
