"""The four ways in which CAB's tasks call attention, and those backbones of its library that can be said.

    NS: self, both directions.  CS: self, causal.  NC: a decoder's rows over a source.  CC: the same, row i over the first i + 1 of it

Zhang et al. 2022, "CAB: Comprehensive Attention Benchmarking on Long Sequence Modeling". `operator`: softmax (all four); local (NS: centred, CS: the last ones,
`window` 15); abc (all four): slots `ck`, `cv` (H, n, d), n = 16; kb = softmax_tokens(k ck) k and vb likewise of v, o = softmax(q kb^T / sqrt(d)) vb; causal pools
are running ones, as GSA's (released causal code forgets earlier steps); performer (NS, NC, CC): features exp(w.x - |x|^2 / 2), `ck` (H, n, d) being w,
without eps and maxima (which cancel but for it); cosformer (NS, NC): relu(x) times cos and sin of pi t / 2 M, M the longer length, t < `length`.
Not in this row, which is the four patterns: its backbones Nystromformer (a matrix inverse), ProbSparse (choosing rows), S4D (long convolutions), LARA
(samples) and LongShort (pools of chunks).
Compared with Shark-NLP/CAB @ 0e49696, abc.py (NS) and cosformer.py (NS, NC): max error 6e-7 (f32, 2x2x60x16).
"""

import numpy as np

import heddle
from heddle import feature_maps

from . import Case, _plain


def spec(ck=None, cv=None, operator="softmax", pattern="NS", window=15, length=4096):
    causal, seen = pattern[0] == "C", "top-left" if pattern[0] == "C" else False
    at = None if pattern == "CS" else (lambda i: i) if causal else "end"

    def pooled(slots, x):
        return heddle.attend(heddle.view(slots, (x.shape[0], *slots.shape), lambda b, h, t, c: (h, t, c)), x, x, scale=1.0)

    def read(rows, keys, values, scale=1.0):
        return heddle.recur(rows, keys, values, at=at, scale=scale)

    def running(q, k, v):
        weights, shares, ones = heddle.exp(k @ ck.T), heddle.exp(v @ cv.T), v[..., :8] * 0.0 + 1.0
        row = heddle.view(ones, (*q.shape[:3], 8), lambda b, h, t, c: (0, 0, 0, 0)) * 0.125
        p = heddle.softmax(read(q, k, weights, q.shape[3] ** -0.5) / read(row, ones, weights))
        return read(p / read(row, ones, shares), shares, v)

    @heddle.spec
    def cab(q, k, v):
        if operator in ("softmax", "local"):
            near = (window - 1, 0) if causal else (window // 2, window // 2)
            return heddle.attend(q, k, v, causal=seen, window=near if operator == "local" else None)
        if operator == "abc":
            return running(q, k, v) if causal else heddle.attend(q, pooled(ck, k), pooled(cv, v))
        made = feature_maps.positive_random(ck.T) if operator == "performer" else feature_maps.cos_weighted(heddle.maximum(q.shape[2], k.shape[2]), length)
        return heddle.recur(q, k, v, feature_map=made, normalizer="sum", at=at)
    return cab


def reference(q, k, v, ck=None, cv=None, operator="softmax", pattern="NS", window=15, length=4096):
    i, j = _plain.places(q.shape[2])[:, None], np.arange(k.shape[2])
    seen = (j <= i) | (pattern[0] != "C")
    if operator in ("softmax", "local"):
        return _plain.attention(q, k, v, seen & ((abs(i - j) < (window if pattern == "CS" else window // 2 + 1)) | (operator == "softmax")))
    if operator == "abc":  # the pools of each row, over what it sees
        pools = [_plain.softmax(np.einsum("bhjd,hnd->bhnj", x, c)[:, :, :, None], seen) @ x[:, :, None] for x, c in ((k, ck), (v, cv))]
        return np.einsum("bhin,bhnie->bhie", _plain.softmax(np.einsum("bhid,bhnid->bhin", q, pools[0]) / np.sqrt(q.shape[3])), pools[1])
    if operator == "performer":
        f = np.einsum("bhin,bhjn->bhij", *(np.exp(np.einsum("bhic,hnc->bhin", x, ck) - (x * x).sum(-1, keepdims=True) / 2) for x in (q, k)))
    if operator == "cosformer":
        f = np.maximum(q, 0) @ np.maximum(k, 0).swapaxes(-1, -2) * np.cos(np.pi / 2 * (i - j) / max(q.shape[2], k.shape[2]))
    return f * seen @ v / (f * seen).sum(-1, keepdims=True)


def case(operator, pattern, length=90):
    learned = dict.fromkeys(("ck", "cv"), lambda g: g.standard_normal((2, 16, 32), np.float32) / 4) if operator in ("abc", "performer") else {}
    shapes = {each: (1, 2, 60 if each == "q" and pattern[1] == "C" else 90, 32) for each in "qkv"}
    return Case(f"{operator} {pattern}", shapes, learned, dict(operator=operator, pattern=pattern, length=length))


TICKED = {"softmax": "NS CS NC CC", "local": "NS CS", "abc": "NS CS NC CC", "performer": "NS NC CC", "cosformer": "NS NC"}
CASES = tuple(case(operator, pattern) for operator, patterns in TICKED.items() for pattern in patterns.split())
