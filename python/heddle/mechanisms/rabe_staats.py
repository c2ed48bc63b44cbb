"""Exact attention in little memory: a running maximum, sum and weighted sum, divided at the end.

    v* = v* e^(m* - m') + v_j e^(s - m');  s* = s* e^(m* - m') + e^(s - m');  m* = m' = max(m*, s);  result v* / s*

Rabe and Staats 2021, "Self-attention Does Not Need O(n^2) Memory". This is how every attend is compiled; here it stands with what the
paper has beside it: the log of the denominator as a second result (which merges parts of the keys), a bias (H, T, S) (or none) and lengths
of keys (B,). Chunks of 1024 rows and 4096 keys are the paper's; tiles here are what the machine has room for. Scores up to 1e4
in magnitude stay exact: only differences to the maximum are exponentiated.
"""

import numpy as np

import heddle

from . import Case, _plain


def spec(causal=False, scale=None, biased=True):
    def plain(q, k, v, lengths):
        return lazy(q, k, v, None, lengths)

    def lazy(q, k, v, bias, lengths):
        return heddle.attend(q, k, v, causal="top-left" if causal else False, scale=scale, kv_lengths=lengths, return_lse=True,
                             score_mod=None if bias is None else lambda s, b, h, i, j: s + bias[h, i, j])
    return heddle.spec(lazy if biased else plain)


def reference(q, k, v, lengths, bias=0.0, causal=False, scale=None, biased=True):
    s = _plain.scores(q, k, scale) + bias
    i, j = _plain.places(q.shape[2])[:, None], np.arange(k.shape[2])
    seen = np.broadcast_to((j < lengths[:, None, None, None]) & ((j <= i) | (not causal)), s.shape)
    s = np.where(seen, s, -np.inf)
    top = s.max(-1)
    return _plain.softmax(s, seen) @ _plain.heads(v, q.shape[1]), np.log(np.exp(s - top[..., None]).sum(-1)) + top


def case(name, t, draw, **options):
    arrays = {each: lambda g: draw(g, (2, 3, t, 32)) for each in "qk"} | dict(v=(2, 3, t, 32), bias=lambda g: draw(g, (3, t, t)))
    return Case(name, arrays | dict(lengths=lambda g: np.array([t, t * 2 // 3], np.int32)), options=options)


def usual(g, shape):
    return g.standard_normal(shape, np.float32)


def whole(g, shape):
    """Whole numbers, whose scores are exact: what is compared is the softmax."""
    return g.integers(-5, 6, shape).astype(np.float32)


CASES = (case("padded", 150, usual), case("causal", 150, usual, causal=True), case("scores of 1e4", 70, whole, scale=64.0))
