"""Normalized attention: linear attention divided by a learned function of the row's own token, not by a sum.

    o_i = eta(n_i) sum_{j<=i} (q_i.k_j) v_j,  eta(n) = exp(-n), 1 / softplus(n), or 1 + exp(-n);   n_i = w_h.x_i

Sieber et al. 2024, "Understanding the differences in Foundation Models: Attention, State Space Models, and Recurrent Neural Networks". They
write attention, state space models and recurrent networks as h_i = Lambda_i h_{i-1} + B_i u_i, y_i = C_i h_i + D_i u_i, and this one is what
they propose. q, k (B, H, T, d), v (B, H, T, e), n (B, H, T); no 1 / sqrt(d). `eta`: "exp", "softplus", "one plus exp". The baselines that are
attention: "softmax", and "sum" (features elu + 1, divided by their sum), without n; "gated" has Lambda as logarithms n (B, H, T, d) for each
channel of the state, as Mamba-2 and Hawk do for a scalar B. The eigenvalues of Lambda that they look at are exp(n).
Compared with jsie7/ssm-benchmark @ 3c4337f, models/transformer.py: max error 6e-7 of the largest (f32, every eta, 2x8x130x16).
"""

import numpy as np

import heddle
from heddle import feature_maps, gates

from . import Case, _plain, cached, recurrent, stepped


def spec(eta="exp", stream=None):
    factor = {"exp": lambda n: heddle.exp(-n), "softplus": lambda n: 1.0 / gates.softplus(n), "one plus exp": lambda n: 1.0 + heddle.exp(-n)}.get(eta)

    def normalized(recur, q, k, v, n):
        return recur(q, k, v, scale=1.0) * factor(n)[..., None]

    def gated(recur, q, k, v, n):
        return recur(q, k, v, gate=n, scale=1.0)

    def divided(recur, q, k, v):
        return recur(q, k, v, feature_map=feature_maps.elu_plus_one, normalizer="sum")

    def attention(q, k, v):
        return heddle.attend(q, k, v, causal=True)
    if eta == "softmax":
        return heddle.spec(attention)
    return recurrent({"gated": gated, "sum": divided}.get(eta, normalized), stream)


def reference(q, k, v, n=None, eta="exp"):
    seen = _plain.causal(q, k)
    if eta == "softmax":
        return _plain.attention(q, k, v, seen)
    if eta == "gated":
        return _plain.recurrence(q, k, v, n)
    if eta == "sum":
        q, k = (_plain.FEATURES["elu"](x) for x in (q, k))
        weights = q @ k.swapaxes(-1, -2) * seen
        return weights / weights.sum(-1, keepdims=True) @ v
    factor = {"exp": np.exp(-n), "softplus": 1 / np.log1p(np.exp(n)), "one plus exp": 1 + np.exp(-n)}[eta]
    return factor[..., None] * (q @ k.swapaxes(-1, -2) * seen @ v)


def decode(eta, **given):
    return (cached(spec) if eta == "softmax" else stepped(spec, ("q", "k", "v", "n")))(eta=eta, **given)


def case(eta, dtype="f32", **more):
    return Case(eta, dict(q=(2, 8, 130, 8), k=(2, 8, 130, 8), v=(2, 8, 130, 16)) | more, options=dict(eta=eta), dtype=dtype, decode=True)


CASES = (case("exp", n=(2, 8, 130)), case("softplus", n=(2, 8, 130)), case("one plus exp", "bf16", n=(2, 8, 130)), case("softmax"), case("sum"),
         case("gated", n=lambda g: -np.abs(g.standard_normal((2, 8, 130, 8), np.float32)) / 5))
