"""Linear attention with a kernel that is a small network of each head, the same for rows and keys.

    out_i = f(q_i)^T sum_j f(k_j) v_j^T / (f(q_i)^T sum_j f(k_j))
    f(x) = act(x O + b), stacked (`layers`) and with x added (`residual`);  softplus(x O) sigmoid(x U);  act(x O) sigmoid(x A B)

Yorsh and Kovalenko 2022, "Linear Self-Attention Approximation via Trainable Feedforward Kernel". q, k, v (B, H, T, d); O, U (H, d, d), A (H, d, r),
B (H, r, d), b (H, d); O orthogonal at the start, and kept so by a loss. The 1 / sqrt(d) of the paper's features cancels. `padded`: numbers of
tokens, int32 (B,), are an argument; features of what is behind them are 0. act: "softplus", "elu" (+ 1), "exp" keep weights above 0.
The related operator of the same code divides by sqrt(T) instead (`divided=False`). Not causal as published; `causal=True` is the prefix sum.
Compared with vladyorsh/lra_efficient_transformers @ ede87b9, kernels of its notebooks: max error 2e-7 (f32, 2x2x140x32); its padding still counts below.
"""

import numpy as np

import heddle
from heddle import feature_maps, gates

from . import Case, _plain, scaled

PARTIAL = "the map is not fused: kernels in front of the recurrence write x O and x U (float32); only what follows them stays in its tiles"


def spec(O, U=None, A=None, B=None, b=None, O2=None, act="softplus", residual=False, padded=False, divided=True, causal=False):
    activation = {"softplus": gates.softplus, "elu": feature_maps.elu_plus_one, "exp": heddle.exp}[act]

    def f(x):
        y = activation(feature_maps.learned(O, bias=b)(x))
        if U is not None or A is not None:
            gate = x @ U if U is not None else feature_maps.learned(B)(feature_maps.learned(A)(x))
            y = y * heddle.sigmoid(gate)
        if O2 is not None:
            y = activation(feature_maps.learned(O2)(y.astype(x.dtype))) + (y if residual else 0.0)
        return y.astype(x.dtype)
    f.positive_products = True

    def mix(q, k, v, lengths):
        def present(x):
            exists = heddle.view(np.array([[0.0], [1.0]], np.float32), (x.shape[0], 1, x.shape[2], 1), lambda b, h, t, c: (
                heddle.minimum(heddle.maximum(lengths[b] - t, 0), 1), 0))
            return (f(x) * exists).astype(x.dtype)
        present.positive_products = True
        made = heddle.recur(q, k, v, feature_map=(f, f if lengths is None else present), normalizer="sum" if divided else "none", scale=1.0,
                            at=None if causal else "end")
        return made if divided else made / heddle.sqrt(made[..., :1].astype("f32") * 0.0 + k.shape[2])

    def plain(q, k, v):
        return mix(q, k, v, None)
    return heddle.spec(mix if padded else plain)


def reference(q, k, v, O, lengths=None, U=None, A=None, B=None, b=None, O2=None, act="softplus", residual=False, padded=False, divided=True, causal=False):
    activation = {"softplus": lambda x: np.log1p(np.exp(x)), "elu": _plain.FEATURES["elu"], "exp": np.exp}[act]

    def f(x):
        y = activation(x @ O + (0 if b is None else b[:, None]))
        if U is not None or A is not None:
            y = y / (1 + np.exp(-(x @ U if U is not None else x @ A @ B)))
        return y if O2 is None else activation(y @ O2) + (y if residual else 0)
    weights = f(q) @ f(k).swapaxes(-1, -2) * (_plain.causal(q, k) | (not causal))
    if lengths is not None:
        weights = weights * (np.arange(k.shape[2]) < lengths[:, None, None, None])
    return weights @ v / (weights.sum(-1, keepdims=True) if divided else k.shape[2] ** 0.5)


QKV, SQUARE = {x: (2, 2, 140, 32) for x in "qkv"}, scaled((2, 32, 32), 0.18)
CASES = (
    Case("layer", QKV | dict(lengths=lambda g: np.array([140, 77], np.int32)), dict(O=SQUARE, b=(2, 32)), dict(padded=True)),
    Case("gated", QKV, dict(O=SQUARE, U=SQUARE), dtype="bf16"),
    Case("gate of low rank", QKV, dict(O=SQUARE, A=scaled((2, 32, 8), 0.18), B=scaled((2, 8, 32), 0.3)), dict(act="elu")),
    Case("two layers", QKV, dict(O=SQUARE, O2=scaled((2, 32, 32), 0.1)), dict(residual=True, causal=True)),
    Case("not divided", QKV, dict(O=SQUARE), dict(act="exp", divided=False)),
)
