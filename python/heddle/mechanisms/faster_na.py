"""Neighborhood attention on grids of 1, 2 and 3 axes, in one kernel, with the relative bias of its older form.

    o_x = softmax_y(q_x.k_y / sqrt(d) + bias_h[y - x]) v_y over the neighbours y of x: per axis w keys, equal to x modulo the dilation,
    from clamp(floor(x/d) - floor(w/2), 0, L - w) of x's dilation group on;  a causal axis: the w keys that end at x

Hassani, Hwu and Shi 2024, "Faster Neighborhood Attention". It is the rule of `gna` with a stride of 1. `bias` (H, 2 w - 1, ..), one axis per axis
of the grid, is read at the distance of grid coordinates, divided by the dilation. Windows are moved at borders.
"""

import itertools

import numpy as np

import heddle
from heddle import masks

from . import Case, _plain
from .gna import reference as without_bias


def spec(bias=None, shape=(), window=(), dilation=None, causal=None):
    places, steps = [masks.coordinate(shape, axis) for axis in range(len(shape))], dilation or [1] * len(shape)

    def biased(s, b, h, i, j):
        return s + bias[(h, *((at(j) - at(i)) // step + (w - 1) for at, step, w in zip(places, steps, window)))]

    @heddle.spec
    def faster_na(q, k, v):
        return heddle.attend(q, k, v, mask_mod=masks.neighborhoods(shape, window, None, dilation, causal), return_lse=True,
                             score_mod=None if bias is None else biased)
    return faster_na


def reference(q, k, v, bias=None, shape=(), window=(), dilation=None, causal=None):
    if bias is None:
        return without_bias(q, k, v, shape, window, None, dilation, causal)
    # The same rule from the list of neighbours of each token, one token at a time.
    dilation, causal = dilation or [1] * len(shape), causal or [False] * len(shape)
    s, seen = _plain.scores(q, k), np.zeros((int(np.prod(shape)),) * 2, bool)
    for row, x in enumerate(np.ndindex(*shape)):
        axes = []
        for at, length, w, d, past in zip(x, shape, window, dilation, causal):
            group = list(range(at % d, length, d))
            first = max(at // d - w + 1, 0) if past else min(max(at // d - w // 2, 0), len(group) - w)
            axes.append(group[first:at // d + 1] if past else group[first:first + w])
        for y in itertools.product(*axes):
            other = np.ravel_multi_index(y, shape)
            seen[row, other] = True
            s[:, :, row, other] += bias[(slice(None), *((b - a) // d + w - 1 for a, b, d, w in zip(x, y, dilation, window)))]
    s = np.where(seen, s, -np.inf)
    top = s.max(-1, keepdims=True)
    return _plain.softmax(s) @ _plain.heads(v, q.shape[1]), np.log(np.exp(s - top).sum(-1)) + top[..., 0]


def case(name, shape, window, bias=True, dtype="f32", **options):
    extents = (2, *(2 * w - 1 for w in window))
    arrays = {each: (1, 2, int(np.prod(shape)), 64 if dtype == "bf16" else 32) for each in "qkv"}
    return Case(name, arrays, {"bias": lambda g: g.standard_normal(extents, np.float32)} if bias else {},
                dict(shape=shape, window=window, **options), dtype)


CASES = (case("2-D", (12, 16), (5, 5), False, "bf16", dilation=(2, 1)), case("1-D", (150,), (13,)), case("2-D biased", (9, 14), (3, 5), dilation=(2, 2)),
         case("3-D, causal frames", (4, 6, 8), (2, 3, 3), False, causal=(True, False, False)))
PARTIAL = ("the three unfused primitives (scores of the neighbours as an array (B, H, L, w^r), their softmax, the sum of values over such an "
           "array): tensor code reads arrays of at most rank 4 and sums over the last axis only")
