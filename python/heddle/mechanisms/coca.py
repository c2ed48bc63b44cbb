"""Collinear constrained attention: the key that a row compares with is the row itself, scaled in every plane of the rotary positions.

    tb[c] = relu((t[c] + t[c + d/2]) / 2);  paper:  s_mn = sum_c tb_n[c] (q_m[c]^2 + q_m[c + d/2]^2) cos((m - n) g_c) / sqrt(d)
    code:  s_mn = sum over all d channels of q_m (R_m q_m) (R_n [tb | tb]) / sqrt(d);  o = softmax_{n <= m}(s) v

Zhu et al. 2023, "Cure the headache of Transformers via Collinear Constrained Attention". t (B, Hkv, T, d) stands in place of keys. The paper's key depends on the
pair; its sum is < R_m [|q|^2 ; 0], R_n [tb ; 0] >, an ordinary product of maps of q and t, so nothing of size T T d is made. The
released three-operand sum is another function, also of rank d, and not invariant to a shift of both positions: `form="code"`. `base`
10000, larger for NTK scaling; `stretch` divides positions (linear scaling). Cached are rotated t and v.
Compared with codefuse-ai/Collinear-Constrained-Attention @ aae1cfd, modeling_llama.py ("code"): max error 2e-7 (f32, 2x4x60x32).
"""

import numpy as np

import heddle
from heddle import positions

from . import Case, _plain, cached

PARTIAL = "the sum over channels of a pair is not a score that the language takes: its form as two maps is derived here, by hand"


def spec(form="paper", base=10000.0, stretch=1.0, length=4096):
    @heddle.spec
    def coca(q, t, v):
        half = q.shape[3] // 2
        tables = positions.rotary_tables(np.arange(length) / stretch, q.shape[3], base)
        tb = heddle.maximum((t[..., :half] + t[..., half:]) * 0.5, 0.0)
        if form == "paper":
            size = q[..., :half] * q[..., :half] + q[..., half:] * q[..., half:]
            rows, keys = positions.rotary(heddle.concat([size, size * 0.0]), heddle.concat([tb, tb * 0.0]), tables)
        else:
            rows, keys = positions.rotary(q, heddle.concat([tb, tb]), tables)
            rows = q * rows
        return heddle.attend(rows, keys, v, causal=True, scale=q.shape[3] ** -0.5)
    return coca


def reference(q, t, v, form="paper", base=10000.0, stretch=1.0, length=4096):
    half, heads = q.shape[3] // 2, q.shape[1]
    t, v = _plain.heads(t, heads), _plain.heads(v, heads)
    tb = np.maximum((t[..., :half] + t[..., half:]) / 2, 0)
    i, j = _plain.grid(_plain.scores(q, t))
    rates = base ** (-np.arange(half) / half) / stretch
    if form == "paper":
        s = np.einsum("bhnc,bhmc,mnc->bhmn", tb, q[..., :half] ** 2 + q[..., half:] ** 2, np.cos((i - j)[..., None] * rates))
    else:
        def turned(x):
            z = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * _plain.places(x.shape[2])[:, None] * rates)
            return np.concatenate([z.real, z.imag], -1)
        s = np.einsum("bhmc,bhmc,bhnc->bhmn", q, turned(q), turned(np.concatenate([tb, tb], -1)))
    return _plain.softmax(s / np.sqrt(2 * half), j <= i) @ v


decode = cached(spec, keys=("t", "v"))
QTV = dict(q=(2, 4, 60, 32), t=(2, 2, 60, 32), v=(2, 2, 60, 32))
CASES = (
    Case("paper", QTV, options=dict(length=60), decode=True),
    Case("code", QTV, options=dict(form="code", length=60), decode=True),
    Case("scaled", QTV, options=dict(base=40000.0, stretch=2.0, length=60)),
)
