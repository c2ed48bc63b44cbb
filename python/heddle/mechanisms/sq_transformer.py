"""SQ-Transformer: weights come from one stream of states (quantised prototypes), values from two, with relative positions in both.

    s_ij = (q_i.k_j + q_i.rK[i - j]) / sqrt(d);  P = softmax(s + mask);  o = sum_j P_ij ([vx_j | vp_j] + rV[i - j])

Jiang, Zhou and Bansal 2024, "Inducing Systematicity in Transformers by Attending to Structurally Quantized Embeddings". q and k are of the prototypes p; vx and
vp (B, H, T, e) of both streams, side by side in one product of weights and values. rK, rV (2 c + 1, d or e): distances i - j clipped to [-c, c],
entry i - j + c; the same rV for both streams. Encoder (bidirectional, `lengths` (B,)) and decoder (causal). Cross-attention is plain: q of p, values
of the encoder's x. Values by distance are no values of a key, so they are summed apart: weights at distances below c are made again from
their scores and the log of the denominator, those beyond are sums of weights. Choosing codes, W_o and gates are outside.
Compared with jiangycTarheel/SQ-Transformer @ c31e742, shaw_attention and shaw_combine: max error 1e-6 of 4 (f32, both, 2x2x60x16).
"""

import numpy as np

import heddle

from . import Case, _plain

PARTIAL = "scores are computed three times: for values, for keys beyond the clipped distance, for those within it"


def spec(rk, rv, causal=False):
    clip, width = len(rk) // 2, len(rk) + 7 & ~7
    keys, near_values = np.zeros((rk.shape[1], width), np.float32), np.zeros((width, 2 * rv.shape[1]), np.float32)
    keys[:, :len(rk)], both = rk.T, np.tile(rv, 2)
    near_values[:2 * clip - 1] = both[1:-1]
    sums, yes = np.ones((rk.shape[1], 8), np.float32), np.array([[0], [1]], np.float32)
    far = both[-1], both[0]

    def within(x, least, most):
        return heddle.minimum(heddle.maximum(x, least), most)

    @heddle.spec
    def sq(q, k, vx, vp, lengths):
        scale, relative, length = q.shape[3] ** -0.5, q @ keys, k.shape[2]

        def see(v, mask=None):
            return heddle.attend(q, k, v, causal=causal, kv_lengths=lengths, scale=1.0, mask_mod=mask, return_lse=True,
                                 score_mod=lambda s, b, h, i, j: (s + relative[b, h, i, within(i - j, -clip, clip) + clip]) * scale)

        o, lse = see(heddle.concat([vx, vp]))
        for mask, value in zip((lambda b, h, i, j: i - j >= clip, lambda b, h, i, j: j - i >= clip), far):
            o = o + heddle.exp(see(vx, mask)[1] - lse)[..., None] * value
        # The neighbours n of row t, key t - n + clip - 1 each, one behind the other.
        many = (q.shape[0], q.shape[1], q.shape[2] * width, q.shape[3])
        rows = heddle.view(q, many, lambda b, h, t, c: (b, h, t // width, c))
        others = heddle.view(k, many, lambda b, h, t, c: (b, h, within(t // width - t % width + (clip - 1), 0, length - 1), c))
        products = (rows * others) @ sums
        band = (*q.shape[:3], width)
        products = heddle.view(products, band, lambda b, h, t, n: (b, h, t * width + n, 0))
        moved = heddle.view(relative, band, lambda b, h, t, n: (b, h, t, within(n + 1, 0, width - 1)))

        def exists(b, h, t, n):
            key, last = t - n + (clip - 1), t if causal else lengths[b] - 1
            return within(key + 1, 0, 1) * within(last - key + 1, 0, 1) * within(lengths[b] - key, 0, 1), 0
        seen = heddle.view(yes, (q.shape[0], 1, q.shape[2], width), exists)
        band = (products + moved) * scale
        top = band.max(keepdims=True)
        return o + ((heddle.exp(band - top) * seen) @ near_values) * heddle.exp(top - lse[..., None])
    return sq


def reference(q, k, vx, vp, lengths, rk, rv, causal=False):
    clip = len(rk) // 2
    i, j = _plain.places(q.shape[2])[:, None], np.arange(k.shape[2])[None]
    where = np.clip(i - j, -clip, clip) + clip
    s = (np.einsum("bhic,bhjc->bhij", q, k) + np.einsum("bhic,ijc->bhij", q, rk[where])) / np.sqrt(q.shape[3])
    p = _plain.softmax(s, (j < lengths[:, None, None, None]) & ((j <= i) | (not causal)))
    return np.concatenate([p @ v + np.einsum("bhij,ije->bhie", p, rv[where]) for v in (vx, vp)], -1)


def case(name, clip, lengths, values=(2, 2, 60, 16), rv=None, dtype="f32", **options):
    arrays = {"q": (2, 2, 60, 16), "k": (2, 2, 60, 16), "vx": values, "vp": values, "lengths": lambda g: np.array(lengths, np.int32)}
    return Case(name, arrays, dict(rk=(2 * clip + 1, 16), rv=rv or (2 * clip + 1, 16)), options, dtype)


CASES = (case("encoder", 16, (60, 33)), case("decoder", 3, (60, 60), causal=True),
         case("weights", 3, (60, 41), lambda g: np.broadcast_to(np.eye(60, 64, dtype=np.float32), (2, 2, 60, 64)), lambda g: np.zeros((7, 64), np.float32)))
