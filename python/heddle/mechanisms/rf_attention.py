"""A single attention layer of random features: ReLU weights, a mean over keys, frozen heads, a linear readout.

    phi_m = (1/N) sum_i relu(<W_m, xt_0 xt_i^T>) xt_i,  f = sum_m <phi_m, v_m>;  xt = [x ; 1]

Fu, Bai, Mei et al. 2023, "What can a Single Attention Layer Learn? A Study Through the Random Features Lens". q (B, M, 1, d + 1) holds W_m^T xt_0 of every head, x
(B, 1, N, d + 1) the points with their 1, read by all heads; readout (M, d + 1). Results: f (B, M, 1), of each head, whose sum is the
prediction, and the features (B, M, 1, d + 1) that a ridge regression solves for. Channels are brought to a multiple of 8 with zeros.
No softmax, no scale, no order of keys; M is large (10^3 to 10^5) and d small.
"""

import numpy as np

import heddle
from heddle.feature_maps import widened

from . import Case, _plain


def spec():
    @heddle.spec
    def random_features(q, x, readout):
        points = widened(x)
        phi = heddle.attend(widened(q), points, points, scale=1.0, normalizer="relu") * (1.0 / x.shape[2])
        phi = phi[..., :x.shape[3]]
        return (phi[:, :, 0] * readout).sum(keepdims=True), phi
    return random_features


def reference(q, x, readout):
    weights = np.maximum(q @ x.swapaxes(-1, -2), 0) / x.shape[2]
    phi = weights @ x
    return (phi[:, :, 0] * readout).sum(-1, keepdims=True), phi


def case(heads, width, points, **more):
    def augmented(g):
        return np.concatenate([g.standard_normal((2, 1, points, width - 1)), np.ones((2, 1, points, 1))], -1).astype(np.float32)
    return Case(f"{heads} heads", dict(q=(2, heads, 1, width), x=augmented, readout=(heads, width)), **more)


CASES = (case(4096, 17, 64), case(50, 8, 33))
