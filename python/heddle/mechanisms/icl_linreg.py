"""In-context linear regression by one layer of softmax heads with merged matrices.

    out = sum_h OV_h Z softmax(Z^T KQ_h z_q);  z = (x ; y), z_q = (x_q ; 0);  the prediction is out's last coordinate

He et al. 2025, "In-Context Linear Regression Demystified: Training Dynamics and Mechanistic Interpretability of Multi-Head Softmax Attention". z (B, 1, L, d + 1), query
(B, 1, 1, d + 1); kq, ov (H, d + 1, d + 1). No scale, no mask; the query is a key where a caller puts it into z.
`normalizer="none"` with `mean=True` is the linear attention that it is compared with: (1/L) sum_l <z_l, KQ z_q> z_l. Training finds
KQ_h = w_h diag(I, 0) and OV_h with one entry mu_h, sum_h mu_h = 0, a step of debiased gradient descent. Results: out (B, 1, d + 1) and the
heads' outputs before the sum. Channels are a multiple of 8 or are brought to one with zeros.
"""

import numpy as np

import heddle
from heddle.feature_maps import widened

from . import Case, _plain


def spec(kq, ov, normalizer="softmax", mean=False):
    heads, width = kq.shape[:2]

    @heddle.spec
    def icl(z, query):
        q = heddle.view(query, (query.shape[0], heads, 1, width), lambda b, h, t, c: (b, 0, t, c)) @ kq.T
        points = widened(z)
        o = heddle.attend(widened(q), points, points, scale=1.0, normalizer=normalizer)[..., :width]
        o = o * (1.0 / z.shape[2]) if mean else o
        each = o @ ov.T
        return sum((each[:, h] for h in range(1, heads)), each[:, 0]), o
    return icl


def reference(z, query, kq, ov, normalizer="softmax", mean=False):
    s = np.einsum("bxlc,hcd,bxqd->bhql", z, kq, query)
    o = (_plain.softmax(s) if normalizer == "softmax" else s) @ z / (z.shape[2] if mean else 1)
    return np.einsum("hcd,bhqd->bqc", ov, o), o


def case(name, length, width=6, heads=4, **options):
    def merged(g):
        return g.standard_normal((heads, width, width), np.float32) / width
    return Case(name, dict(z=(3, 1, length, width), query=(3, 1, 1, width)), dict(kq=merged, ov=merged), options)


CASES = (case("softmax", 40), case("long", 1000, 16, 2), case("linear", 40, normalizer="none", mean=True), case("short", 10))
