"""Masks: functions of (b, h, q_idx, kv_idx) for `mask_mod`, and ways to make them of each other.

Each is a condition on positions that the compiler solves for the keys a block of rows sees: what no row of a block sees is not
visited, and nothing here is ever an array over pairs. Join them by `heddle.and_masks` and `heddle.or_masks`. Sizes and offsets
are numbers, traced numbers or run-time scalars; tables are arrays.

    window(3)        strided(4)       blocks(4)        prefix(3)        (rows down, keys to the right)
    x . . . . . .    x . . . . . .    x x x x . . .    x x x . . . .
    x x . . . . .    . x . . . . .    x x x x . . .    x x x . . . .
    x x x . . . .    . . x . . . .    x x x x . . .    x x x . . . .
    . x x x . . .    . . . x . . .    x x x x . . .    x x x . . . .
    . . x x x . .    x . . . x . .    . . . . x x x    x x x . . . .
"""

from ._functions import and_masks, maximum, minimum


def causal(b, h, i, j):
    """Keys up to the row's position."""
    return j <= i


def window(width):
    """The `width` last keys, the row's own included."""
    return lambda b, h, i, j: (j <= i) & (j > i - width)


def around(left, right):
    """Keys from `left` before the row to `right` behind it."""
    return lambda b, h, i, j: (j >= i - left) & (j <= i + right)


def prefix(count):
    """The first `count` keys of the sequence: sinks, global tokens."""
    return lambda b, h, i, j: j < count


def strided(stride):
    """Keys whose distance to the row is a multiple of `stride`, up to the row's position."""
    return lambda b, h, i, j: (j <= i) & ((i - j) % stride == 0)


def every(stride, first=0):
    """Keys at first, first + stride, .., whatever the row."""
    return lambda b, h, i, j: j % stride == first


def blocks(size, before=0):
    """Keys of the row's own block of `size` and of so many blocks before it."""
    return lambda b, h, i, j: (j // size <= i // size) & (j // size >= i // size - before)


def same(rows, keys=None):
    """Keys of the row's own segment; arrays (B, T) of numbers of segments, `keys` for cross-attention."""
    keys = rows if keys is None else keys
    return lambda b, h, i, j: rows[b, i] == keys[b, j]


def intervals(starts, ends):
    """Keys from starts[i] to ends[i], without the last: arrays (T,) of each row's range."""
    return lambda b, h, i, j: (j >= starts[i]) & (j < ends[i])


def living(ends):
    """Keys j that a row i < ends[b, h, j] still sees: each key's own time of death, an array (B, H, T)."""
    return lambda b, h, i, j: i < ends[b, h, j]


def shifted(mask, rows, keys=0):
    """A mask of tokens at other positions: row i is token i + rows, key j is token j + keys. When decoding, the rows of a call
    are the last ones: `shifted(mask, k.shape[2] - q.shape[2])`."""
    return lambda b, h, i, j: mask(b, h, i + rows, j + keys)


def neighborhood(extent, size, stride=1, dilation=1, causal=False, place=lambda t: t):
    """One axis of a neighbourhood: `size` keys around each row, of `extent` tokens.

    `stride` rows share the neighbourhood of their middle one; neighbours are `dilation` apart; at a border the window is
    moved, not cut. `causal`: the window ends at the row (its stride's last row leads, and only its end is cut).
    `place(t)` is the coordinate of token t on the axis: `lambda t: t // width` of the rows of a grid.
    """
    def mask(b, h, i, j):
        x, y = place(i), place(j)
        # Tokens that are `dilation` apart are an axis of their own, `length` tokens long.
        group = x % dilation if dilation != 1 else 0
        length = (extent - group + dilation - 1) // dilation
        x_in, y_in = (x // dilation, y // dilation) if dilation != 1 else (x, y)
        leader = x_in if stride == 1 else minimum(x_in // stride * stride + (stride - 1 if causal else stride // 2), length - 1)
        if causal:
            seen = (y_in >= maximum(leader - (size - 1), 0)) & (y_in <= x_in)
        else:
            start = minimum(maximum(leader - size // 2, 0), length - size)
            seen = (y_in >= start) & (y_in < start + size)
        return seen if dilation == 1 else seen & (y % dilation == group)
    return mask


def coordinate(shape, axis):
    """From a token of a grid of `shape`, its last axis innermost, to its coordinate on one axis."""
    inner = 1
    for extent in shape[axis + 1:]:
        inner = inner * extent
    if axis == 0:
        return lambda t: t // inner if inner != 1 else t
    return lambda t: t // inner % shape[axis] if inner != 1 else t % shape[axis]


def neighborhoods(shape, sizes, strides=None, dilations=None, causal=None):
    """A neighbourhood (see `neighborhood`) on each axis of a grid of tokens; arguments have one entry per axis."""
    axes = range(len(shape))
    strides, dilations, causal = strides or [1] * len(shape), dilations or [1] * len(shape), causal or [False] * len(shape)
    return and_masks(*(neighborhood(shape[n], sizes[n], strides[n], dilations[n], causal[n], coordinate(shape, n)) for n in axes))


def neighbor(shape, sizes, dilations=None, causal=None):
    """The tokens that `neighborhoods` of a stride of 1 lets row t see: f(n, t) -> the n-th of them, n from 0, the last axis fastest. On a
    causal axis the first rows see fewer, and what is counted beyond the row is not seen. For `heddle.view`."""
    axes = _axes(shape, sizes, dilations, causal)

    def token(n, t):
        found, inner = 0, 1
        for place, extent, size, step, past in reversed(axes):
            x = place(t)
            start = _first(x, extent, size, step, past)
            found, inner, n = found + (x % step + (start + n % size) * step) * inner, inner * extent, n // size
        return found
    return token


def neighbor_number(shape, sizes, dilations=None, causal=None):
    """The inverse of `neighbor`: f(t, y) -> the n of a token y that row t sees. For score functions."""
    axes = _axes(shape, sizes, dilations, causal)

    def number(t, y):
        n = 0
        for place, extent, size, step, past in axes:
            n = n * size + (place(y) // step - _first(place(t), extent, size, step, past))
        return n
    return number


def _axes(shape, sizes, dilations, causal):
    """(coordinate, extent, size, dilation, causal) of each axis."""
    count = len(shape)
    return list(zip((coordinate(shape, n) for n in range(count)), shape, sizes, dilations or [1] * count, causal or [False] * count))


def _first(x, extent, size, step, causal):
    """Where the window of coordinate x begins, among the tokens of its dilation group."""
    if causal:
        return maximum(x // step - (size - 1), 0)
    return minimum(maximum(x // step - size // 2, 0), (extent - x % step + step - 1) // step - size)


def tiles(shape, sizes, keys=None):
    """Keys of the row's own tile, where a grid of tokens is cut into tiles of `sizes`; `keys`: the shape of the keys' grid, if it is larger."""
    places = [(coordinate(shape, axis), coordinate(keys or shape, axis)) for axis in range(len(shape))]
    return and_masks(*(lambda b, h, i, j, row=row, key=key, size=size: row(i) // size == key(j) // size for (row, key), size in zip(places, sizes)))
