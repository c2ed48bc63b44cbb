"""Positions in the channels of q and k: rotary embedding as array code in front of an operator.

    tables = heddle.positions.rotary_tables(4096, 64)

    @heddle.spec
    def rotary(q, k, v):
        q, k = heddle.positions.rotary(q, k, tables)
        return heddle.attend(q, k, v, causal=True)
"""

import numpy as np

from ._functions import concat


def rotary_tables(length, width, base=10000.0):
    """(cosines, sines), float32 (length, width / 2): of position t times base^(-2 c / width). `length` may be an array of positions
    instead, and `base` an array (.., 1, 1) of bases, for a head or a sequence of a batch each; then so are the tables."""
    angles = (np.arange(length) if np.ndim(length) == 0 else np.asarray(length))[:, None] * np.asarray(base, float) ** (-np.arange(width // 2) / (width // 2))
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def rotate(x, tables):
    """Channel c of traced x (.., t, width) and channel c + width / 2 as a point, turned by the angle of row t of the tables (arrays or traced
    arrays)."""
    cosines, sines = map(_traced, tables)
    half = x.shape[-1] // 2
    low, high = x[..., :half], x[..., half:]
    return concat([(low * cosines - high * sines).astype(x.dtype), (high * cosines + low * sines).astype(x.dtype)])


def rotary(q, k, tables):
    """(q, k) rotated: row t of k by row t of the tables, and q so that its last row is where the last key is. The tables (arrays
    or traced arrays) may be longer than k."""
    rows, keys = q.shape[-2], k.shape[-2]
    cut = [at(table, slice(0, keys)) for table in tables]
    ends = [at(table, slice(keys - rows, keys)) for table in tables]
    return rotate(q, ends), rotate(k, cut)


def at(table, rows):
    """Rows of a table, an array of the closure included."""
    return _traced(table)[..., rows, :]


def _traced(table):
    from ._spec import current_trace  # it imports this package's functions
    return current_trace().tensor(table, "table")
