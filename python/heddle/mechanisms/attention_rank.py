"""Scores of rank r beside values of full width.

    o_h = softmax(q_h k_h^T / sqrt(r) + bias_j) x,  then sum_h o_h VO_h

Amsel, Yehudai and Bruna 2024, "On the Benefits of Rank in Attention Layers". Rows y (B, M, d) and points x (B, N, d) are projected to
q (B, H, M, r) and k (B, H, N, r); values are the points themselves, (B, 1, N, d), for all heads, with a d by d matrix VO of each head behind.
r = d with one head is the full-rank head. `bias` (B, N) is the paper's biased target. `hard=True`: the point of the largest
score, the first of equal ones (a nearest neighbour where points have one norm); as softmax of scores that are scaled until only one weight
is left it would need a limit, so it is a normalizer: weights that are 1 at the reference and 0 elsewhere, divided by their sum.
Compared with NoahAmsel/attention-formers @ 24a779c, models.py, soft and hard: max error 1e-6 of 5 (f32, 3 heads, rank 8, 2x20 rows, 50 points).
"""

import numpy as np

import heddle

from . import Case, _plain


def spec(hard=False):
    @heddle.spec
    def ranked(q, k, x, bias):
        scale = None
        if q.shape[3] == 1:  # contracted widths are multiples of 8: eight times the one channel
            q, k = (heddle.view(y, (*y.shape[:3], 8), lambda b, h, t, c: (b, h, t, 0)) for y in (q, k))
            scale = 1 / 8
        return heddle.attend(q, k, x, scale=scale, score_mod=lambda s, b, h, i, j: s + bias[b, j], normalizer=heddle.normalizers.HARD if hard else "softmax")
    return ranked


def reference(q, k, x, bias, hard=False):
    s = _plain.scores(q, k) + bias[:, None, None]
    weights = np.eye(s.shape[-1])[s.argmax(-1)] if hard else _plain.softmax(s)
    return weights @ _plain.heads(x, q.shape[1])


def points(g):
    x = g.standard_normal((1, 1, 1000, 64), np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def case(rank, heads, rows=40, keys=70, **more):
    return Case(f"rank {rank}", dict(q=(2, heads, rows, rank), k=(2, heads, keys, rank), x=(2, 1, keys, 64),
                                     bias=lambda g: g.standard_normal((2, keys), np.float32)), **more)


CASES = (
    case(64, 1), case(8, 8), case(1, 8),
    Case("nearest", dict(q=(1, 1, 50, 64), k=points, x=points, bias=lambda g: np.zeros((1, 1000), np.float32)), options=dict(hard=True)),
)
