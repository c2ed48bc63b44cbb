"""The checks of `heddle.attend`'s arguments: everything that can be known before a kernel starts."""

import numbers
from typing import NamedTuple

from . import _arrays, _statistics
from ._normalizer import NAMES, Normalizer

RANKS = {"bhtd": 4, "bthd": 4, "thd": 3}


class Shapes(NamedTuple):
    result: tuple
    lse: tuple
    columns: tuple
    rows: int
    batch: int
    heads: int
    query_length: int
    key_length: int
    group: int  # heads of q that share one of k and v and are read as its rows: 1, or all of them where each has one query


def arrays(q, k, v):
    """q, k and v are arrays of one float type."""
    for name, value in (("q", q), ("k", k), ("v", v)):
        if not _arrays.is_array(value):
            raise TypeError(f"expected an array (NumPy, PyTorch, or one that speaks DLPack) as {name}, got "
                            f"{type(value).__module__}.{type(value).__qualname__}")
    for name, value in (("q", q), ("k", k), ("v", v)):
        if _arrays.element(value) not in _arrays.FLOATS:
            raise TypeError(f"expected {name} of float32, float16 or bfloat16, got {value.dtype}")
        if not value.shape:
            raise ValueError(f"expected {name} of rank 4 (or 3 for layout \"thd\"), got a single number")
    for name, width in (("q", q.shape[-1]), ("v", v.shape[-1])):
        if width % 8 or not 8 <= width <= 512:
            raise ValueError(f"expected a head size of {name} that is a multiple of 8 from 8 to 512, got {width}")


def options(given):
    """Options of a call that do not fit each other."""
    layout, normalizer, paged = given.layout, given.normalizer, given.block_table is not None
    if layout not in RANKS:
        raise ValueError(f"expected layout \"bhtd\", \"bthd\" or \"thd\", got {layout!r}")
    if not isinstance(normalizer, (str, Normalizer)):
        raise TypeError(f"expected a name or a heddle.Normalizer as normalizer, got {type(normalizer).__name__}")
    if isinstance(normalizer, str) and normalizer not in NAMES:
        raise ValueError(f"expected one of {', '.join(NAMES)} or a heddle.Normalizer as normalizer, got {normalizer!r}")
    has_lse = "lse" in normalizer.stats if isinstance(normalizer, Normalizer) else NAMES[normalizer]
    if given.return_lse and not has_lse:
        raise ValueError(f"expected a normalizer with the statistic lse for return_lse=True, got {normalizer!r}")
    if given.sink is not None and normalizer != "softmax":
        raise ValueError(f"expected normalizer=\"softmax\" with sink, got {normalizer!r}")
    if layout == "thd" and given.cu_seqlens_q is None:
        raise ValueError("expected cu_seqlens_q for layout \"thd\", got none")
    if layout == "thd" and given.lengths is not None and not paged:
        raise ValueError(f"expected no {given.lengths_name} for layout \"thd\" without a block_table (cu_seqlens_k says the "
                         "lengths), got one")
    if layout != "thd" and (given.cu_seqlens_q is not None or given.cu_seqlens_k is not None):
        raise ValueError(f"expected no cu_seqlens for layout {layout!r} (they are for \"thd\"), got one")
    if paged and given.cu_seqlens_k is not None:
        raise ValueError("expected no cu_seqlens_k with a block_table (cache_seqlens says the lengths), got one")
    if given.page_size is not None and not paged:
        raise ValueError(f"expected a block_table with page_size, got page_size={given.page_size!r} alone")
    _statistics.check(given.stats, normalizer, given.lag)
    lag = given.lag
    if lag is not None and (isinstance(lag, bool) or not isinstance(lag, numbers.Real) or not 0 < lag <= 15):
        raise ValueError(f"expected lag above 0 and at most 15, got {lag!r}")
    splits = given.num_splits
    if splits is not None and (isinstance(splits, bool) or not isinstance(splits, int) or not 0 <= splits <= 256):
        raise ValueError(f"expected num_splits from 0 (chosen) to 256, got {splits!r}")


def page_of(k, layout):
    """Rows of a page of a pool of keys."""
    return k.shape[2 if layout == "bhtd" else 1] if len(k.shape) == 4 else None


def call(given, out):
    """The arrays of one call fit each other; returns the sizes of its results."""
    q, k, v, layout, table = given.q, given.k, given.v, given.layout, given.block_table
    query, key, value = q.shape, k.shape, v.shape
    rank = RANKS[layout]
    if table is not None:
        if not (len(query) == rank and len(key) == len(value) == 4):
            raise ValueError(f"expected q of rank {rank} and pools of pages k and v of rank 4 for layout {layout!r} with a "
                             f"block_table, got shapes {_shapes(q, k, v)}")
    elif not len(query) == len(key) == len(value) == rank:
        raise ValueError(f"expected q, k and v of rank {rank} for layout {layout!r}, got shapes {_shapes(q, k, v)}")
    dtype = q.dtype
    if k.dtype != dtype or v.dtype != dtype:
        raise TypeError(f"expected q, k and v of one type, got {q.dtype}, {k.dtype} and {v.dtype}")
    for name, array in (("q", q), ("k", k), ("v", v)):
        contiguous(name, array)
        if _arrays.requires_grad(array):
            raise NotImplementedError(f"expected inputs that do not require gradients (there is no backward yet), got {name} with "
                                      "requires_grad: detach it, or call under torch.no_grad()")
    if layout == "bhtd":
        batch, heads, rows, width = query
    elif layout == "bthd":
        batch, rows, heads, width = query
    else:
        rows, heads, width = query
        batch = len(given.cu_seqlens_q) - 1 if given.cu_seqlens_q.shape else -1
    (key_batch, key_heads, keys, key_width), (value_batch, value_heads, values, value_width) = (
        _sides(shape, layout, batch) for shape in (key, value))
    if width != key_width:
        raise ValueError(f"expected q and k of one head size, got {width} and {key_width}")
    if not key_heads or not value_heads or heads % key_heads or heads % value_heads:
        raise ValueError(f"expected heads of q that are a multiple of those of k and v, got {heads}, {key_heads} and {value_heads}")
    if layout == "thd":
        offsets("cu_seqlens_q", given.cu_seqlens_q, None, rows)
    if table is not None:
        keys = _pages(given, (key_batch, keys), (value_batch, values), batch)
    elif keys != values:
        raise ValueError(f"expected k and v of one length, got {keys} and {values}")
    elif key_batch not in (batch, 1) or value_batch not in (batch, 1):
        raise ValueError(f"expected batches of k and v of {batch} (as q) or 1, got {key_batch} and {value_batch}")
    if layout == "thd" and table is None:
        if given.cu_seqlens_k is not None:
            offsets("cu_seqlens_k", given.cu_seqlens_k, batch + 1, keys)
        elif keys != rows:
            raise ValueError(f"expected cu_seqlens_k where k has another length than q, got none for {rows} rows and {keys} keys")
    if given.lengths is not None:
        _lengths(given.lengths_name, given.lengths, batch, keys)
    if layout == "thd":
        result, lse, columns = (rows, heads, value_width), (heads, rows), (batch, heads, keys) if table is not None else (heads, keys)
    else:
        result = (batch, heads, rows, value_width) if layout == "bhtd" else (batch, rows, heads, value_width)
        lse, columns = (batch, heads, rows), (batch, heads, keys)
    if given.sink is not None:
        _vector("sink", given.sink, "f32", heads)
    if out is not None:
        output(out, result, q)
    # Packed rows that belong to no sequence are zero: somebody has to write that.
    return Shapes(result, lse, columns, heads * rows * (1 if layout == "thd" else batch), batch, heads, rows, keys,
                  heads // key_heads if layout != "thd" and rows == 1 and key_heads == value_heads else 1)


def _sides(shape, layout, batch):
    """(batch or pages, heads, keys or rows of a page, width) of k or v."""
    if len(shape) == 3:
        return batch, shape[1], shape[0], shape[2]
    outer, first, second, width = shape
    return (outer, first, second, width) if layout == "bhtd" else (outer, second, first, width)


def _pages(given, keys, values, batch):
    """A page table fits its pools of (pages, rows of a page); returns the keys that it has room for."""
    if keys != values:
        raise ValueError(f"expected k and v of one number of pages and one page size, got {keys} and {values}")
    pages, page = keys
    if given.page_size is not None and given.page_size != page:
        raise ValueError(f"expected page_size={given.page_size!r} rows in a page of k and v, got {page} (shape "
                         f"{tuple(given.k.shape)}, layout {given.layout!r})")
    if page < 1:
        raise ValueError("expected pages of at least one row, got 0")
    table = given.block_table
    if not _arrays.is_array(table):
        raise TypeError(f"expected an array as block_table, got {type(table).__name__}")
    if len(table.shape) != 2 or table.shape[0] != batch:
        raise ValueError(f"expected block_table of shape ({batch}, pages of a sequence), got {tuple(table.shape)}")
    if _arrays.element(table) != "i32":
        raise TypeError(f"expected block_table of int32, got {table.dtype}")
    contiguous("block_table", table)
    if given.lengths is not None:
        _vector(given.lengths_name, given.lengths, "i32", batch)
    if pages < 1 and batch and table.shape[1]:
        raise ValueError(f"expected at least one page in k and v for a block_table of shape {tuple(table.shape)}, got none")
    keys = table.shape[1] * page
    if batch and keys and _arrays.device(table)[0] == "cpu":
        _entries(table, given.lengths, pages, page)
    return keys


def _entries(table, lengths, pages, page):
    """Entries that a length reaches are pages, or -1 where the caller knows that no row sees them."""
    import numpy
    entries = _arrays.on_host(table)
    wrong = (entries < -1) | (entries >= pages)
    if lengths is not None and _arrays.device(lengths)[0] == "cpu":
        used = -(-_arrays.on_host(lengths).astype(numpy.int64) // page)
        wrong &= numpy.arange(entries.shape[1])[None, :] < used[:, None]
    elif lengths is not None:
        return  # how far the entries are used is known on the device only
    if wrong.any():
        b, n = (int(x) for x in numpy.argwhere(wrong)[0])
        raise ValueError(f"expected entries of block_table from 0 to {pages - 1} (or -1 where no row sees the page), got "
                         f"{int(entries[b, n])} at ({b}, {n})")


def _shapes(*values):
    return ", ".join(str(tuple(value.shape)) for value in values)


def contiguous(name, array):
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
    contiguous(name, array)


def offsets(name, array, size, total):
    _vector(name, array, "i32", size)
    if array.shape[0] < 1:
        raise ValueError(f"expected {name} of at least 1 element, got 0")
    if _arrays.device(array)[0] != "cpu":
        return  # the kernel clamps; HEDDLE_CHECK=1 reports
    values = _arrays.on_host(array)
    if values[0] != 0 or values[-1] > total or (values[1:] < values[:-1]).any():
        raise ValueError(f"expected {name} to start at 0, never to fall and to end at {total} or before, got {values.tolist()[:16]}")


def _lengths(name, array, batch, keys):
    _vector(name, array, "i32", batch)
    if batch and _arrays.device(array)[0] == "cpu":
        values = _arrays.on_host(array)
        if values.min() < 0 or values.max() > keys:
            raise ValueError(f"expected {name} from 0 to {keys}, got {values.tolist()[:16]}")


def output(out, shape, q):
    written("out", out, shape, _arrays.element(q))


def written(name, array, shape, element):
    """An array that a kernel writes to is of this shape and type."""
    if not _arrays.is_array(array):
        raise TypeError(f"expected an array as {name}, got {type(array).__name__}")
    if tuple(array.shape) != shape:
        raise ValueError(f"expected {name} of shape {shape}, got {tuple(array.shape)}")
    if _arrays.element(array) != element:
        raise TypeError(f"expected {name} of {_arrays.NAMES[element]}, got {array.dtype}")
    if not _arrays.is_writeable(array):
        raise ValueError(f"expected {name} to be writeable, got a read-only array")
    contiguous(name, array)
