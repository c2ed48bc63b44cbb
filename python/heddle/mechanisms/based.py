"""BASED: linear attention with the Taylor features of exp, sliding-window attention and gated short convolutions, layer by layer.

    taylor:  sum_{j<=i} (1 + s + s^2 / 2) v_j / sum_{j<=i} (1 + s + s^2 / 2),  s = q_i.k_j / sqrt(d), d = 16: at least 1/2 each
    window:  softmax(q k^T / sqrt(d)) v over the last 64 keys, with rotary positions;  conv:  y = silu(conv3(u)) w

Arora et al. 2024, "Simple linear attention language models balance the recall-throughput tradeoff". q, k (B, H, T, 16), v (B, H, T, e) of another width; u, w (B, 1, T, c) with
`kernel` (3, c), a causal depthwise filter. 1 + 16 + 136 features (each product of two channels once) are made in the kernel, from the
polynomial's coefficients. Published code adds 1e-12 (fla: 1e-6) to a denominator that is at least 1/2. `divide=False`: the benchmark's
variant, without denominator, each row divided by its root mean square (eps 1e-5). No positions in taylor. Windows of 16 to 256 are in use;
released configurations have 256. Which layer has what is outside.
Compared with fla-org/flash-linear-attention @ 0.6.0, ops/based/naive.py: max error 4e-6 of 3 (f32, 2x3x150x16).
"""

import numpy as np

import heddle
from heddle import feature_maps

from . import Case, _plain, cached, recurrent, stepped


def spec(kernel=None, part="taylor", window=64, divide=True, rotary=10000.0, length=4096, stream=None):
    def taylor(recur, q, k, v):
        if divide:
            return recur(q, k, v, feature_map=feature_maps.taylor, normalizer="sum")
        o = recur(q, k, v, feature_map=feature_maps.taylor, scale=1.0)
        return heddle.norms.rms(o, 1e-5)

    def near(q, k, v):
        q, k = heddle.positions.rotary(q, k, heddle.positions.rotary_tables(length, q.shape[3], rotary))
        return heddle.attend(q, k, v, causal=True, window=(window - 1, 0))

    def conv(u, w):
        y = heddle.convolutions.causal(u, kernel)
        return y * heddle.sigmoid(y) * w
    return recurrent(taylor, stream) if part == "taylor" else heddle.spec(near if part == "window" else conv)


def reference(q=None, k=None, v=None, u=None, w=None, kernel=None, part="taylor", window=64, divide=True, rotary=10000.0, length=4096):
    if part == "conv":
        y = sum(np.pad(u, ((0, 0), (0, 0), (2 - n, 0), (0, 0)))[:, :, :u.shape[2]] * kernel[n] for n in range(3))
        return y * _plain.sigmoid(y) * w
    if part == "window":
        q, k = _plain.rope(q, rotary), _plain.rope(k, rotary)
        i, j = _plain.grid(_plain.scores(q, k))
        return _plain.attention(q, k, v, (j <= i) & (i - j < window))
    s = _plain.scores(q, k)
    f = (1 + s + s ** 2 / 2) * _plain.causal(q, k)
    o = f @ v
    return o / (f.sum(-1, keepdims=True) if divide else ((o ** 2).mean(-1, keepdims=True) + 1e-5) ** 0.5)


def decode(**given):
    return (stepped(spec) if given.get("part", "taylor") == "taylor" else cached(spec))(**given)


NARROW = dict(q=(2, 3, 150, 16), k=(2, 3, 150, 16), v=(2, 3, 150, 64))
CASES = (
    Case("taylor", NARROW, decode=True), Case("taylor bf16", NARROW, dtype="bf16"), Case("without denominator", NARROW, options=dict(divide=False)),
    Case("window", {each: (1, 2, 150, 64) for each in "qkv"}, options=dict(part="window", length=150), decode=True),
    Case("convolution", dict(u=(2, 1, 90, 64), w=(2, 1, 90, 64)), dict(kernel=(3, 64)), dict(part="conv")),
)
