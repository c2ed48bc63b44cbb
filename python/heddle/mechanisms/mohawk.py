"""MOHAWK's student: discrete Mamba-2, a recurrence whose decay is its token's own and whose matrix may equal an attention matrix.

    S_t = a_t S_{t-1} + B_t x_t^T,  a_t = sigmoid(-A_t);  y_t = C_t^T S_t + D_h x_t;  out = y silu(z + b_z)

Bick et al. 2024, "Transformers to SSMs: Distilling Quadratic Knowledge to Subquadratic Models". c, b (B, H, T, n), x (B, H, T, d), A (B, H, T) of
every token and head (there is no step size: released code divides x by softplus(A) only to cancel what its kernel multiplies). `conv_c`, `conv_b`,
`conv_x` (H, 4, n or d): depthwise causal convolutions in front, without activation; they start as the identity. z (B, H, T, d), bias (H, d), skip
(H,). No norm. 32 heads, n = d = 64. The mixing matrix, for the first stage of distillation, is the result for values that are the columns of
an identity (`part="matrix"` leaves out convolution of x, skip and gate; `heddle.mixing_matrix` does it by blocks). Generating, the state is S and
the last 3 tokens of c, b and x, which a call has in front of its own (`before`).
Compared with goombalab/phi-mamba @ b2e405f, discrete_mamba2_ref.py: matrix, ssd: max error 7e-7 (f32, 2x3x128x32).
"""

import numpy as np

import heddle

from . import Case, _plain, recurrent


def spec(conv_c, conv_b, conv_x=None, bias=None, skip=None, part="block", before=0, stream=None):
    def convolved(y, w):
        y = heddle.convolutions.causal(y, w)
        return heddle.view(y, (*y.shape[:2], y.shape[2] - before, y.shape[3]), lambda b, h, t, c: (b, h, t + before, c)) if before else y

    def block(recur, c, b, x, A, z=None):
        gate = heddle.gates.sigmoid(-A)
        c, b = convolved(c, conv_c), convolved(b, conv_b)
        if part == "matrix":
            return recur(c, b, x, gate=gate, scale=1.0)
        x = convolved(x, conv_x)
        z = z + bias[:, None]
        return (recur(c, b, x, gate=gate, scale=1.0) + x * skip[:, None, None]) * (z * heddle.sigmoid(z))

    def matrix(recur, c, b, x, A):
        return block(recur, c, b, x, A)
    return recurrent(matrix if part == "matrix" else block, stream)


def decode(c, b, x, A, z, tokens=3, **weights):
    def of(y, first, last):
        return np.ascontiguousarray(y[:, :, first:last])
    first, rows = A.shape[2] - tokens, []
    _, state = spec(**weights, stream=0)(*(of(y, 0, first) for y in (c, b, x, A, z)))
    step, taps = spec(**weights, before=3, stream=1), [of(y, first - 3, first) for y in (c, b, x)]
    for t in range(first, A.shape[2]):
        call = [np.concatenate([tap, of(y, t, t + 1)], 2) for tap, y in zip(taps, (c, b, x))]
        row, state = step(*call, of(A, t, t + 1), of(z, t, t + 1), state)
        rows, taps = [*rows, row], [of(y, 1, 4) for y in call]
    return np.concatenate(rows, 2)


def reference(c, b, x, A, conv_c, conv_b, z=None, conv_x=None, bias=None, skip=None, part="block"):
    def convolved(y, w):
        return sum(np.pad(y, ((0, 0), (0, 0), (3 - n, 0), (0, 0)))[:, :, :y.shape[2]] * w[:, n, None] for n in range(4))
    c, b, decay = _plain.picked(convolved(c, conv_c)), convolved(b, conv_b), np.cumsum(-np.log1p(np.exp(A)), 2)
    seen = _plain.causal(c, b)
    matrix = c @ b.swapaxes(-1, -2) * np.where(seen, np.exp(np.where(seen, _plain.picked(decay)[..., None] - decay[:, :, None], 0)), 0)
    if part == "matrix":
        return matrix @ x
    x = convolved(x, conv_x)
    z = _plain.picked(z) + bias[:, None]
    return (matrix @ x + skip[:, None, None] * _plain.picked(x)) * z * _plain.sigmoid(z)


def taps(heads, width):
    return lambda g: (np.eye(4)[3][None, :, None] + g.standard_normal((heads, 4, width)) / 3).astype(np.float32)


STATE = dict(c=(2, 3, 130, 32), b=(2, 3, 130, 32))
CASES = (
    Case("block", STATE | dict(x=(2, 3, 130, 32), A=(2, 3, 130), z=(2, 3, 130, 32)),
         dict(conv_c=taps(3, 32), conv_b=taps(3, 32), conv_x=taps(3, 32), bias=(3, 32), skip=(3,)), decode=True),
    Case("matrix", STATE | dict(x=lambda g: np.broadcast_to(np.eye(130, 136, dtype=np.float32), (2, 3, 130, 136)).copy(), A=(2, 3, 130)),
         dict(conv_c=taps(3, 32), conv_b=taps(3, 32)), dict(part="matrix")),
)
