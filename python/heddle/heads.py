"""Heads that lie beside each other as channels, as projections of a model make and take them, without a copy.

    (b, t, h e)  split(x, h) -> (b, h, t, e)  join(y, h e) -> (b, t, h e)
"""

from ._functions import view


def split(x, count):
    """(b, h, t, e) of x (b, t, h e), or of x (b, 1, t, h e); the width has to be known while tracing."""
    width, first = x.shape[-1] // count, (0,) * (x.ndim - 3)
    return view(x, (x.shape[0], count, x.shape[-2], width), lambda b, h, t, c: (b, *first, t, h * width + c))


def join(x, width):
    """(b, t, h e) of x (b, h, t, e), as `width` channels."""
    each = x.shape[3]
    return view(x, (x.shape[0], x.shape[2], width), lambda b, t, c: (b, c // each, t, c % each))
