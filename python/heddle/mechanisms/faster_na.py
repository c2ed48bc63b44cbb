"""Neighborhood attention on grids of 1, 2 and 3 axes, in one kernel, with the relative bias of its older form.

    o_x = softmax_y(q_x.k_y / sqrt(d) + bias_h[y - x]) v_y over the neighbours y of x: per axis w keys, equal to x modulo the dilation,
    from clamp(floor(x/d) - floor(w/2), 0, L - w) of x's dilation group on;  a causal axis: the w keys that end at x

Hassani, Hwu and Shi 2024, "Faster Neighborhood Attention". It is the rule of `gna` with a stride of 1. `bias` (H, 2 w - 1, ..), one axis per axis
of the grid, is read at grid distances divided by the dilation. `part`: "scores" (B, H, L, w^r) of each token's neighbours in order, "weights", their
softmax, and "values", the sum over them, are the unfused operators.
Compared with SHI-Labs/NATTEN @ 8c8729f, the mask of backends/flex.py: max error 4e-7 (f32, 2-D dilated and causal, 3-D, fused).
"""

import itertools

import numpy as np

import heddle
from heddle import masks

from . import Case, _plain

PARTIAL = "unfused operators have no causal axes, and no inverse neighbourhood"

def spec(bias=None, shape=(), window=(), dilation=None, causal=None, part="fused"):
    places, steps, count = [masks.coordinate(shape, axis) for axis in range(len(shape))], dilation or [1] * len(shape), int(np.prod(window))
    neighbour = masks.neighbor(shape, window, dilation)

    def distance(h, i, j):
        return (h, *((at(j) - at(i)) // step + (w - 1) for at, step, w in zip(places, steps, window)))

    def fused(q, k, v):
        near, biased = masks.neighborhoods(shape, window, None, dilation, causal), lambda s, b, h, i, j: s + bias[distance(h, i, j)]
        return heddle.attend(q, k, v, mask_mod=near, return_lse=True, score_mod=None if bias is None else biased)

    def moved(x, n):
        return heddle.view(x, x.shape, lambda b, h, t, c: (b, h, neighbour(n, t), c))

    def scores(q, k):
        def one(n):
            s = (q * moved(k, n)).sum(keepdims=True) * q.shape[3] ** -0.5
            return s if bias is None else s + heddle.view(bias, (1, *q.shape[1:3], 1), lambda b, h, t, c: distance(h, t, neighbour(n, t)))
        return heddle.concat([one(n) for n in range(count)])

    def values(p, v):
        return sum((p[..., n:n + 1] * moved(v, n) for n in range(1, count)), p[..., :1] * moved(v, 0))
    return heddle.spec(dict(fused=fused, scores=scores, weights=lambda s: heddle.softmax(s), values=values)[part])


def reference(q=None, k=None, v=None, s=None, p=None, bias=None, shape=(), window=(), dilation=None, causal=None, part="fused"):
    if part == "weights":
        return _plain.softmax(s)
    near, dilation, causal = [], dilation or [1] * len(shape), causal or [False] * len(shape)
    for x in np.ndindex(*shape):
        axes = []
        for at, length, w, d, past in zip(x, shape, window, dilation, causal):
            group = list(range(at % d, length, d))
            first = max(at // d - w + 1, 0) if past else min(max(at // d - w // 2, 0), len(group) - w)
            axes.append(group[first:at // d + 1] if past else group[first:first + w])
        near.append([(np.ravel_multi_index(y, shape), tuple((b - a) // d + w - 1 for a, b, d, w in zip(x, y, dilation, window)))
                     for y in itertools.product(*axes)])
    if part == "values":
        return np.concatenate([p[:, :, t:t + 1] @ v[:, :, [y for y, _ in own]] for t, own in enumerate(near)], 2)
    table = np.zeros((q.shape[1], *(2 * w for w in window))) if bias is None else bias
    rows = [np.stack([(q[:, :, t] * k[:, :, y]).sum(-1) * q.shape[3] ** -0.5 + table[(slice(None), *r)] for y, r in own], -1) for t, own in enumerate(near)]
    if part == "scores":
        return np.stack(rows, 2)
    o = [_plain.softmax(s)[:, :, None] @ v[:, :, [y for y, _ in own]] for s, own in zip(rows, near)]
    return np.concatenate(o, 2), np.stack([np.log(np.exp(s).sum(-1)) for s in rows], 2)


def case(name, shape, window, bias=True, dtype="f32", arrays=("q", "k", "v"), **options):
    drawn = {each: (1, 2, int(np.prod(shape)), int(np.prod(window)) if each in "sp" else 64 if dtype == "bf16" else 32) for each in arrays}
    table = {"bias": lambda g: g.standard_normal((2, *(2 * w - 1 for w in window)), np.float32)} if bias else {}
    return Case(name, drawn, table, dict(shape=shape, window=window, **options), dtype)


UNFUSED = [case(part, (9, 14), (3, 3), part == "scores", arrays=arrays, dilation=(1, 2), part=part)
           for part, arrays in (("scores", "qk"), ("weights", "s"), ("values", "pv"))]
CASES = (case("2-D", (12, 16), (5, 5), False, "bf16", dilation=(2, 1)), case("1-D", (150,), (13,)), case("2-D biased", (9, 14), (3, 5), dilation=(2, 2)),
         case("3-D, causal frames", (4, 6, 8), (2, 3, 3), False, causal=(True, False, False)), *UNFUSED)
