"""Grouped-query attention: G heads of keys and values for H heads of q.

    O_h = softmax(scale Q_h K_g^T + bias) V_g,  g = floor(h / (H / G))

Ainslie et al. 2023, "GQA: Training Generalized Multi-Query Transformer Models from Multi-Head Checkpoints". G = H is MHA, G = 1 is
MQA; the paper's default is 8. It is used in the decoder: causal self-attention, and cross-attention (`causal=False`). `bias`, an
array (H, 2 R - 1), is T5's kind of relative bias, read at column j - i + R - 1 clipped to its ends (its buckets are a table of
this kind). T5 has no 1 / sqrt(d): `scale=1`. Making the heads of a group from a trained MHA, by their mean, is outside.

Generating, one tile of a group's keys is read once for its H / G rows.
Compared with fla-org/flash-linear-attention @ 0.6.0, ops/attn/naive.py: max error 7e-7 of 3 (f32, heads 8 and 2, 2x8x90x32).
"""

import numpy as np

import heddle

from . import Case, _plain, cached


def spec(bias=None, causal=True, scale=None):
    reach = 0 if bias is None else bias.shape[1] // 2

    @heddle.spec
    def gqa(q, k, v):
        past = k.shape[2] - q.shape[2] if causal else 0

        def biased(s, b, h, i, j):
            distance = j - i - past
            return s + bias[h, heddle.minimum(heddle.maximum(distance, -reach), reach) + reach]

        return heddle.attend(q, k, v, causal=causal, scale=scale, score_mod=None if bias is None else biased)
    return gqa


def reference(q, k, v, bias=None, causal=True, scale=None):
    s = _plain.scores(q, k, scale)
    i, j = _plain.grid(s)
    if bias is not None:
        reach = bias.shape[1] // 2
        s = s + bias[:, np.clip(j - (i if causal else np.arange(s.shape[2])[:, None]), -reach, reach) + reach]
    return _plain.softmax(s, (j <= i) | (not causal)) @ _plain.heads(v, q.shape[1])


decode = cached(spec)


def shapes(heads, groups, width=64, rows=70, keys=70):
    return dict(q=(1, heads, rows, width), k=(1, groups, keys, width), v=(1, groups, keys, width))


CASES = (
    Case("32 8", shapes(32, 8, 128), dtype="bf16", decode=True),
    Case("32 32", shapes(32, 32), dtype="bf16"),
    Case("32 1", shapes(32, 1), dtype="bf16", decode=True),
    Case("64 8", shapes(64, 8), dtype="bf16"),
    Case("T5 bias", shapes(4, 2, 32, 50, 50), dict(bias=lambda g: g.standard_normal((4, 33), np.float32)), dict(scale=1.0), decode=True),
    Case("cross", shapes(4, 2, 32, 33, 80), options=dict(causal=False)),
)
