"""Six ways to mix tokens that take attention apart: what is left of it without the exponential, the row, or the input.

    standard:   softmax(q k^T / sqrt(d)) v, causal;  static: the same with q, k of one entry of the batch for all (random or fixed text)
    joint:      (1 + x + x^2 / 2) in place of exp x, x = q.k / sqrt(d), divided by its sum
    separate:   mean of v  +  sum x v / sum x  +  sum x^2 v / sum x^2
    key_only:   sum_{j <= i} e^a_j v_j / sum_{j <= i} e^a_j, a_j = silu(q_j).k_j / sqrt(d) of the same token

Xue et al. 2025, "Deconstructing Attention: Investigating Design Principles for Effective Language Modeling". The paper's appendix divides each order by a sum
of its own; which one its code has is not known. q and k of embeddings (StaticEmbQK) are "standard" with other inputs. Static weights are
computed once for the batch: its values lie side by side as channels. `indicators`: also each row's entropy, norm, weight of the first key and largest score.
"""

import numpy as np

import heddle

from . import Case, _plain, cached

ENTROPY = heddle.Normalizer(
    reference=lambda s: s, rescale=lambda old, new: heddle.exp(old - new), stats=("lse",),
    weight=lambda s, m: (heddle.exp(s - m),) * 2 + (s * heddle.exp(s - m),), finish=lambda m, z, mean: (1.0 / z, m + heddle.log(z) - mean / z))



def order(n):  # weights x^n, divided by their sum
    return heddle.Normalizer(weight=lambda x: (x ** n if n else x * 0.0 + 1.0,) * 2, finish=lambda total: 1.0 / total)


JOINT = heddle.Normalizer(weight=lambda x: (1.0 + x + x * x * 0.5,) * 2, finish=lambda total: 1.0 / total)


def spec(variant="standard", batch=1, indicators=False, width=32):
    ones = np.ones((width, 8), np.float32)

    def attention(q, k, v):
        if variant == "separate":
            return sum((heddle.attend(q, k, v, causal=True, normalizer=order(n)) for n in (1, 2)),
                       heddle.attend(q, k, v, causal=True, normalizer=order(0)))
        if indicators:
            o, entropy = heddle.attend(q, k, v, causal=True, normalizer=ENTROPY, return_lse=True)
            lse, top = heddle.attend(q, k, v, causal=True, return_lse=True, return_max=True)[1:]
            doubled = heddle.attend(q, k, v, causal=True, scale=2 * q.shape[3] ** -0.5, return_lse=True)[1]
            first = heddle.exp((q * k[:, :, :1]).sum() * q.shape[3] ** -0.5 - lse)
            return o, entropy, heddle.exp(doubled * 0.5 - lse), first, top
        return heddle.attend(q, k, v, causal=True, normalizer=JOINT if variant == "joint" else "softmax")

    def key_only(q, k, v):
        a = (q * heddle.sigmoid(q) * k) @ ones * q.shape[3] ** -0.5  # the sum over channels, eight times
        return heddle.attend(q, k, v, causal=True, score_mod=lambda s, b, h, i, j: s * 0.0 + a[b, h, j, 0])

    def static(q, k, v):
        heads, length, e = v.shape[1:]
        o = heddle.attend(q, k, heddle.view(v, (1, heads, length, batch * e), lambda b, h, t, c: (c // e, h, t, c % e)), causal=True)
        return heddle.view(o, (batch, heads, length, e), lambda b, h, t, c: (0, h, t, b * e + c))
    return heddle.spec({"key_only": key_only, "static": static}.get(variant, attention))


def reference(q, k, v, variant="standard", batch=1, indicators=False, width=32):
    seen = np.tri(v.shape[2]) > 0
    if variant == "key_only":
        a = (q / (1 + np.exp(-q)) * k).sum(-1) / np.sqrt(q.shape[3])
        return _plain.softmax(np.broadcast_to(a[:, :, None], (*a.shape, a.shape[2])), seen) @ v
    x = _plain.scores(q, k)
    w = {0: seen * 1.0, 1: x * seen, 2: x ** 2 * seen}
    if variant in ("joint", "separate"):
        return sum(each @ v / each.sum(-1, keepdims=True) for each in ([w[0] + w[1] + w[2] / 2] if variant == "joint" else w.values()))
    p = _plain.softmax(x, seen)
    entropy = -(p * np.log(p, where=p > 0, out=np.zeros_like(p))).sum(-1)
    return (p @ v, entropy, (p ** 2).sum(-1) ** 0.5, p[..., 0], np.where(seen, x, -np.inf).max(-1)) if indicators else p @ v


decode = cached(spec)
QKV = {name: (2, 3, 70, 32) for name in "qkv"}
POSITIVE = QKV | {name: lambda g: g.random((2, 3, 70, 32), np.float32) for name in "qk"}
CASES = (
    Case("standard", QKV, dtype="bf16", decode=True), Case("indicators", QKV, options=dict(indicators=True)),
    Case("static", QKV | {each: (1, 3, 70, 32) for each in "qk"}, options=dict(variant="static", batch=2)),
    *(Case(each, POSITIVE, options=dict(variant=each), decode=each == "joint") for each in ("joint", "separate", "key_only")),
)
PARTIAL = "the spread of weights over heads, one of the paper's indicators: a score sees one head, and nothing is reduced over heads and keys"
