"""Generalized neighborhood attention: on a grid of tokens each row sees a box of keys around it, shared by a stride of rows.

    per axis, window w, stride s, dilation d:  leader = min(floor(x/s) s + floor(s/2), L - 1),  start = clamp(leader - floor(w/2), 0, L - w)
    y is seen if start <= y < start + w;  a causal axis: leader = min(floor(x/s) s + s - 1, L - 1), max(leader - (w - 1), 0) <= y <= x

Hassani et al. 2025, "Generalized Neighborhood Attention". x, y are coordinates inside of a dilation group (tokens equal modulo d), L the length
of the group; axes are joined by and. Windows are moved at borders, never cut, and lean left where they are even. s = 1 is neighbourhood
attention, s = w blocked attention. Grids of 1, 2 or 3 axes, the last innermost; `extra`: so many keys behind those of the grid (text, say)
are seen by every row, which equals the published merge by log-sum-exp. The log of the denominator is the second result.
Compared with SHI-Labs/NATTEN @ 8c8729f, the mask of backends/flex.py: max error 4e-7 (f32, 2-D dilated and causal, 3-D, blocked).
"""

import numpy as np

import heddle
from heddle import masks

from . import Case, _plain


def spec(shape, window, stride=None, dilation=None, causal=None, extra=0, scale=None):
    near, count = masks.neighborhoods(shape, window, stride, dilation, causal), int(np.prod(shape))
    mask = heddle.or_masks(lambda b, h, i, j: j >= count, near) if extra else near

    @heddle.spec
    def neighborhoods(q, k, v):
        return heddle.attend(q, k, v, mask_mod=mask, scale=scale, return_lse=True)
    return neighborhoods


def reference(q, k, v, shape, window, stride=None, dilation=None, causal=None, extra=0, scale=None):
    seen, _ = _plain.neighborhoods(_plain.places(q.shape[2]), shape, window, stride, dilation, causal)
    s = np.where(np.pad(seen, ((0, 0), (0, extra)), constant_values=True), _plain.scores(q, k, scale), -np.inf)
    top = s.max(-1, keepdims=True)
    return _plain.softmax(s) @ _plain.heads(v, q.shape[1]), np.log(np.exp(s - top).sum(-1)) + top[..., 0]


def case(name, shape, window, heads=(2, 2), width=32, dtype="f32", **options):
    t, s = int(np.prod(shape)), int(np.prod(shape)) + options.get("extra", 0)
    return Case(name, dict(q=(1, heads[0], t, width), k=(1, heads[1], s, width), v=(1, heads[1], s, width)),
                options=dict(shape=shape, window=window, **options), dtype=dtype)


CASES = (
    case("2-D", (12, 20), (4, 7), (4, 2), 64, "bf16", stride=(2, 3)), case("1-D", (150,), (13,), stride=(4,), dilation=(2,)),
    case("2-D dilated, causal rows", (11, 13), (3, 5), dilation=(2, 1), causal=(True, False), extra=9),
    case("3-D", (4, 6, 10), (2, 3, 4), stride=(1, 3, 2), causal=(True, False, False)), case("blocked", (16, 16), (4, 4), stride=(4, 4)),
)
