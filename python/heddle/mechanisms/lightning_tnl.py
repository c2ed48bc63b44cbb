"""Lightning attention of TransNormerLLM: linear attention with a fixed decay for each head.

    o_t = sum_{s<=t} lambda_h^(t-s) (q_t.k_s) v_s = q_t S_t,  S_t = lambda_h S_{t-1} + k_t^T v_t
    layer: q, k = silu(..);  result srms(o) * u,  srms(x) = x / rms(x)

Qin et al. 2024, "Various Lengths, Constant Speed: Efficient Language Modeling with Lightning Attention". q, k (B, H, T, d), v (B, H, T, e), no
1 / sqrt(d). `decay` (H,) is log lambda: the paper's is -(8 h / H)(1 - l / L), the released helper's -2^(-8 h / H) (see `slopes`); these are
different. `layer=True` has silu in front, srms and the output gate `u` (B, H, T, e) behind (`gate`: "sigmoid" or None, by version).
`phases` (H, d), of the first layer (LRPE-d): scores are multiplied by cos(phase (t - s)) of each channel; then `place` (T,), float32
numbers of tokens, is an argument.
Compared with OpenNLPLab/lightning-attention @ d15c385, ops/torch/linear_attention.py: max error 1e-6 of 3 (f32, 2x4x150x32).
"""

import numpy as np

import heddle

from . import Case, _plain, recurrent, scaled, stepped


def slopes(heads, schedule="paper", layer=0, layers=1):
    """log lambda of each head."""
    if schedule == "paper":
        return (-8.0 * np.arange(heads) / heads * (1 - layer / layers)).astype(np.float32)
    return -np.exp2(-8.0 * np.arange(1, heads + 1) / heads).astype(np.float32)


def spec(decay, layer=False, gate=None, phases=None, stream=None):
    def turned(x, place):
        angle = phases[:, None] * place[:, None]
        return heddle.concat([(x * heddle.cos(angle)).astype(x.dtype), (x * heddle.sin(angle)).astype(x.dtype)])

    def lightning(recur, q, k, v, u=None, place=None):
        if layer:
            q, k = (x * heddle.sigmoid(x) for x in (q, k))
        if phases is not None:
            q, k = turned(q, place), turned(k, place)
        o = recur(q, k, v, gate=decay, scale=1.0)
        if layer:
            o = heddle.norms.rms(o) * (heddle.sigmoid(u) if gate == "sigmoid" else u)
        return o

    def plain(recur, q, k, v):
        return lightning(recur, q, k, v)

    def rotated(recur, q, k, v, place):
        return lightning(recur, q, k, v, None, place)

    def whole(recur, q, k, v, u):
        return lightning(recur, q, k, v, u)
    return recurrent(rotated if phases is not None else whole if layer else plain, stream)


def reference(q, k, v, decay, u=None, place=None, layer=False, gate=None, phases=None):
    if layer:
        q, k = (x * _plain.sigmoid(x) for x in (q, k))
    s = _plain.scores(q, k, 1.0)
    i, j = _plain.grid(s)
    apart = i - j
    if phases is not None:
        s = np.einsum("bhic,bhjc,hijc->bhij", q, k, np.cos(apart[:, :, None] * phases[:, None, None, :]))
    o = s * np.where(apart >= 0, np.exp(decay[:, None, None] * np.maximum(apart, 0)), 0) @ v
    return o / np.sqrt((o * o).mean(-1, keepdims=True)) * (_plain.sigmoid(u) if gate == "sigmoid" else u) if layer else o


decode = stepped(spec, ("q", "k", "v", "u", "place"))
QK = {x: (2, 4, 150, 32) for x in "qk"}


def place(_):
    return np.arange(150, dtype=np.float32)


CASES = (
    Case("paper", QK | dict(v=(2, 4, 150, 64)), dict(decay=lambda g: slopes(4, "paper", 3, 12)), decode=True),
    Case("released, 192 channels", {x: (1, 2, 140, 192) for x in "qkv"}, dict(decay=lambda g: slopes(2, "released")), dtype="bf16", decode=True),
    Case("layer", QK | dict(v=(2, 4, 150, 32), u=(2, 4, 150, 32)), dict(decay=lambda g: slopes(4, "released")), dict(layer=True, gate="sigmoid"),
         decode=True),
    Case("first layer", QK | dict(v=(2, 4, 150, 32), place=place), dict(decay=lambda g: slopes(4, "released"), phases=scaled((4, 32), 0.1)), decode=True),
)
