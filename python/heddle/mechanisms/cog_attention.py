"""Cog Attention: weights with the sign of their score.

    W_ij = sign(s_ij) exp(|s_ij| - m_i) / sum_l exp(|s_il| - m_i),  m_i = max_l |s_il|,  s_ij = q_i.k_j / sqrt(d);  o_i = sum_j W_ij v_j

Lv et al. 2024, "More Expressive Attention with Negative Weights". Rows of |W| sum to 1, and sign(0) = 0. Rotary positions, base 10000, are in
front; the first and last layers of the released model keep softmax. Causal in the language model, bidirectional in the diffusion model
(`causal=False`), with documents in the batch (`documents=True`: a number of each token's document, (B, T)). The log of the sum of
exp|s| merges parts of the keys as in softmax.
Compared with trestad/CogAttn @ efecf29, Cogformer/attention.py (channels of its pairs reordered): max error 5e-7 (f32, 2x4x70x32).
"""

import numpy as np

import heddle
from heddle import masks

from . import Case, _plain, cached


def spec(causal=True, documents=False, rotary=10000.0, length=4096):
    def attend(q, k, v, mask):
        if rotary:
            q, k = heddle.positions.rotary(q, k, heddle.positions.rotary_tables(length, q.shape[3], rotary))
        return heddle.attend(q, k, v, causal=causal, normalizer="signed", mask_mod=mask)

    def cog(q, k, v):
        return attend(q, k, v, None)

    def packed(q, k, v, document):
        return attend(q, k, v, masks.same(document))
    return heddle.spec(packed if documents else cog)


def reference(q, k, v, document=None, causal=True, documents=False, rotary=10000.0, length=4096):
    if rotary:
        q, k = _plain.rope(q, rotary), _plain.rope(k, rotary)
    s = _plain.scores(q, k)
    seen = _plain.causal(q, k) | (not causal)
    if documents:
        seen = seen & (document[:, None, :, None] == document[:, None, None, :])
    return (np.sign(s) * _plain.softmax(abs(s), seen)) @ _plain.heads(v, q.shape[1])


decode = cached(spec)
QKV = dict(q=(2, 4, 70, 64), k=(2, 2, 70, 64), v=(2, 2, 70, 64))
CASES = (
    Case("causal", QKV, options=dict(rotary=None), dtype="bf16", decode=True),
    Case("rotary", QKV, options=dict(length=70), decode=True),
    Case("documents", QKV | dict(document=lambda g: np.sort(g.integers(0, 4, (2, 70))).astype(np.int32)), options=dict(documents=True, length=70)),
    Case("diffusion", QKV, options=dict(causal=False, rotary=None)),
)
