"""Six ways to mix tokens that take attention apart: what is left of it without the exponential, the row, or the input.

    standard:   softmax(q k^T / sqrt(d)) v, causal;  static: the same with q, k of one entry of the batch for all (random or fixed text)
    joint:      (1 + x + x^2 / 2) in place of exp x, x = q.k / sqrt(d), divided by its sum
    separate:   mean of v  +  sum x v / sum x  +  sum x^2 v / sum x^2
    key_only:   sum_{j <= i} e^a_j v_j / sum_{j <= i} e^a_j, a_j = silu(q_j).k_j / sqrt(d) of the same token

Xue et al. 2025, "Deconstructing Attention: Investigating Design Principles for Effective Language Modeling". The paper's appendix divides each order by a sum
of its own; which one its code has is not known. q and k of embeddings (StaticEmbQK) are "standard" with other inputs. Static weights are computed once
for the batch, whose values lie side by side as channels. `indicators`: also each row's entropy, norm, largest score, and weights of the first key and of those
0 to 3 before it. "spread": sum_j of the standard deviation of P_ij over heads, j being the columns v (1, 1, T, n) of an identity: blocks are added outside.
"""

import numpy as np

import heddle
from heddle import normalizers

from . import Case, _plain, cached

EXIST = np.pad(np.tri(4, dtype=np.float32), ((0, 0), (1, 0)), constant_values=1)  # of a row, by its keys


def spec(variant="standard", batch=1, indicators=False, width=32, heads=3):
    ones = np.ones((width, 8), np.float32)

    def attention(q, k, v):
        if variant == "separate":
            return sum(heddle.attend(q, k, v, causal=True, normalizer=normalizers.polynomial(orders)) for orders in ((1,), (0, 1), (0, 0, 1)))
        if indicators:
            o, entropy = heddle.attend(q, k, v, causal=True, normalizer=normalizers.ENTROPY, return_lse=True)
            lse, top = heddle.attend(q, k, v, causal=True, return_lse=True, return_max=True)[1:]
            doubled = heddle.attend(q, k, v, causal=True, scale=2 * q.shape[3] ** -0.5, return_lse=True)[1]
            keys = [heddle.view(k, k.shape, lambda b, h, t, c, n=n: (b, h, heddle.maximum(t - n, 0) if n < 4 else 0, c)) for n in (4, *range(4))]
            chosen = heddle.exp(heddle.concat([(q * each).sum(keepdims=True) for each in keys]) * q.shape[3] ** -0.5 - lse[..., None])
            chosen = chosen * heddle.view(EXIST, (k.shape[2], 5), lambda t, n: (heddle.minimum(t, 3), n))
            return o, entropy, heddle.exp(doubled * 0.5 - lse), top, chosen
        return heddle.attend(q, k, v, causal=True, normalizer=normalizers.polynomial((1.0, 1.0, 0.5)) if variant == "joint" else "softmax")

    def spread(q, k, v):
        p = heddle.attend(q, k, v, causal=True)
        mean = sum(p[:, h] for h in range(heads)) * (1 / heads)
        return heddle.sqrt(sum((p[:, h] - mean) ** 2 for h in range(heads)) * (1 / heads)).sum(keepdims=True)

    def key_only(q, k, v):
        a = (q * heddle.sigmoid(q) * k) @ ones * q.shape[3] ** -0.5  # the sum over channels, eight times
        return heddle.attend(q, k, v, causal=True, score_mod=lambda s, b, h, i, j: s * 0.0 + a[b, h, j, 0])

    def static(q, k, v):
        heads, length, e = v.shape[1:]
        o = attention(q, k, heddle.view(v, (1, heads, length, batch * e), lambda b, h, t, c: (c // e, h, t, c % e)))
        return heddle.view(o, (batch, heads, length, e), lambda b, h, t, c: (0, h, t, b * e + c))
    return heddle.spec({"key_only": key_only, "static": static, "spread": spread}.get(variant, attention))


def reference(q, k, v, variant="standard", batch=1, indicators=False, width=32, heads=3):
    seen = _plain.causal(q, k)
    if variant == "key_only":
        return _plain.softmax((q * _plain.sigmoid(q) * k).sum(-1)[:, :, None] / np.sqrt(q.shape[3]), seen) @ v
    x = _plain.scores(q, k)
    w = [x ** n * seen for n in range(3)]
    if variant in ("joint", "separate"):
        return sum(each @ v / each.sum(-1, keepdims=True) for each in ([w[0] + w[1] + w[2] / 2] if variant == "joint" else w))
    p = _plain.softmax(x, seen)
    if variant == "spread":
        return (p.std(1) * v[:, 0].sum(-1)[:, None]).sum(-1, keepdims=True)
    entropy, (i, j) = -(p * np.log(p, where=p > 0, out=np.zeros_like(p))).sum(-1), _plain.grid(x)
    chosen = np.stack([p[..., 0], *((p * (i - j == n)).sum(-1) for n in range(4))], -1)
    return (p @ v, entropy, (p ** 2).sum(-1) ** 0.5, np.where(seen, x, -np.inf).max(-1), chosen) if indicators else p @ v


decode = cached(spec)
QKV = {name: (2, 3, 70, 32) for name in "qkv"}
POSITIVE = QKV | {name: lambda g: g.random((2, 3, 70, 32), np.float32) for name in "qk"}
CASES = (
    Case("standard", QKV, dtype="bf16", decode=True), Case("indicators", QKV, options=dict(indicators=True)),
    Case("static", QKV | {each: (1, 3, 70, 32) for each in "qk"}, options=dict(variant="static", batch=2)),
    Case("spread", QKV | dict(v=lambda g: np.eye(72, dtype=np.float32)[None, None, :70]), options=dict(variant="spread")),
    *(Case(each, POSITIVE, options=dict(variant=each), decode=each == "joint") for each in ("joint", "separate", "key_only")),
)
