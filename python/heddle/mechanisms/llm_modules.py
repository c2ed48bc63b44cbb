"""Enhanced cross-attention of LLM Modules: a small model reads a large frozen one, through an adapter and a gate.

    c = softmax(q k^T / sqrt(d) + mask) v, heads side by side;  a = c W_o;  a = a + LN(gelu(a W_1) W_2)
    g = sigmoid([x | a] W_g);  x <- x + g a + (1 - g) x

Kolomeitsev 2025, "LLM Modules: Knowledge Transfer from a Large to a Small Model using Enhanced Cross-Attention". 8 heads of 96 for a width of
768, an adapter of 256. q comes from LN(x), k and v from LN(y), projected outside; x (B, T, D). `mask`: "none", "padding" (`lengths` (B,) of
y) or "causal". The released model pads only, so that training reads y at later positions than generating can. W_o, W_1, W_2 and W_g are
here without biases, LN with a gain of 1. `part="small"`: the attention of the small model (GPT-Neo), causal, with no scale, its
local layers with a window of 256.
Compared with k-kolomeitsev/LLM-Modules @ 0af5417, EnhancedCrossAttentionLayer (biases 0): max error 1e-6 of 7 (f32, 2x50x64).
"""

import math

import numpy as np

import heddle

from . import Case, _plain, cached


def spec(wo=None, w1=None, w2=None, wg=None, part="block", mask="none", window=None):
    def block(q, k, v, x, lengths=None):
        c = heddle.attend(q, k, v, causal=mask == "causal", kv_lengths=lengths)
        a = heddle.heads.join(c, x.shape[2]) @ wo
        hidden = a @ w1
        a = a + heddle.norms.layer((hidden * 0.5 * (1.0 + heddle.erf(hidden * math.sqrt(0.5)))) @ w2)
        gate = heddle.sigmoid(heddle.concat([x, a]) @ wg)
        return x + gate * a + (1.0 - gate) * x

    def plain(q, k, v, x):
        return block(q, k, v, x)

    def small(q, k, v):
        return heddle.attend(q, k, v, causal=True, scale=1.0, window=window and (window - 1, 0))
    return heddle.spec(small if part == "small" else block if mask == "padding" else plain)


def reference(q, k, v, x=None, lengths=None, wo=None, w1=None, w2=None, wg=None, part="block", mask="none", window=None):
    i, j = _plain.grid(_plain.scores(q, k))
    if part == "small":
        return _plain.attention(q, k, v, (j <= i) & (j > i - (window or 1 << 30)), 1.0)
    seen = (j <= i) if mask == "causal" else j < lengths[:, None, None, None] if mask == "padding" else True
    a = _plain.attention(q, k, v, seen).swapaxes(1, 2).reshape(x.shape) @ wo
    hidden = a @ w1
    y = (hidden * 0.5 * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2)))) @ w2
    a = a + (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + 1e-5)
    gate = _plain.sigmoid(np.concatenate([x, a], -1) @ wg)
    return x + gate * a + (1 - gate) * x


decode = cached(spec)


def case(mask, arrays=None, **more):
    def weight(*shape):
        return lambda g: g.standard_normal(shape, np.float32) / np.float32(shape[0] ** 0.5)
    given = dict(q=(2, 2, 60, 32), k=(2, 2, 60, 32), v=(2, 2, 60, 32), x=(2, 60, 64)) | (arrays or {})
    return Case(mask, given, dict(wo=weight(64, 64), w1=weight(64, 32), w2=weight(32, 64), wg=weight(128, 64)), dict(mask=mask), **more)


CASES = (case("causal"), case("none"), case("padding", dict(lengths=lambda g: np.array([60, 33], np.int32))),
         Case("GPT-Neo", {name: (1, 2, 90, 64) for name in "qkv"}, options=dict(part="small", window=16), dtype="bf16", decode=True))
