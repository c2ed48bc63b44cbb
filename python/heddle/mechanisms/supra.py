"""SUPRA: a softmax transformer's layers as linear attention with a learned map, a decay and GroupNorm instead of a sum.

    q~ = rope(relu(q W + b)), k~ = rope(relu(k W' + b'));  o_i = sum_{j<=i} gamma_h^(i-j) q~_i.k~_j / sqrt(d) v_j;  y = norm_h(o)

Mercat et al. 2024, "Linearizing Large Language Models". q (B, 1, T, H d), all heads beside each other, since W (H d, H d') mixes
them; k (B, 1, T, Hk d), v (B, Hk, T, e). For MHA q and k share W; for grouped heads keys have their own. Rotary positions are behind relu, so that
features may be negative, and no sum can divide. `decay` (H,), log gamma: -2^(-8 (h + 1) / H) ("alibi"), log(1 - 2^(-5 - h)) ("retention"),
or zeros. The norm is that of H groups without weights, eps 1e-5. `place` (T,), int32, are the positions of the tokens of a call.
A norm of q and k in front is optional. The released code keeps gamma S after a token was read, here S is before it: the same rows.
Compared with TRI-ML/linear_open_lm @ aa3c042, recurrent_forward of model.py, both decays: max error 9e-6 of 4 (f32, 2x4x150x32).
"""

import numpy as np

import heddle

from . import Case, _plain, recurrent, stepped


def decays(heads, name="alibi"):
    h = np.arange(heads)
    return {"alibi": -np.exp2(-8.0 * (h + 1) / heads), "retention": np.log1p(-np.exp2(-5.0 - h)), "none": 0.0 * h}[name].astype(np.float32)


def spec(wq, bq, decay, wk=None, bk=None, width=32, eps=1e-5, length=4096, stream=None):
    tables = heddle.positions.rotary_tables(length, width)
    wk, bk = (wq, bq) if wk is None else (wk, bk)

    def features(x, w, b, place):
        y = heddle.maximum(x @ w + b, 0.0)
        rows = [heddle.view(table, (y.shape[2], width // 2), lambda t, c: (place[t], c)) for table in tables]
        return heddle.positions.rotate(heddle.heads.split(y, y.shape[3] // width), rows)

    def supra(recur, q, k, v, place):
        return heddle.norms.layer(recur(features(q, wq, bq, place), features(k, wk, bk, place), v, gate=decay), eps)
    return recurrent(supra, stream)


def reference(q, k, v, place, wq, bq, decay, wk=None, bk=None, width=32, eps=1e-5, length=4096):
    def features(x, w, b):
        y = np.maximum(x @ w + b, 0)
        return _plain.rope(y.reshape(len(y), y.shape[2], -1, width).swapaxes(1, 2))
    q, k = features(q, wq, bq), features(k, *((wq, bq) if wk is None else (wk, bk)))
    s = _plain.scores(q, k)
    i, j = _plain.grid(s)
    s = s * np.where(j <= i, np.exp(decay[:, None, None] * np.maximum(i - j, 0)), 0)
    return _plain.layer_norm(s @ _plain.heads(v, q.shape[1]), eps)


def case(name, heads, groups, decay, t=140, **more):
    def learned(*shape):
        return lambda g: (g.standard_normal(shape) / shape[0] ** 0.5).astype(np.float32)
    weights = dict(wq=learned(heads * 32, heads * 32), bq=learned(heads * 32), decay=lambda g: decays(heads, decay))
    if heads != groups:
        weights |= dict(wk=learned(groups * 32, groups * 32), bk=learned(groups * 32))
    return Case(name, dict(q=(2, 1, t, heads * 32), k=(2, 1, t, groups * 32), v=(2, groups, t, 32),
                           place=lambda g: np.arange(t, dtype=np.int32)), weights, decode=True, **more)


CASES = (case("grouped", 4, 1, "alibi"), case("retention", 3, 3, "retention"), case("no decay", 2, 2, "none"))
decode = stepped(spec, ("q", "k", "v", "place"))
