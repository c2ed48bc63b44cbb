"""Object-level attention for scanpaths: short ragged cross-attention, and a head whose scores are its result.

    attention:  softmax(q k^T / sqrt(d) + mask) v, objects of each image counted by `lengths`
    pointer:    z_tn = sum_a w_a (e^a_n . y^a_t) / sqrt(d_k), and one column of 0 for "stop";  p = softmax over objects and stop

Fang et al. 2024, "OAT: Object-Level Attention Transformer for Gaze Scanpath Prediction". Encoder (full), decoder (`causal=True`) and cross-attention are
the first function. The pointer has 2 heads of d_k = 512: y (B, 2, T, d_k), e (B, 2, N, d_k), `mix` (2,); N up to 100 is compiled in, with
absent objects at -inf in `absent` (B, N). It yields logits (B, T, N) and probabilities (B, T, N + 1), stop last. Positions are a table
at the input.
Compared with HKUST-NISL/oat_eccv24 @ 0c48c3e, Cross_Attention of models.py: max error 3e-7 (f32, 2x8 rows, 28 objects).
"""

import numpy as np

import heddle

from . import Case, _plain


def spec(part="attention", causal=False, objects=100, heads=2, width=512, mix=None):
    def attention(q, k, v, lengths):
        return heddle.attend(q, k, v, causal="top-left" if causal else False, kv_lengths=lengths)

    def pointer(y, e, absent):
        weights = heddle.view(mix, (heads * width,), lambda c: c // width)
        logits = (heddle.heads.join(y, heads * width) * weights) @ heddle.heads.join(e, heads * width).T * width ** -0.5 + absent[:, None, :]
        both = heddle.concat([logits, absent[:, None, :1] * 0.0 + logits[..., :1] * 0.0])
        return logits, heddle.softmax(both)

    rows, keys = f"?x{heads}x?x{width}xf32", f"?x{heads}x{objects}x{width}xf32"
    return heddle.spec(attention) if part == "attention" else heddle.spec(pointer, y=rows, e=keys, absent=f"?x{objects}xf32")


def reference(q=None, k=None, v=None, lengths=None, y=None, e=None, absent=None, part="attention", causal=False, objects=100, heads=2,
              width=512, mix=None):
    if part == "attention":
        i, j = np.arange(q.shape[2])[:, None], np.arange(k.shape[2])[None]
        return _plain.attention(q, k, v, (j < lengths[:, None, None, None]) & ((j <= i) | (not causal)))
    logits = np.einsum("a,batc,banc->btn", mix, y, e) / np.sqrt(width) + absent[:, None]
    return logits, _plain.softmax(np.concatenate([logits, np.zeros((*logits.shape[:2], 1))], -1))


def some_absent(g):
    return np.where(np.arange(100) < [[100], [37]], 0, -1e4).astype(np.float32)


SHORT = dict(q=(2, 4, 40, 32), k=(2, 4, 90, 32), v=(2, 4, 90, 32), lengths=lambda g: np.array([90, 21], np.int32))
CASES = (
    Case("cross", SHORT),
    Case("decoder", SHORT | dict(k=(2, 4, 40, 32), v=(2, 4, 40, 32), lengths=lambda g: np.array([40, 21], np.int32)), options=dict(causal=True)),
    Case("pointer", dict(y=(2, 2, 30, 64), e=(2, 2, 100, 64), absent=some_absent), dict(mix=(2,)), dict(part="pointer", width=64)),
)
