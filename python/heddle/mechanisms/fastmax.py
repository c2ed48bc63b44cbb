"""Fastmax: a polynomial of the score in place of its exponential.

    f(s) = a0 + a1 s / t + a2 s^2 / t^2,  s = q.k (1, 1, 1/2 and t = 1: the series of exp);  o_i = sum_j f(s_ij) v_j / sum_j f(s_ij)

Gerami et al. 2024, "FAST: Factorizable Attention for Speeding up Transformers". q, k (B, H, T, d), v (B, H, T, e), no 1 / sqrt(d). Order 1 is `coefficients` of two numbers:
weights may be negative unless |s| <= 1; those of order 2 are at least 1/2. `norm`: "sequence" brings the longest row of q, and of k, to length `limit`
(a maximum over all tokens, not causal), "token" every row. `form`: "state" sums 1 + d + d (d + 1) / 2 features of keys times values, at most 512
(so d <= 30 for order 2), in linear time; "scores" is the same over pairs, in linear memory, and has `relative` (2 T - 1, d), rows r of relative
positions that are added as q_i.r[i - j + T - 1] to s. Dropout of the factors is outside. The state needs no T d^2 array: features are made in the
kernel.
Compared with armingerami/fastmax @ 28eb11a, example.py: max error 2e-6 of 3 (f32, orders 1 and 2, 2x2x90x16).
"""

import numpy as np

import heddle
from heddle import feature_maps, normalizers

from . import Case, _plain


def spec(relative=None, coefficients=(1.0, 1.0, 0.5), temperature=1.0, causal=False, norm=None, limit=1.0, form="state", width=32):
    scaled = tuple(c / temperature ** n for n, c in enumerate(coefficients))
    ones, reach = np.ones((width, 8), np.float32), 0 if relative is None else len(relative) // 2
    table = None if relative is None else np.pad(relative, ((0, -len(relative) % 8), (0, 0))).T.copy()

    def bounded(x):
        lengths = (x * x).astype("f32") @ ones  # squared, eight times
        if norm == "sequence":
            longest = heddle.attend(x[:, :, :1].astype("f32"), x.astype("f32"), lengths, normalizer=normalizers.HARD,
                                    score_mod=lambda s, b, h, i, j: s * 0.0 + lengths[b, h, j, 0])
            return (x.astype("f32") * (limit / heddle.sqrt(longest[..., :1]))).astype(x.dtype)
        return (x.astype("f32") * (limit / heddle.sqrt(lengths[..., :1]))).astype(x.dtype)

    @heddle.spec
    def fastmax(q, k, v):
        q, k = (bounded(q), bounded(k)) if norm else (q, k)
        if form == "state":
            return heddle.recur(q, k, v, feature_map=feature_maps.polynomial(width, scaled), normalizer="sum", at=None if causal else "end")
        moved = None if relative is None else q @ table
        return heddle.attend(q, k, v, causal=causal, scale=1.0, normalizer=normalizers.polynomial(scaled), score_mod=None if relative is None else (
            lambda s, b, h, i, j: s + moved[b, h, i, i - j + reach]))
    return fastmax


def reference(q, k, v, relative=None, coefficients=(1.0, 1.0, 0.5), temperature=1.0, causal=False, norm=None, limit=1.0, form="state", width=32):
    if norm:
        lengths = [np.linalg.norm(x, axis=-1, keepdims=True) for x in (q, k)]
        q, k = (limit * x / (n.max(2, keepdims=True) if norm == "sequence" else n) for x, n in zip((q, k), lengths))
    s = _plain.scores(q, k, 1.0)
    i, j = _plain.grid(s)
    if relative is not None:
        s = s + np.einsum("bhic,ijc->bhij", q, relative[i - j + len(relative) // 2])
    f = sum(c * (s / temperature) ** n for n, c in enumerate(coefficients)) * ((j <= i) | (not causal))
    return f @ v / f.sum(-1, keepdims=True)


def case(name, width=16, dtype="f32", relative=False, **options):
    arrays = {each: (2, 2, 90, width) for each in "qk"} | dict(v=(2, 2, 90, 32))
    return Case(name, arrays, dict(relative=(179, width)) if relative else {}, dict(width=width, **options), dtype)


CASES = (case("order 2", causal=True), case("order 2, all", norm="sequence", coefficients=(1.0, 0.5, 2.0), temperature=2.0),
         case("order 1", 32, norm="token", coefficients=(1.0, 1.0), causal=True, limit=0.9), case("order 1, all", 32, norm="sequence", coefficients=(1.0, 1.0)),
         case("pairs", 32, "bf16", form="scores", causal=True), case("relative", 32, relative=True, form="scores"))
