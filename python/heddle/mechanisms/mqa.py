"""Multi-query attention: all heads of q read one head of keys and values.

    o[b, h, t] = softmax_s(q[b, h, t] . k[b, s]) v[b, s]

Shazeer 2019, "Fast Transformer Decoding: One Write-Head is All You Need". q (B, H, T, d), k (B, 1, S, d), v (B, 1, S, e); e may
differ from d. Options: `causal` (decoder) or not (encoder, cross-attention with S != T), `window` (the paper's local decoder
sees the last 32 positions). The paper's code has no 1 / sqrt(d) inside (`scale=1`); most code since has (`scale=None`, the default here).

Generating, the cache holds one head: B S (d + e) numbers for all H heads of q, which a decode kernel reads once.
Compared with fla-org/flash-linear-attention @ 0.6.0, ops/attn/naive.py: max error 1e-6 of 5 (f32, heads 8 and 1, 2x8x90x32).
"""

import heddle

from . import Case, _plain, cached


def spec(causal=True, window=None, scale=None):
    @heddle.spec
    def mqa(q, k, v):
        return heddle.attend(q, k, v, causal=causal, window=window and (window - 1, 0 if causal else window - 1), scale=scale)
    return mqa


def reference(q, k, v, causal=True, window=None, scale=None):
    s = _plain.scores(q, k, scale)
    i, j = _plain.grid(s)
    seen = (j <= i) | (not causal)
    if window:
        seen = seen & (abs(i - j) < window)
    return _plain.softmax(s, seen) @ v


decode = cached(spec)

CASES = (
    Case("causal", dict(q=(2, 8, 70, 64), k=(2, 1, 70, 64), v=(2, 1, 70, 64)), dtype="bf16", decode=True),
    Case("local decoder", dict(q=(1, 4, 90, 32), k=(1, 1, 90, 32), v=(1, 1, 90, 48)), options=dict(window=32, scale=1.0), decode=True),
    Case("cross", dict(q=(2, 4, 33, 32), k=(2, 1, 70, 32), v=(2, 1, 70, 32)), options=dict(causal=False)),
)
