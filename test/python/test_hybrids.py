"""Window softmax and a recurrence in one spec, on a CPU against float64 NumPy."""
import numpy as np

import heddle
from recur_oracle import difference, recurrence, wide


def window(q, k, v, width, sinks):
    """Softmax over the last `width` keys of each row, with the sum of exp(sinks) in the denominator."""
    s = np.einsum("bhic,bhjc->bhij", q, k) / np.sqrt(q.shape[-1])
    i, j = np.arange(q.shape[2])[:, None], np.arange(q.shape[2])[None]
    e = np.where((j <= i) & (j > i - width), np.exp(s), 0)
    return e @ v / (e.sum(-1, keepdims=True) + np.exp(sinks)[:, None, None])


def test_gated_features_beside_an_anchored_window():
    generator = np.random.default_rng(0)
    b, h, t, d, f, alpha = 1, 4, 150, 32, 16, 0.5
    q, k, v = (generator.standard_normal((b, n, t, d), np.float32) for n in (h, 2, 2))
    gate = -np.log1p(np.exp(generator.standard_normal((b, 1, t)).astype(np.float32) - 2))
    wq, wk = (generator.standard_normal((n, d, f), np.float32) / 6 for n in (h, 2))
    sinks = generator.standard_normal(h).astype(np.float32)

    def features(x, w):
        y = x @ w
        return heddle.concat([heddle.exp(y), heddle.exp(-y)])

    @heddle.spec
    def hybrid(q, k, v, gate, sinks):
        near = heddle.attend(q, k, v, causal=True, window=(127, 0), sink=sinks)
        far = heddle.recur(q, k, v, gate=gate, feature_map=(lambda x: features(x, wq), lambda x: features(x, wk)), normalizer="sum")
        return far + alpha * near

    def plain(x, w):
        y = np.einsum("bhtc,hcf->bhtf", x.astype(float), w.astype(float))
        return np.concatenate([np.exp(y), np.exp(-y)], -1)

    far = recurrence(plain(q, wq), wide(plain(k, wk), h), wide(v, h), wide(gate, h)[..., None], divide=True)[0]
    near = window(q.astype(float), wide(k, h), wide(v, h), 128, sinks.astype(float))
    assert difference(hybrid(q, k, v, gate, sinks), far + alpha * near) < 1e-5
