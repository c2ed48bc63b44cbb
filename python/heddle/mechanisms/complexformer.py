"""ComplexFormer: channels of q and k as complex numbers, whose angles are scaled and shifted for each head before they are compared.

    s_mn = sum_c |q_mc| |k_nc| cos(delta_hc (arg q_mc - arg k_nc) + b_hc + (m - n) g_c),  g_c = base^(-2c/d);  o = softmax(s) v

Shao 2025, "ComplexFormer: Disruptively Advancing Transformer Inference Ability via Head-Specific Complex Vector Attention" (withdrawn, by its
listing). Real parts are the first half of the channels. As the sum is Re(qh conj kh), qh = |q| e^(i (delta arg q + b + m g)), kh = |k| e^(i (delta arg k + n g)),
this is a map of q and of k in front of an ordinary product; the published code makes (B, H, T, T, d / 2) numbers. delta = 1, b = 0 is rotary
attention. No 1 / sqrt(d) in the code (`scale=1`); the paper is not clear. |x| is sqrt(re^2 + im^2 + 1e-9). Where delta is no whole
number, the function jumps as a key crosses the negative real axis: that is its definition. Generating, kh is what is cached.
Compared with shaojintian/complexFormer @ f91ac74: max error 8e-6 (f32, 1x3x60x32); it rounds g to bfloat16, which is 4e-2 away at 60 tokens.
"""

import numpy as np

import heddle

from . import Case, _plain, cached


def spec(delta, shift, scale=1.0, base=10000.0, length=4096):
    tables = heddle.positions.rotary_tables(length, 2 * delta.shape[1], base)

    def turned(x, shift):
        half = delta.shape[1]
        re, im = x[..., :half].astype("f32"), x[..., half:].astype("f32")
        size, angle = heddle.sqrt(re * re + im * im + 1e-9), heddle.atan2(im, re) * delta[:, None, :]
        angle = angle if shift is None else angle + shift[:, None, :]
        return heddle.concat([(size * heddle.cos(angle)).astype(x.dtype), (size * heddle.sin(angle)).astype(x.dtype)])

    @heddle.spec
    def complexformer(q, k, v):
        q, k = heddle.positions.rotary(turned(q, shift), turned(k, None), tables)
        return heddle.attend(q, k, v, causal=True, scale=scale)
    return complexformer


def reference(q, k, v, delta, shift, scale=1.0, base=10000.0, length=4096):
    half = delta.shape[1]
    z, w = (x[..., :half] + 1j * x[..., half:] for x in (q, k))
    i, j = _plain.grid(_plain.scores(q, k))
    phase = delta[:, None, None] * (np.angle(z)[:, :, :, None] - np.angle(w)[:, :, None]) + shift[:, None, None]
    phase = phase + (i - j)[..., None] * base ** (-np.arange(half) / half)
    sizes = [np.sqrt(abs(x) ** 2 + 1e-9) for x in (z, w)]
    return _plain.softmax((sizes[0][:, :, :, None] * sizes[1][:, :, None] * np.cos(phase)).sum(-1) * scale, j <= i) @ v


decode = cached(spec)
QKV = {name: (1, 3, 60, 32) for name in "qkv"}
CASES = (
    Case("learned", QKV, dict(delta=lambda g: g.uniform(0.5, 2, (3, 16)).astype(np.float32), shift=lambda g: g.standard_normal((3, 16), np.float32)),
         dict(scale=32 ** -0.5, length=64), decode=True),
    Case("rotary", QKV, dict(delta=lambda g: np.ones((3, 16), np.float32), shift=lambda g: np.zeros((3, 16), np.float32)), dict(length=64)),
)
