"""BAM: a generalised Gaussian log-prior over distances, learned for each head, and a softmax that knows how many keys it has.

    b_ij = -exp(gamma_h) (|(j - i) - mu_h| + 1e-5)^beta_h,  mu_h = e^m_h - e^-m_h;  s = q.k / sqrt(d) + b
    ssmax: s <- s c_h log(n_i), n_i the keys that row i sees;  o = softmax_{j <= i}(s) v

Bianchessi et al. 2025, "Bayesian Attention Mechanism". No other positions. gamma, beta, m, c (H,) are learned; beta = 1 and m = 0 is ALiBi, beta = 0
no position at all. They start at ALiBi's slopes, or in the released inference code at beta = 0, gamma = 5. The factor of ssmax multiplies
scores and prior, as in the released best variant. `starts` (B, T) int32 says where each token's document starts (`documents=True`).
For beta < 0 the prior pushes away from near positions: at distance mu it is -exp(gamma) 1e-5^beta. Powers are float32.
Compared with ArthurSBianchessi/BAM @ 5a6579d, models/bam_ssmax.py: max error 5e-7 (f32, ssmax, 2x4x80x32).
"""

import numpy as np

import heddle

from . import Case, _plain, cached


def spec(gamma, beta, m, c=None, documents=False):
    def attend(q, k, v, starts):
        past = k.shape[2] - q.shape[2]

        def prior(s, b, h, i, j):
            row = i + past
            distance = heddle.abs(j - row - (heddle.exp(m[h]) - heddle.exp(-m[h]))) + 1e-5
            s = s - heddle.exp(gamma[h] + beta[h] * heddle.log(distance))
            if c is None:
                return s
            return s * c[h] * heddle.log(1.0 + (row if starts is None else row - starts[b, row]))

        return heddle.attend(q, k, v, causal=True, score_mod=prior,
                             mask_mod=None if starts is None else lambda b, h, i, j: j >= starts[b, i + past])

    def bam(q, k, v):
        return attend(q, k, v, None)

    def packed(q, k, v, starts):
        return attend(q, k, v, starts)
    return heddle.spec(packed if documents else bam)


def reference(q, k, v, gamma, beta, m, c=None, starts=None, documents=False):
    gamma, beta, m = (x[:, None, None] for x in (gamma, beta, m))
    s = _plain.scores(q, k)
    i, j = _plain.grid(s)
    seen = j <= i if starts is None else (j <= i) & (j >= starts[:, None, :, None])
    s = s - np.exp(gamma) * (abs((j - i) - (np.exp(m) - np.exp(-m))) + 1e-5) ** beta
    if c is not None:
        s = s * c[:, None, None] * np.log(np.broadcast_to(seen, s.shape).sum(-1, keepdims=True))
    return _plain.softmax(s, seen) @ _plain.heads(v, q.shape[1])


decode = cached(spec)
QKV = dict(q=(2, 4, 80, 32), k=(2, 2, 80, 32), v=(2, 2, 80, 32))
PRIOR = dict(gamma=lambda g: g.standard_normal(4, np.float32) - 1, beta=lambda g: g.uniform(0.3, 1.5, 4).astype(np.float32),
             m=lambda g: g.standard_normal(4, np.float32) / 3)
SSMAX = PRIOR | dict(c=lambda g: g.uniform(0.5, 1.0, 4).astype(np.float32))

CASES = (
    Case("ssmax", QKV, SSMAX, dtype="bf16", decode=True),
    Case("prior", QKV, PRIOR, decode=True),
    Case("ssmax, documents", QKV | dict(starts=lambda g: np.repeat([[0, 30, 45]] * 2, (30, 15, 35), axis=1).astype(np.int32)), SSMAX,
         dict(documents=True)),
    Case("away from near", QKV, PRIOR | dict(beta=lambda g: np.full(4, -0.5, np.float32), gamma=lambda g: np.full(4, -2.0, np.float32))),
)
