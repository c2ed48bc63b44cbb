"""Attention Surgery: softmax over every R-th token and learned linear attention over the rest, under one denominator.

    y_i = (sum_{j mod R = 1} exp(s_ij - c_i) v_j + f_q(q_i) sum_{else} f_k(k_j)^T v_j) / (the same without v),  s_ij = q_i.k_j / sqrt(d)
    f(x) = [psi_1(x), psi_2(x)^2, .., psi_P(x)^P],  psi of all powers one small network:  then(relu(x W + b) U)

Ghafoorian et al. 2025, "Attention Surgery: An Efficient Recipe to Linearize Your Video Diffusion Transformer"; no code is public. q, k, v (B, H, T, d), all
tokens of a video in raster order, not causal; R = 1 is softmax, R = None linear alone. c_i, the largest score among the tokens of softmax, is a
part of the result where it is subtracted (`shifted`, as in LoLCATs; the paper leaves it open). W (H, d, m), b (H, m), U (H, m, P D'). The paper also leaves open
what keeps the denominator above 0: `then` is "softplus" or "exp" here, or None, which does not. R may differ by layer: a spec for each.
"""

import numpy as np

import heddle
from heddle import feature_maps, gates, masks

from . import Case, _plain, scaled

THEN = {"softplus": gates.softplus, "exp": heddle.exp, None: lambda x: x}


def spec(wq, bq, uq, wk, bk, uk, rate=2, powers=2, then="softplus", shifted=True):
    def network(w, b, u):
        def f(x):
            y = THEN[then](feature_maps.learned(u)(feature_maps.learned(w, feature_maps.relu, b)(x)))
            width = y.shape[3] // powers
            return heddle.concat([(y[..., n * width:(n + 1) * width] ** (n + 1)).astype(x.dtype) for n in range(powers)])
        f.positive_products = then is not None
        return f
    map_q, map_k = network(wq, bq, uq), network(wk, bk, uk)

    def rest(x):
        """Features of the tokens that are not softmax's, 0 of the others."""
        if rate is None:
            return map_k(x)
        others = np.ones((rate, 1), np.float32)
        others[1] = 0
        return (map_k(x) * heddle.view(others, (x.shape[2], 1), lambda t, c: (t % rate, 0))).astype(x.dtype)
    rest.positive_products = then is not None

    @heddle.spec
    def surgery(q, k, v):
        if rate == 1:
            return heddle.attend(q, k, v)
        far, mass = heddle.recur(q, k, v, feature_map=(map_q, rest), normalizer="sum", at="end", return_mass=True)
        if rate is None:
            return far
        near, lse, top = heddle.attend(q, k, v, mask_mod=masks.every(rate, 1), return_lse=True, return_max=True)

        def weights(b, h, i):
            one, other = heddle.exp(lse[b, h, i] - (top[b, h, i] if shifted else 0.0)), mass[b, h, i]
            return other / (one + other), one / (one + other)
        return heddle.merge(far, near, weights=weights)
    return surgery


def reference(q, k, v, wq, bq, uq, wk, bk, uk, rate=2, powers=2, then="softplus", shifted=True):
    def f(x, w, b, u):
        y = np.maximum(x @ w + b[:, None], 0) @ u
        y = {"softplus": np.logaddexp(0, y), "exp": np.exp(y), None: y}[then]
        return np.concatenate([part ** (n + 1) for n, part in enumerate(np.split(y, powers, -1))], -1)
    if rate == 1:
        return _plain.attention(q, k, v)
    chosen = np.zeros(k.shape[2], bool) if rate is None else np.arange(k.shape[2]) % rate == 1
    s = np.where(chosen, _plain.scores(q, k), -np.inf)
    top = s.max(-1, keepdims=True) if shifted and rate else 0
    weights = np.where(chosen, np.exp(s - top), f(q, wq, bq, uq) @ f(k, wk, bk, uk).swapaxes(-1, -2))
    return weights @ v / weights.sum(-1, keepdims=True)


def case(name, dtype="f32", **options):
    sizes = dict(w=scaled((2, 32, 16), 0.18), b=(2, 16), u=scaled((2, 16, 32), 0.25))
    return Case(name, {x: (1, 2, 150, 32) for x in "qkv"}, {f"{n}{side}": size for side in "qk" for n, size in sizes.items()}, options, dtype)


CASES = (case("every second"), case("every eighth, 16 bits", "bf16", rate=8), case("all", rate=1), case("none, of 4 powers", rate=None, powers=4),
         case("every fourth, exp, not shifted", rate=4, then="exp", shifted=False))
