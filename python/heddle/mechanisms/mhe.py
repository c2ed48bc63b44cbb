"""Multi-head embedding attention: one q, k and v for all heads, and an embedding of each head.

    add:       q_h = q + eq_h,      k_h = k + ek_h,      v_h = v + ev_h
    multiply:  q_h = q (1 + eq_h),  k_h = k (1 + ek_h),  v_h = v (1 + ev_h);   o_h = softmax(q_h k_h^T / sqrt(d)) v_h

Xue and Aletras 2023, "Pit One Against Many: Leveraging Attention-head Embeddings for Parameter-efficient Multi-head Attention". q, k, v
(B, 1, T, d), e (H, d). The cache holds one head, as in MQA. No head's keys are made in memory: (q + eq).(k + ek) is a product of
the shared k plus a number of the row, which leaves a softmax unchanged, so add scales q.k and adds (q + eq).ek nowhere; what
is left of ek.k is a column bias inside of (q + eq).k. Values: o_h = P v + ev, or (P v)(1 + ev). Multiply folds both scales into q.
The offset form (1 + e) of multiply is as in the paper's text; the authors' code is not public.
"""

import numpy as np

import heddle

from . import Case, _plain, cached


def spec(kind="add", causal=True):
    @heddle.spec
    def mhe(q, k, v, eq, ek, ev):
        heads, eq, ek, ev = eq.shape[0], *(e[:, None, :] for e in (eq, ek, ev))
        q = heddle.view(q, (q.shape[0], heads, *q.shape[2:]), lambda b, h, t, c: (b, 0, t, c))
        if kind == "add":
            # (q + eq).(k + ek) = (q + eq).k + a number of the row.
            return (heddle.attend((q.astype("f32") + eq).astype(q.dtype), k, v, causal=causal).astype("f32") + ev).astype(q.dtype)
        rows = (q.astype("f32") * ((eq + 1.0) * (ek + 1.0))).astype(q.dtype)
        return (heddle.attend(rows, k, v, causal=causal).astype("f32") * (ev + 1.0)).astype(q.dtype)
    return mhe


def reference(q, k, v, eq, ek, ev, kind="add", causal=True):
    q, k, v = (x + e[None, :, None] if kind == "add" else x * (1 + e[None, :, None]) for x, e in ((q, eq), (k, ek), (v, ev)))
    return _plain.attention(q, k, v, _plain.causal(q, k) | (not causal))


decode = cached(spec)
SHARED = dict(q=(2, 1, 70, 32), k=(2, 1, 70, 32), v=(2, 1, 70, 32))
EMBEDDINGS = {name: lambda g: 0.5 * g.standard_normal((6, 32), np.float32) for name in ("eq", "ek", "ev")}

CASES = (
    Case("add", SHARED | EMBEDDINGS, decode=True),
    Case("multiply", SHARED | EMBEDDINGS, options=dict(kind="multiply"), decode=True),
    Case("encoder", SHARED | EMBEDDINGS, options=dict(kind="multiply", causal=False), dtype="bf16"),
)
