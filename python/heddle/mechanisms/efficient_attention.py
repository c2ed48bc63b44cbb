"""Efficient attention: q is normalised over channels, k over positions, and keys meet values before they meet rows.

    softmax:  G = softmax_t(k)^T v (d x e),  o = softmax_c(q) G;      scaling:  o = (q / sqrt n) ((k / sqrt n)^T v)

Shen et al. 2018, "Efficient Attention: Attention with Linear Complexities". q, k (B, H, n, d), v (B, H, n, e) of all positions of a map; no 1 / sqrt(d)
inside. Rows of softmax(q) softmax(k)^T are not negative and add up to 1. A column's softmax over positions, times v, is softmax attention
of the row e_c, whose score with a key is its channel c: so G is an attend of d rows, with its running maximum, and no exponential
is stored. "scaling" is the other published normaliser: dot-product attention without softmax, a sum over all keys. Projections
and the residual are outside. Bidirectional, as published.
Compared with cmsflash/efficient-attention @ 46a5f9e, efficient_attention.py: max error 1e-7 (f32, 2x2x150x32).
"""

import numpy as np

import heddle

from . import Case, _plain


def spec(normalizer="softmax", width=64):
    unit = np.eye(width, dtype=np.float32)[None, None]

    @heddle.spec
    def efficient(q, k, v):
        if normalizer == "scaling":
            return heddle.recur(q, k, v, at="end", scale=1.0) * (1.0 / k.shape[2])
        rows = heddle.view(unit.astype(k.dtype), (*k.shape[:2], width, width), lambda b, h, t, c: (0, 0, t, c))
        context = heddle.attend(rows, k, v, scale=1.0)
        return heddle.softmax(q) @ context
    return efficient


def reference(q, k, v, normalizer="softmax", width=64):
    if normalizer == "scaling":
        return q @ k.swapaxes(-1, -2) @ v / k.shape[2]
    weights = _plain.softmax(q) @ _plain.softmax(k.swapaxes(-1, -2))
    return weights @ v


CASES = (
    Case("softmax", {each: (2, 2, 300, 64) for each in "qkv"}, dtype="bf16"),
    Case("narrow", dict(q=(1, 3, 150, 32), k=(1, 3, 150, 32), v=(1, 3, 150, 48)), options=dict(width=32)),
    Case("scaling", {each: (2, 2, 150, 32) for each in "qkv"}, options=dict(normalizer="scaling")),
    Case("large scores", dict(q=(1, 2, 150, 32), k=lambda g: g.standard_normal((1, 2, 150, 32), np.float32) * 60, v=(1, 2, 150, 32)),
         options=dict(width=32)),
)
