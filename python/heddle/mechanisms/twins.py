"""Twins: attention inside of windows of a feature map, then from every position to a sub-sampled map.

    local (LSA):   softmax(q k^T / sqrt(d)) v among the tokens of each ws x ws window of an (Hh, Ww) map
    global (GSA):  the same from all Hh Ww rows to the Hh Ww / sr^2 keys of a map that a strided convolution made

Chu et al. 2021, "Twins: Revisiting the Design of Spatial Attention in Vision Transformers". Tokens are the map's, row by row, and stay where they
are: a window is a condition on coordinates. ws = 7; sr = 8, 4, 2, 1 by stage; heads of 32. Convolution, LayerNorm and the
position convolution of PCPVT are outside. A map that windows do not divide has smaller windows at its right and lower border, as
released code that masks what it pads; `padded=True` is for k and v (and no q) of the map padded there to whole windows, whose keys, those of a
token of zeros, join the softmax, as in released code that does not.
Compared with Meituan-AutoML/Twins @ c1ff671, gvt.py: max error 2e-7 (f32, LSA 1x2x294x32, GSA 1x2x256x32).
"""

import numpy as np

import heddle
from heddle import masks

from . import Case, _plain


def of_keys(shape, window, padded):
    return tuple(-(-extent // window) * window for extent in shape) if padded else shape


def spec(part="local", shape=(56, 56), window=7, padded=False):
    @heddle.spec
    def twins(q, k, v):
        return heddle.attend(q, k, v, mask_mod=masks.tiles(shape, (window, window), of_keys(shape, window, padded)) if part == "local" else None)
    return twins


def reference(q, k, v, part="local", shape=(56, 56), window=7, padded=False):
    if part == "global":
        return _plain.attention(q, k, v)
    out = np.zeros(q.shape)
    tokens, keys = (np.arange(extents[0] * extents[1]).reshape(extents) for extents in (shape, of_keys(shape, window, padded)))
    for y in range(0, shape[0], window):
        for x in range(0, shape[1], window):
            rows, own = (each[y:y + window, x:x + window].ravel() for each in (tokens, keys))
            out[:, :, rows] = _plain.attention(q[:, :, rows], k[:, :, own], v[:, :, own])
    return out


def shapes(rows, keys):
    return dict(q=(1, 2, rows, 32), k=(1, 2, keys, 32), v=(1, 2, keys, 32))


CASES = (
    Case("LSA 14 x 21", shapes(294, 294), options=dict(shape=(14, 21)), dtype="bf16"),
    Case("LSA 16 x 13, windows of 5", shapes(208, 208), options=dict(shape=(16, 13), window=5)),
    Case("LSA 16 x 13, padded to 20 x 15", shapes(208, 300), options=dict(shape=(16, 13), window=5, padded=True)),
    Case("GSA", shapes(256, 16), options=dict(part="global", shape=(16, 16))),
)
