"""Set Transformer: attention blocks between sets, a bottleneck of learned points, and pooling by learned seeds.

    MAB(X, Y) = O + relu(O W_o + b_o),  O = Q + softmax(Q K^T / sqrt(dV)) V by head, Q = X W_q + b_q, K = Y W_k + b_k, V = Y W_v + b_v
    SAB(X) = MAB(X, X),  ISAB(X) = MAB(X, MAB(I, X)),  PMA(Z) = MAB(S, relu(Z W_f + b_f))

Lee et al. 2019, "Set Transformer: A Framework for Attention-based Permutation-Invariant Neural Networks". x (B, n, dX) with any dX (2 for points of a
plane); the scale has the width dV of all heads, and the residual is the projected query, inside of the head. I (m, dV) and S (k, dV) are
learned. `lengths` (B,): sets of one batch may be shorter. `norm=True`: LayerNorm after each sum (off in the released default). m = 32, H = 4,
dV = 128. Weights are wq (dX, dV), wk, wv (dY, dV), wo (dV, dV) and wf (dX, dX); those of the outer block of ISAB have a 2 behind their names.
`b`, `b2` (4, dV) and `bf` (dX,) are biases, which may be left out. Any order of a set's points gives the same rows in that order, the same PMA.
Compared with juho-lee/set_transformer @ 73432c6, modules.py (biases 0): ISAB, with LayerNorm, PMA: max error 1e-6 (f32, x 2x90x64).
"""

import numpy as np

import heddle
from heddle import feature_maps

from . import Case, _plain, scaled


def linear(x, w, b):
    y = feature_maps.widened(x) @ w
    return y if b is None else y + b


def mab(x, y, w, outer, heads, norm, lengths=None):
    (wq, wk, wv, wo), b = (w[name + outer] for name in ("wq", "wk", "wv", "wo")), w.get("b" + outer, [None] * 4)
    q, k, v = (heddle.heads.split(linear(*each), heads) for each in ((x, wq, b[0]), (y, wk, b[1]), (y, wv, b[2])))
    head = q + heddle.attend(q, k, v, scale=wo.shape[0] ** -0.5, kv_lengths=lengths)
    normed = heddle.norms.layer if norm else feature_maps.as_it_is
    o = normed(heddle.heads.join(head, wo.shape[0]))
    return normed(o + heddle.maximum(linear(o, wo, b[3]), 0.0))


def spec(points=None, wf=None, bf=None, block="SAB", heads=4, norm=False, **w):
    wf, *even = (each if each is None else np.pad(each, ((0, -len(each) % 8), (0, 0))) for each in (wf, *w.values()))
    w = dict(zip(w, even))  # widths that are contracted are multiples of 8

    @heddle.spec
    def sets(x, lengths):
        if block == "SAB":
            return mab(x, x, w, "", heads, norm, lengths)
        learned = heddle.view(points, (x.shape[0], *points.shape), lambda b, t, c: (t, c))
        if block == "PMA":
            return mab(learned, heddle.maximum(linear(x, wf, bf), 0.0), w, "", heads, norm, lengths)
        return mab(x, mab(learned, x, w, "", heads, norm, lengths), w, "2", heads, norm)
    return sets


def reference(x, lengths, points=None, wf=None, bf=0.0, block="SAB", heads=4, norm=False, **w):
    normed = _plain.layer_norm if norm else lambda z: z

    def one(x, y, n=""):
        b, dv = w.get("b" + n, np.zeros(4)), len(w["wo" + n])
        q, k, v = (z @ w[name + n] + bias for z, name, bias in ((x, "wq", b[0]), (y, "wk", b[1]), (y, "wv", b[2])))
        cut = [slice(c, c + dv // heads) for c in range(0, dv, dv // heads)]
        o = normed(np.concatenate([q[:, c] + _plain.softmax(q[:, c] @ k[:, c].T / np.sqrt(dv)) @ v[:, c] for c in cut], -1))
        return normed(o + np.maximum(o @ w["wo" + n] + b[3], 0))

    whole = {"SAB": lambda x, own: one(x, own), "PMA": lambda x, own: one(points, np.maximum(own @ wf + bf, 0)),
             "ISAB": lambda x, own: one(x, one(points, own), "2")}[block]
    return np.stack([whole(each, each[:length]) for each, length in zip(x, lengths)])


def case(block, width, n=90, lengths=(90, 41), dv=64, learned=16, biases=True, **options):
    matrix = lambda *shape: scaled(shape, shape[0] ** -0.5)  # noqa: E731
    w = {"wq": matrix(width if block == "SAB" else dv, dv), "wk": matrix(width, dv), "wv": matrix(width, dv), "wo": matrix(dv, dv)}
    w |= {"points": (learned, dv)} if block != "SAB" else {}
    w |= {"wq2": matrix(width, dv)} | {name: matrix(dv, dv) for name in ("wk2", "wv2", "wo2")} if block == "ISAB" else {}
    w |= {"wf": matrix(width, width)} if block == "PMA" else {}
    b = {"b": (4, dv)} | ({"b2": (4, dv)} if block == "ISAB" else {"bf": (width,)} if block == "PMA" else {})
    return Case(f"{block} of {width}", dict(x=(len(lengths), n, width), lengths=lambda g: np.array(lengths, np.int32)), w | (b if biases else {}),
                dict(block=block, **options))


CASES = (case("ISAB", 64), case("ISAB", 2, biases=False), case("SAB", 24, norm=True), case("PMA", 40, learned=3))
