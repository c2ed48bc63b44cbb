"""Set Transformer: attention blocks between sets, a bottleneck of learned points, and pooling by learned seeds.

    MAB(X, Y) = O + relu(O W_o),  O = Q + softmax(Q K^T / sqrt(dV)) V by head, Q = X W_q, K = Y W_k, V = Y W_v
    SAB(X) = MAB(X, X),  ISAB(X) = MAB(X, MAB(I, X)),  PMA(Z) = MAB(S, relu(Z W_f))

Lee et al. 2019, "Set Transformer: A Framework for Attention-based Permutation-Invariant Neural Networks". x (B, n, dX); the scale has the
width dV of all heads, and the residual is the projected query, inside of the head. I (m, dX) and S (k, dX) are learned. `lengths`
(B,): sets of one batch may be shorter. `norm=True`: LayerNorm after each sum (off in the released default). m = 32, H = 4, dV = 128.
`w` (4, dV, dV) holds W_q, W_k, W_v and W_o, without biases, and so does `w2` for the outer block of ISAB; here dX = dV.
Compared with juho-lee/set_transformer @ 73432c6, modules.py (biases 0): ISAB, with LayerNorm, PMA: max error 1e-6 (f32, x 2x90x64).
"""

import numpy as np

import heddle
from heddle import feature_maps

from . import Case, _plain

PARTIAL = "points are as wide as heads together (dX = dV), and projections have no biases"


def mab(x, y, w, heads, norm, lengths=None):
    width = w.shape[2] // heads

    def split(z):
        return heddle.view(z, (z.shape[0], heads, z.shape[1], width), lambda b, h, t, c: (b, t, h * width + c))
    q, k, v = (split(z @ weight) for z, weight in ((x, w[0]), (y, w[1]), (y, w[2])))
    head = q + heddle.attend(q, k, v, scale=(heads * width) ** -0.5, kv_lengths=lengths)
    o = heddle.view(head, (*x.shape[:2], heads * width), lambda b, t, c: (b, c // width, t, c % width))
    normed = heddle.norms.layer if norm else feature_maps.as_it_is
    o = normed(o)
    return normed(o + heddle.maximum(o @ w[3], 0.0))


def spec(w, w2=None, points=None, wf=None, block="SAB", heads=4, norm=False):
    @heddle.spec
    def sets(x, lengths):
        if block == "SAB":
            return mab(x, x, w, heads, norm, lengths)
        learned = heddle.view(points, (x.shape[0], *points.shape), lambda b, t, c: (t, c))
        if block == "PMA":
            return mab(learned, heddle.maximum(x @ wf, 0.0), w, heads, norm, lengths)
        return mab(x, mab(learned, x, w, heads, norm, lengths), w2, heads, norm)
    return sets


def reference(x, lengths, w, w2=None, points=None, wf=None, block="SAB", heads=4, norm=False):
    def layer_norm(z):
        return _plain.layer_norm(z) if norm else z

    def one(x, y, w):
        cut = [slice(n, n + w.shape[2] // heads) for n in range(0, w.shape[2], w.shape[2] // heads)]
        q, k, v = x @ w[0], y @ w[1], y @ w[2]
        o = [q[:, c] + _plain.softmax(q[:, c] @ k[:, c].T / np.sqrt(w.shape[2])) @ v[:, c] for c in cut]
        o = layer_norm(np.concatenate(o, -1))
        return layer_norm(o + np.maximum(o @ w[3], 0))

    def whole(x, length):
        if block == "SAB":
            return one(x, x[:length], w)
        if block == "PMA":
            return one(points, np.maximum(x[:length] @ wf, 0), w)
        return one(x, one(points, x[:length], w), w2)
    return np.stack([whole(*each) for each in zip(x, lengths)])


def matrix(*shape):
    return lambda g: g.standard_normal(shape, np.float32) / np.float32(shape[-2] ** 0.5)


SETS = dict(x=(2, 90, 64), lengths=lambda g: np.array([90, 41], np.int32))
CASES = (
    Case("ISAB", SETS, dict(w=matrix(4, 64, 64), w2=matrix(4, 64, 64), points=(16, 64)), dict(block="ISAB")),
    Case("SAB", SETS, dict(w=matrix(4, 64, 64)), dict(norm=True)),
    Case("PMA", SETS, dict(w=matrix(4, 64, 64), points=(3, 64), wf=matrix(64, 64)), dict(block="PMA")),
)
