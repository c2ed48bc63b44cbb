"""Positions: how tokens know where they are

Positions may stand in the channels of q and k, as on this page, in the [scores](scores.md) (ALiBi, tables of distances), in the
[masks](masks.md), or nowhere: a causal mask alone tells a first token from a last one (NoPE).
"""

import heddle
import numpy as np
from heddle import feature_maps, masks, positions

from ._idea import idea

qkv = {name: "1x2x12x16xf32" for name in "qkv"}


@idea()
@heddle.spec(**qkv)
def rotary(q, k, v):
    """Rotary embedding

        (x_c, x_{c+d/2}) is turned by the angle  t base^(-2c/d),   so that q_i . k_j depends on i - j

    RoFormer (Su et al. 2021), Llama, and most since. The tables are made once and stay arguments of the kernel; angles scaled for longer
    contexts (NTK, YaRN) are another base or other positions. With fewer rows than keys, q is turned as the last tokens.
    """
    return heddle.attend(*positions.rotary(q, k, positions.rotary_tables(64, 16)), v, causal=True)


@idea()
@heddle.spec(**qkv)
def partial(q, k, v):
    """Rotary embedding of some channels

        q = [turned; as it is]

    Half the channels know the position and half do not: GPT-NeoX and Phi (a part of the channels), and in latent attention of DeepSeek the
    rotary channels that all heads share.
    """
    tables = positions.rotary_tables(12, 8)

    def turned(x):
        return heddle.concat([positions.rotate(x[..., :8], tables), x[..., 8:]])
    return heddle.attend(turned(q), turned(k), v, causal=True)


@idea()
@heddle.spec(**{name: "1x2x24x16xf32" for name in "qkv"})
def axial(q, k, v):
    """Rotary embedding on a grid

        half of the channels is turned by the row of the grid, half by the column

    Vision transformers (RoPE-ViT, Pixtral, DINOv3), video models with a third part for time. `positions.rotary_tables` takes any positions.
    """
    place = [masks.coordinate((4, 6), axis) for axis in (0, 1)]
    down, right = (positions.rotary_tables(each(np.arange(24)), 8) for each in place)

    def turned(x):
        return heddle.concat([positions.rotate(x[..., :8], down), positions.rotate(x[..., 8:], right)])
    return heddle.attend(turned(q), turned(k), v)


@idea()
@heddle.spec(**qkv)
def from_an_offset(q, k, v):
    """Positions of a part

        row t is turned as token first + t

    `positions.at` cuts rows out of a table, here those from 3 on, for a call that has a part of a sequence. Rotations by the same offset leave
    scores as they were, which is why caches may keep keys turned.
    """
    part = [positions.at(table, slice(3, 15)) for table in positions.rotary_tables(64, 16)]
    return heddle.attend(positions.rotate(q, part), positions.rotate(k, part), v, causal=True)


@idea(cosine=lambda _: np.cos(np.pi / 24 * np.arange(12, dtype="float32")[:, None]),
      sine=lambda _: np.sin(np.pi / 24 * np.arange(12, dtype="float32")[:, None]))
@heddle.spec(**qkv, cosine="12x1xf32", sine="12x1xf32")
def of_recurrences(q, k, v, cosine, sine):
    """Relative positions without pairs

        f(x)_t = [relu(x) cos(pi t / 2M); relu(x) sin(pi t / 2M)]

    cosFormer (Qin et al. 2022): weights relu(q_i) . relu(k_j) cos(pi (i - j) / 2M), which come apart into features of row and key. Rotary
    embedding in front of `heddle.recur` does the same with many frequencies.
    """
    def features(x):
        return heddle.concat([feature_maps.relu(x) * cosine, feature_maps.relu(x) * sine])
    return heddle.recur(q, k, v, feature_map=feature_maps.clamped(features, 1e-6), normalizer="sum")
