"""Neighborhood attention on grids of 1, 2 and 3 axes, in one kernel, with the relative bias of its older form, and as unfused operators.

    o_x = softmax_y(q_x.k_y / sqrt(d) + bias_h[y - x]) v_y over the neighbours y of x: per axis w keys, equal to x modulo the dilation,
    from clamp(floor(x/d) - floor(w/2), 0, L - w) of x's dilation group on;  a causal axis: the w keys that end at x

Hassani, Hwu and Shi 2024, "Faster Neighborhood Attention". It is the rule of `gna` with a stride of 1. `bias` (H, 2 w - 1, ..) is read at grid distances
divided by the dilation. `part`: of the unfused operators "scores" are those of each token's neighbours in order (B, H, L, w^r), -inf where a causal
axis has fewer, "weights" their softmax, "values" sums over neighbours, and "inverse" sums over the rows that a token is a neighbour of,
sum_x p[x, n(x, y)] v_x, which gradients are made of. The last two are attends whose weights are read from p.
Compared with SHI-Labs/NATTEN @ 8c8729f, the mask of backends/flex.py: max error 4e-7 (f32, 2-D dilated and causal, 3-D, fused).
"""

import numpy as np

import heddle
from heddle import masks

from . import Case, _plain


def spec(bias=None, shape=(), window=(), dilation=None, causal=None, part="fused"):
    places, steps, count = [masks.coordinate(shape, axis) for axis in range(len(shape))], dilation or [1] * len(shape), int(np.prod(window))
    near, grid = masks.neighborhoods(shape, window, None, dilation, causal), (shape, window, dilation, causal)

    def distance(h, i, j):
        return (h, *((at(j) - at(i)) // step + (w - 1) for at, step, w in zip(places, steps, window)))

    def fused(q, k, v):
        return heddle.attend(q, k, v, mask_mod=near, return_lse=True, score_mod=None if bias is None else (
            lambda s, b, h, i, j: s + bias[distance(h, i, j)]))

    def scores(q, k):
        neighbour = masks.neighbor(*grid)
        many = (q.shape[0], q.shape[1], q.shape[2] * count, q.shape[3])  # the neighbours of a row, one behind the other
        rows = heddle.view(q, many, lambda b, h, t, c: (b, h, t // count, c))
        keys = heddle.view(k, many, lambda b, h, t, c: (b, h, neighbour(t % count, t // count), c))
        s = (rows * keys) @ heddle.view(np.ones((1, 1), np.float32), (q.shape[3], 8), lambda c, n: (0, 0))  # sums of products, eight times
        s = heddle.view(s, (*q.shape[:3], count), lambda b, h, t, n: (b, h, t * count + n, 0)) * q.shape[3] ** -0.5
        s = s if bias is None else s + heddle.view(bias, (1, *s.shape[1:]), lambda b, h, t, n: distance(h, t, neighbour(n, t)))
        for at in (at for at, past in zip(places, causal or ()) if past):
            s = s + heddle.view(np.array([[0], [-np.inf]], np.float32), s.shape[2:], lambda t, n: (heddle.minimum(heddle.maximum(at(neighbour(n, t)) - at(t), 0), 1), 0))
        return s

    def summed(p, v, turn):
        return heddle.attend(v[..., :8], v[..., :8], v, mask_mod=lambda b, h, i, j: near(b, h, *turn(i, j)), normalizer="none", scale=1.0,
                             score_mod=lambda s, b, h, i, j: s * 0.0 + p[b, h, turn(i, j)[0], masks.neighbor_number(*grid)(*turn(i, j))])
    return heddle.spec({"fused": fused, "scores": scores, "weights": lambda s: heddle.softmax(s), "values": lambda p, v: summed(p, v, lambda i, j: (i, j)),
                        "inverse": lambda p, v: summed(p, v, lambda i, j: (j, i))}[part])


def reference(q=None, k=None, v=None, s=None, p=None, bias=None, shape=(), window=(), dilation=None, causal=None, part="fused"):
    if part == "weights":
        return _plain.softmax(s)
    i = _plain.places((p if q is None else q).shape[2])
    seen, number = _plain.neighborhoods(i, shape, window, None, dilation, causal)
    if q is not None:
        apart = [to - at[:, None] for at, to in zip(*(np.unravel_index(x, shape) for x in (i, np.arange(seen.shape[1]))))]
        table = [np.where(seen, y // d + w - 1, 0) for y, d, w in zip(apart, dilation or [1] * len(shape), window)]
        x = np.where(seen, _plain.scores(q, k) + (0 if bias is None else bias[(slice(None), *table)]), -np.inf)
    if part == "fused":
        return _plain.softmax(x) @ v, np.log(np.exp(x).sum(-1))
    i, j = np.nonzero(seen)
    if part == "scores":
        s = np.full((*q.shape[:3], int(np.prod(window))), -np.inf)
        s[:, :, i, number[i, j]] = x[:, :, i, j]
        return s
    w = np.zeros((*p.shape[:3], seen.shape[1]))
    w[:, :, i, j] = p[:, :, i, number[i, j]]
    return (w if part == "values" else w.swapaxes(-1, -2)) @ v


def case(name, shape, window, bias=True, dtype="f32", arrays=("q", "k", "v"), **options):
    drawn = {each: (1, 2, int(np.prod(shape)), int(np.prod(window)) if each in "sp" else 64 if dtype == "bf16" else 32) for each in arrays}
    return Case(name, drawn, {"bias": (2, *(2 * w - 1 for w in window))} if bias else {}, dict(shape=shape, window=window, **options), dtype)


UNFUSED = [case(f"{part}{' causal' if causal else ''}", (9, 14), (3, 3), part == "scores", arrays=arrays, dilation=(1, 2), causal=causal, part=part)
           for part, arrays in (("scores", "qk"), ("weights", "s"), ("values", "pv"), ("inverse", "pv")) for causal in (None, (True, False))]
CASES = (case("2-D", (12, 16), (5, 5), False, "bf16", dilation=(2, 1)), case("1-D", (150,), (13,)), case("2-D biased", (9, 14), (3, 5), dilation=(2, 2)),
         case("3-D, causal frames", (4, 6, 8), (2, 3, 3), False, causal=(True, False, False)), *UNFUSED)
