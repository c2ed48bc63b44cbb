"""Focused linear attention: features that point where their largest channels do, and a depthwise convolution of v beside them.

    f(x) = |y| y^p / |y^p|,  y = (relu(x) + 1e-6) / softplus(s);   o = f(q) (f(k)^T v) / (f(q).sum_j f(k_j) + 1e-6 n) + conv5x5(v)

Han et al. 2023, "FLatten Transformer: Vision Transformer using Focused Linear Attention". q, k, v (B, n, C) with all heads side by side: norms run over all C
channels before heads are split, as in released code. `s` (C,) and `place` (n, C), which is added to k, are learned; p = 3. `kernel` (5, 5, d)
is one filter for the d channels of every head, over the map of `shape`. Keys may be of a smaller map (PVT): then v is brought to n positions
for the convolution by linear interpolation along tokens (`keys`: how many). The result is (B, H, n, d). Two passes: one sums keys and values, one reads.
Compared with LeapLabTHU/FLatten-Transformer @ abdb115, flatten_swin.py (conv bias 0): max error 4e-7 (f32, 2x144x48).
"""

import numpy as np

import heddle

from . import Case, _plain


def spec(s, place, kernel, heads=3, p=3, shape=(14, 14), keys=None):
    def focused(x):
        y = (heddle.maximum(x, 0.0) + 1e-6) / heddle.gates.softplus(s)
        powered = y ** p
        return powered * heddle.sqrt((y * y).sum(keepdims=True) / (powered * powered).sum(keepdims=True))

    n, m = shape[0] * shape[1], keys or shape[0] * shape[1]
    at = np.maximum((np.arange(n) + 0.5) * (m / n) - 0.5, 0.0)
    low, part = np.floor(at).astype(np.int32), (at - np.floor(at)).astype(np.float32)[:, None]

    def along(x):
        """x of m tokens as one of n, by linear interpolation (ends not aligned)."""
        sizes = (x.shape[0], heads, n, x.shape[3])
        first, second = (heddle.view(x, sizes, lambda b, h, t, c, step=step: (b, h, heddle.minimum(low[t] + step, m - 1), c)) for step in (0, 1))
        return first * (1.0 - part) + second * part

    @heddle.spec
    def flatten(q, k, v):
        q, k, values = (heddle.heads.split(x, heads) for x in (focused(q), focused(k + place), v))
        o, mass = heddle.recur(q, k, values, feature_map=heddle.feature_maps.as_it_is, at="end",
                               normalizer="sum", return_mass=True)
        o = o * (mass / (mass + m * 1e-6))[..., None]
        return o + heddle.convolutions.grid(along(values) if keys else values, kernel, *shape)
    return flatten


def reference(q, k, v, s, place, kernel, heads=3, p=3, shape=(14, 14), keys=None):
    def focused(x):
        y = (np.maximum(x, 0) + 1e-6) / np.log1p(np.exp(s))
        return np.linalg.norm(y, axis=-1, keepdims=True) * y ** p / np.linalg.norm(y ** p, axis=-1, keepdims=True)

    def split(x):
        return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)
    q, k, v = _plain.picked(split(focused(q))), split(focused(k + place)), split(v)
    weights = q @ k.swapaxes(-1, -2)
    o = weights @ v / (weights.sum(-1, keepdims=True) + 1e-6 * k.shape[2])
    n, m = shape[0] * shape[1], k.shape[2]
    at = np.clip((np.arange(n) + 0.5) * m / n - 0.5, 0, m - 1)
    full = v if m == n else np.maximum(1 - abs(at[:, None] - np.arange(m)), 0) @ v
    around = np.pad(full.reshape(*v.shape[:2], *shape, -1), ((0, 0), (0, 0), (2, 2), (2, 2), (0, 0)))
    for y, x in np.ndindex(5, 5):
        o = o + kernel[y, x] * _plain.picked(around[:, :, y:y + shape[0], x:x + shape[1]].reshape(full.shape))
    return o


def case(name, shape, keys=None):
    n = shape[0] * shape[1]
    return Case(name, dict(q=(2, n, 48), k=(2, keys or n, 48), v=(2, keys or n, 48)), dict(s=(48,), place=(keys or n, 48), kernel=(5, 5, 16)),
                dict(shape=shape, keys=keys))


CASES = (case("map", (10, 12)), case("smaller keys", (10, 12), 30))
