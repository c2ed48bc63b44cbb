"""Linear log-normal attention: exponential features whose sharpness matches softmax's by moments, beside softmax in small blocks.

    phi(q) = exp(alpha q), psi(k) = exp(beta k);  o = sum_j (phi(q_i).psi(k_j)) v_j / sum_j phi(q_i).psi(k_j)
    alpha = s / sq, beta = s / sk, s = sqrt((sq^2 sk^2 - b) / (2 a)),  sq, sk: standard deviations of all numbers of q, of k

Nahshan, Kampeas and Haleva 2023, "Linear Log-Normal Attention with Unbiased Concentration". a = 0.1485.., b = -0.3549.. are fitted constants. `mode`: "linear"; "average" (the
default) with softmax(q k^T / sqrt(d)) v inside of blocks of d tokens, halves; "scale" r LLN + p Diag and "ratio" r LLN + (1 - r) Diag, r and
p (1, H, 1, d). The deviations are over the whole batch, later tokens and padding included: a decoder has to give its own (`frozen=(sq, sk)`).
Maxima that the released code subtracts cancel, but for its eps of 1e-8, which is not here. Means over tokens, and over heads and
sequences, are attends whose weights are equal.
Compared with ynahshan/linear-lognormal-attention @ 92505b9, lln_attention.py: max error 2e-6 of 3 (f32, average and scale, 2x3x150x32).
"""

import numpy as np

import heddle

from . import Case, _plain

A, B = 0.14855178144710912, -0.35487039130661086


def spec(r=None, p=None, mode="average", causal=False, frozen=None):
    def mean(x):  # over tokens
        return heddle.attend(x[:, :, :1], x, x, score_mod=lambda s, b, h, i, j: s * 0.0)

    def deviation(x):
        x, width = x.astype("f32"), x.shape[3]
        heads, tokens = x.shape[1], x.shape[2]
        both = mean(heddle.concat([x, x * x]))
        # For every head: those of all heads, sequences and channels one behind the other, the two means as channels.
        batch = x.shape[0]
        flat = heddle.view(both, (batch, heads, batch * heads * width, 8), lambda b, h, t, c: (
            (t // width // heads + b) % batch, (t // width + h) % heads, 0, t % width + heddle.minimum(c, 1) * width))
        whole = mean(flat)
        first, second = whole[..., :1], whole[..., 1:2]
        count = batch * heads * tokens * width
        return heddle.sqrt((second - first * first) * (count / (count - 1)))

    @heddle.spec
    def lln(q, k, v):
        width = q.shape[3]
        sq, sk = (deviation(q), deviation(k)) if frozen is None else frozen
        s = heddle.sqrt((sq * sq * sk * sk - B) * (0.5 / A))
        features = lambda x, by: heddle.exp(x.astype("f32") * (s / by))  # noqa: E731
        out = heddle.recur(features(q, sq), features(k, sk), v.astype("f32"), feature_map=heddle.feature_maps.as_it_is, normalizer="sum",
                           at=None if causal else "end")
        if mode == "linear":
            return out.astype(q.dtype)
        near = heddle.attend(q, k, v, causal=causal, mask_mod=lambda b, h, i, j: i // width == j // width)
        shares = {"average": lambda: (0.5, 0.5), "scale": lambda: (r, p), "ratio": lambda: (r, 1.0 - r)}[mode]()
        return (out * shares[0] + near * shares[1]).astype(q.dtype)
    return lln


def reference(q, k, v, r=None, p=None, mode="average", causal=False, frozen=None):
    sq, sk = frozen or (q.std(ddof=1), k.std(ddof=1))
    s = np.sqrt((sq ** 2 * sk ** 2 - B) / (2 * A))
    q = _plain.picked(q)
    past = _plain.causal(q, k) | (not causal)
    weights = np.exp(s / sq * q) @ np.exp(s / sk * k).swapaxes(-1, -2) * past
    out = weights @ v / weights.sum(-1, keepdims=True)
    if mode == "linear":
        return out
    i, j = _plain.grid(_plain.scores(q, k))
    near = _plain.attention(q, k, v, (i // q.shape[3] == j // q.shape[3]) & past)
    r, p = {"average": (0.5, 0.5), "scale": (r, p), "ratio": (r, 1 - r if r is not None else None)}[mode]
    return r * out + p * near


def case(mode, weights=(), **options):
    return Case(f"{mode}{' causal' if options.get('causal') else ''}", {each: (2, 3, 150, 32) for each in "qkv"},
                {name: (1, 3, 1, 32) for name in weights}, dict(mode=mode, **options))


CASES = (case("average"), case("linear"), case("scale", "rp"), case("ratio", "r"), case("average", causal=True, frozen=(1.0, 1.1)))
