"""Attention Buckets: copies of one model whose rotary positions have different bases, run as one batch, their outputs fused.

    copy n: o = softmax(rope_n(q) rope_n(k)^T / sqrt(d)) v with angles t b_n^(-2c/d)
    fused:  p = sum_n w_n p_n,  w = softmax_n(max_v p_n(v))     "probabilities", the paper's text
            z = sum_n w_n z_n,  w = softmax_n(max_v z_n(v))     "logits", the released code

Chen et al. 2023, "Fortify the Shortest Stave in Attention: Enhancing Context Awareness of Large Language Models for Effective Tool Use".
q, k, v (N, H, T, d): a copy is an entry of the batch. Bases of tool use: 10000, 17500, 18000, 19000, 20000, 25000. `fuse` is the other
function, of logits (rows, N, vocabulary); it is the reduction behind the models' last layer. Its weights are the softmax of
the largest value; the paper also has them divided by their sum alone.
Compared with Fiorina1212/Attention-buckets @ d7018a6, rotary of modeling_llama.py, four bases: max error 7e-7 of 2 (f32, 4x2x80x32).
"""

import functools
import operator

import numpy as np

import heddle

from . import Case, _plain, cached

BASES = (10000.0, 17500.0, 18000.0, 19000.0, 20000.0, 25000.0)


def spec(bases=BASES, length=4096, fusion=None, vocabulary=32000):
    def buckets(q, k, v):
        tables = heddle.positions.rotary_tables(length, q.shape[3], np.array(bases)[:, None, None, None])
        q, k = heddle.positions.rotary(q, k, tables)
        return heddle.attend(q, k, v, causal=True)

    def fuse(logits):
        copies = [logits[:, n] for n in range(len(bases))]
        copies = [heddle.softmax(x) if fusion == "probabilities" else x for x in copies]
        sure = [x.max(keepdims=True) for x in copies]
        weights = [heddle.exp(each - functools.reduce(heddle.maximum, sure)) for each in sure]
        return functools.reduce(operator.add, map(operator.mul, copies, weights)) / functools.reduce(operator.add, weights)
    return heddle.spec(buckets) if fusion is None else heddle.spec(fuse, logits=f"?x{len(bases)}x{vocabulary}xf32")


def reference(q=None, k=None, v=None, logits=None, bases=BASES, length=4096, fusion=None, vocabulary=32000):
    if fusion is not None:
        x = _plain.softmax(logits) if fusion == "probabilities" else logits
        return (x * _plain.softmax(x.max(-1))[..., None]).sum(-2)
    q, k = (np.concatenate([_plain.rope(x[n:n + 1], base) for n, base in enumerate(bases)]) for x in (q, k))
    return _plain.attention(q, k, v, _plain.causal(q, k))


decode = cached(spec)
CASES = (
    Case("six bases", dict(q=(6, 4, 60, 64), k=(6, 2, 60, 64), v=(6, 2, 60, 64)), options=dict(length=60), dtype="bf16", decode=True),
    Case("seven bases", dict(q=(7, 2, 60, 32), k=(7, 2, 60, 32), v=(7, 2, 60, 32)),
         options=dict(length=64, bases=(10000.0, 13000.0, 16000.0, 19000.0, 22000.0, 25000.0, 28000.0))),
    Case("fused probabilities", dict(logits=(5, 6, 64)), options=dict(fusion="probabilities", vocabulary=64)),
    Case("fused logits", dict(logits=(5, 6, 64)), options=dict(fusion="logits", vocabulary=64)),
)
