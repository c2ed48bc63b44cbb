"""Sparse query attention: fewer heads of q than the width of the model has room for.

    q (B, Hq, T, c), k, v (B, Hkv, T, c):  o = softmax(q k^T / sqrt(c) + mask) v, heads paired by whichever count is larger

Filipek 2025, "Sparse Query Attention (SQA)". Work on scores scales with Hq / H where MHA would have H heads; the cache with Hkv. Of
H = 16: SQA (8, 4), symmetric sSQA (8, 8), xSQA (4, 4), xSMQA (4, 1). `reverse=True` is for Hkv a multiple of Hq: each head of q is
read by several heads of keys, and the result has Hkv heads. `window`: Flex-SQA, a sliding window. `rotary`: the base of rotary
positions in q and k (None: none inside), for up to `length` tokens. The output projection takes Hq c columns, not the model's width.
Compared with RxAI-dev/RxNN @ cafcc7d, transformers/attention.py: max error 2e-7 (f32, heads 4 and 2, 2x4x70x32).
"""

import heddle

from . import Case, _plain, cached


def spec(causal=True, window=None, reverse=False, rotary=10000.0, length=4096):
    @heddle.spec
    def sqa(q, k, v):
        if rotary:
            q, k = heddle.positions.rotary(q, k, heddle.positions.rotary_tables(length, q.shape[3], rotary))
        if reverse:
            heads, mine = k.shape[1], q.shape[1]
            q = heddle.view(q, (q.shape[0], heads, *q.shape[2:]), lambda b, h, t, c: (b, h * mine // heads, t, c))
        return heddle.attend(q, k, v, causal=causal, window=window and (window - 1, 0 if causal else window - 1))
    return sqa


def reference(q, k, v, causal=True, window=None, reverse=False, rotary=10000.0, length=4096):
    count = max(q.shape[1], k.shape[1])
    if rotary:
        q, k = _plain.rope(q, rotary), _plain.rope(k, rotary)
    q, k, v = (_plain.heads(x, count) for x in (q, k, v))
    s = _plain.scores(q, k)
    i, j = _plain.grid(s)
    seen = (j <= i) | (not causal)
    return _plain.softmax(s, seen & (abs(i - j) < (window or 1 << 30))) @ v


decode = cached(spec)


def shapes(hq, hkv, t=70):
    return dict(q=(2, hq, t, 32), k=(2, hkv, t, 32), v=(2, hkv, t, 32))


CASES = (
    Case("SQA 8 4", shapes(8, 4), options=dict(length=70), dtype="bf16", decode=True),
    Case("xSMQA 4 1 encoder", shapes(4, 1), options=dict(causal=False, rotary=None)),
    Case("reverse 2 8", shapes(2, 8), options=dict(reverse=True, length=70), decode=True),
    Case("flex", shapes(4, 4, 100), options=dict(window=17, length=100)),
)
