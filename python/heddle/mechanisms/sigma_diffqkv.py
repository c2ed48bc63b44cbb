"""DiffQKV attention: keys and values have head counts and head widths of their own.

    o_h = softmax(q_h K_{ik(h)}^T / sqrt(dk) + causal) V_{iv(h)},  ik(h) = floor(h nk / nq),  iv(h) = floor(h nv / nq)

Lin et al. 2025, "Sigma: Differential Rescaling of Query, Key and Value for Efficient Language Models". q (B, nq, T, dk), k (B, nk, S, dk),
v (B, nv, S, dv); Sigma-1.5B has (nq, nk, nv) = (32, 4, 16) and heads of 64. Fewer heads of k cost less quality than fewer of v. `lift`, an
array (H or 1, dk', dk), is for keys cached at another width (dk' = dv / 2 in the ablation): they are lifted after they are read from
the cache. The wider projection of q is outside. Generating, a step reads nk dk + nv dv numbers a token.
"""

import numpy as np

import heddle

from . import Case, _plain, cached


def spec(lift=None, rotary=10000.0, length=4096):
    @heddle.spec
    def diffqkv(q, k, v):
        if lift is not None:
            k = k @ lift
        if rotary:
            q, k = heddle.positions.rotary(q, k, heddle.positions.rotary_tables(length, q.shape[3], rotary))
        return heddle.attend(q, k, v, causal=True)
    return diffqkv


def reference(q, k, v, lift=None, rotary=10000.0, length=4096):
    if lift is not None:
        k = k @ lift
    if rotary:
        q, k = _plain.rope(q, rotary), _plain.rope(k, rotary)
    return _plain.attention(q, k, v, _plain.causal(q, k))


decode = cached(spec)
CASES = (
    Case("32 4 16", dict(q=(1, 32, 60, 64), k=(1, 4, 60, 64), v=(1, 16, 60, 64)), options=dict(length=60), dtype="bf16", decode=True),
    Case("12 4 6, narrow values", dict(q=(2, 12, 60, 32), k=(2, 4, 60, 32), v=(2, 6, 60, 16)), options=dict(rotary=None)),
    Case("lifted keys", dict(q=(1, 4, 60, 32), k=(1, 2, 60, 16), v=(1, 4, 60, 32)),
         dict(lift=lambda g: g.standard_normal((2, 16, 32), np.float32) / 4), dict(length=60), decode=True),
)
