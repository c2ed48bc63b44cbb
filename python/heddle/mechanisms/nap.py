"""Normalized attention pooling: scores of a row are standardised, and the weights are what comes out, of any sign.

    mu_i, sd_i: mean and standard deviation of s_ij = q_i.k_j over the keys that i sees;  P_ij = g_h (s_ij - mu_i) / (sd_i + 1e-3) + b_h
    o_i = sum_j P_ij v_j

Richter and Wattenhofer 2020, "Normalized Attention Without Probability Cage". g (1 at the start) and b (0) are learned, one per head. No scale, which
would cancel; eps is added to the deviation. LayerNorm and GELU of the heads side by side, in front of the output matrix, are outside.
Rows of weights add up to b_h n_i. `lengths` (B,) pads keys; `causal` is no part of the paper. `form="linear"` is the same in linear time: with
S = sum_j k_j [v_j | k_j | 1]^T, q S = [sum s v | sum s k | sum s], and sum_j s_ij^2 = q . sum_j s_ij k_j; moments are float32, and
variance is a difference of them in both forms: scores with a mean far above their deviation lose digits.
Compared with OliverRichter/normalized-attention @ 0ea196d, normalize_masked: max error 2e-5 of 59 (f32, padded, 2x4x90x32).
"""

import numpy as np

import heddle

from . import Case, _plain


def standardised(gain, bias):
    def finish(total, squares, count, b, h, i):
        mean = total / count
        factor = gain[h] / (heddle.sqrt(heddle.maximum(squares / count - mean * mean, 0.0)) + 1e-3)
        return factor, bias[h] - factor * mean
    return heddle.Normalizer(weight=lambda s: (s, 1.0, s, s * s, 1.0), finish=finish, weights=2)


def spec(gain, bias, causal=False, form="scores"):
    made = standardised(gain, bias)

    def scores(q, k, v, lengths):
        return heddle.attend(q, k, v, causal=causal, kv_lengths=lengths, scale=1.0, normalizer=made)

    def linear(q, k, v, count):
        k = k - k[:, :, :1]  # which moves the scores of a row alike
        at, ones = None if causal else "end", k[..., :8] * 0.0 + 1.0
        wide, width = v.shape[3], k.shape[3]
        sums = heddle.recur(q, k, heddle.concat([v, k, ones]), at=at, scale=1.0)
        plain = heddle.recur(q[..., :8] * 0.0 + 0.125, ones, v, at=at, scale=1.0)
        n = count[:, None, :, None]
        mean = sums[..., wide + width:wide + width + 1] / n
        squares = (sums[..., wide:wide + width] * q).sum(keepdims=True) / n
        factor = gain[:, None, None] / (heddle.sqrt(heddle.maximum(squares - mean * mean, 0.0)) + 1e-3)
        return factor * (sums[..., :wide] - mean * plain) + bias[:, None, None] * plain
    return heddle.spec(scores if form == "scores" else linear)


def reference(q, k, v, gain, bias, lengths=None, count=None, causal=False, form="scores"):
    s = _plain.scores(q, k, 1.0)
    i, j = _plain.grid(s)
    seen = ((j <= i) | (not causal)) & (True if lengths is None else j < lengths[:, None, None, None]) & (s == s)
    n = seen.sum(-1, keepdims=True)
    mean = (s * seen).sum(-1, keepdims=True) / n
    deviation = (((s - mean) ** 2 * seen).sum(-1, keepdims=True) / n) ** 0.5
    return ((gain[:, None, None] * (s - mean) / (deviation + 1e-3) + bias[:, None, None]) * seen) @ _plain.heads(v, q.shape[1])


def case(name, padded=(90, 90), **options):
    arrays = {each: (2, 4, 90, 32) for each in "qkv"}
    more = {"lengths": lambda g: np.array(padded, np.int32)}
    if options.get("form") == "linear":
        more = {"count": lambda g: np.tile(np.arange(1, 91, dtype=np.float32) if options.get("causal") else np.full(90, 90, np.float32), (2, 1))}
    return Case(name, arrays | more, dict(gain=lambda g: g.uniform(0.5, 2, 4).astype(np.float32), bias=lambda g: g.standard_normal(4, np.float32)), options)


CASES = (case("full"), case("padded", (90, 40)), case("causal", causal=True), case("linear", form="linear"),
         case("linear causal", causal=True, form="linear"))
