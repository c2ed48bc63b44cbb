"""Short convolutions of each channel, in front of an operator or behind it, as array code: what a kernel needs of them it computes.

    x  x  x  x  x  x            causal(x, w): the row's own token and those before it, as many as w has taps
             └──┴──► y          grid(x, w, height, width): tokens are rows of a grid after each other, taps lie around a token
"""

import numpy as np

from ._functions import constant, maximum, minimum, view


def causal(x, w):
    """sum_n w[n] x[t - taps + 1 + n] of traced x (B, H, T, c); tokens before the first are 0. w: (taps, c) or (H, taps, c)."""
    w, taps = constant(w), w.shape[-2]
    terms = [_before(x, taps - 1 - n) * w[..., n:n + 1, :] for n in range(taps)]
    return sum(terms[1:], terms[0]).astype(x.dtype)


def _before(x, steps):
    """x, `steps` tokens later, as float32."""
    if steps == 0:
        return x.astype("f32")
    exists = constant(np.array([[0]] * steps + [[1]], np.float32))
    moved = view(x, x.shape, lambda b, h, t, c: (b, h, maximum(t - steps, 0), c))
    return moved.astype("f32") * view(exists, (x.shape[2], 1), lambda t, c: (minimum(t, steps), 0))


def grid(x, w, height, width):
    """The same over both axes of a grid of height * width tokens, centred; outside of it tokens are 0. w: (taps, taps, c), or (H, taps, taps, c)
    of every head, with an odd number of taps."""
    taps, w = w.shape[-2], constant(w)
    reach, total = taps // 2, None
    along = [constant(_inside(extent, taps)) for extent in (height, width)]
    for n in range(taps):
        for m in range(taps):
            down, right = n - reach, m - reach
            moved = view(x, x.shape, lambda b, h, t, c: (b, h, maximum(t + (down * width + right), 0), c)).astype("f32")
            rows = view(along[0], (x.shape[2], 1), lambda t, c: (n, t // width))
            columns = view(along[1], (x.shape[2], 1), lambda t, c: (m, t % width))
            term = moved * rows * columns * (w[n, m] if w.ndim == 3 else w[:, n, m][:, None])
            total = term if total is None else total + term
    return total.astype(x.dtype)


def _inside(extent, taps):
    """(taps, extent): whether the token under a tap is on the axis."""
    places = np.arange(extent)[None] + np.arange(taps)[:, None] - taps // 2
    return ((places >= 0) & (places < extent)).astype(np.float32)
