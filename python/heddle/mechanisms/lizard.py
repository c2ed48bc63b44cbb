"""Lizard: a gated recurrence of learned features beside softmax in a window with anchors.

    far_i  = sum_{j<=i} exp(b_i - b_j) f_q(q_i).f_k(k_j) v_j (/ the same without v),  b = cumsum log gamma,  f(u) = [exp(u W); exp(-u W)]
    near_i = sum_{i-w<j<=i} exp(s_ij) v_j / (sum_n exp(t_n) + sum exp(s_ij));   y = far + alpha near

Nguyen et al. 2025, "Lizard: An Efficient Linearization Framework for Large Language Models"; no official code. q (B, H, T, d), k and v (B, Hk, T, ..), without rotary
positions. W (d, f), or of each head of q and of k (H, d, f). g, what gates are made of, (B, 1, T), (B, H, T), or of features (B, H, T, f): gamma = sigmoid(g), or
exp(-softplus(g) exp(a)) (`rate`, a of each head). The paper prints three readings that are not equal, `norm`: "row" (both parts divided, which overlap: rows weigh more
than 1), "none" (far is not), "joint" (one denominator). Its "softmax" form of f is another function, and there the gate cannot move into the exponent. Anchors t: logits
(m,) or (H, m), or keys (m, d) (exp(q.t / sqrt(d))), with values (m, e) or without; printed as t without exp, which may be 0. `alpha`: (H,).
Compared with mahdikhashan/jku-thesis @ 1ba8beb, far and near with logits as anchors: max error 2e-4 of 800 (f32, "none", 1x2x150x32).
"""

import numpy as np

import heddle
from heddle import feature_maps, gates

from . import Case, _plain, recurrent, scaled


def spec(wq, wk, alpha, anchors=None, anchor_values=None, rate=None, norm="row", form="exp", window=128, keys=False, stream=None):
    maps = tuple(feature_maps.learned(w, feature_maps.clamped(feature_maps.mirrored(getattr(feature_maps, form)))) for w in (wq, wk))
    sinks = None if anchors is None or keys else np.logaddexp.reduce(anchors.astype(np.float32), -1) + np.zeros(alpha.shape, np.float32)
    def of_rows(x, q):  # (m, c) as (B, 1, m, c)
        return heddle.view(x, (q.shape[0], 1, *x.shape), lambda b, h, j, c: (j, c))

    def step(recur, q, k, v, g, window_k, window_v):
        gate = gates.rate(g, rate) if rate is not None else gates.sigmoid(g if g.ndim == 3 else heddle.concat([g, g]))
        near, lse = heddle.attend(q, window_k, window_v, causal=True, window=(window - 1, 0), sink=sinks, return_lse=True)
        if keys:
            values = of_rows(anchors if anchor_values is None else anchor_values, q)
            there, mass = heddle.attend(q, of_rows(anchors, q), values, return_lse=True)
            share = heddle.sigmoid(lse - mass)
            near = heddle.merge(near, there, weights=lambda b, h, i: (share[b, h, i], 0.0 if anchor_values is None else 1.0 - share[b, h, i]))
            lse = lse + gates.softplus(mass - lse)
        if norm == "joint":
            far, mass = recur(q, k, v, gate=gate, feature_map=maps, normalizer="sum", return_mass=True)
            return heddle.merge(far, near, weights=heddle.by_lse(heddle.log(mass), lse + heddle.log(alpha)[:, None]))
        far = recur(q, k, v, gate=gate, feature_map=maps, **(dict(normalizer="sum") if norm == "row" else dict(scale=1.0)))
        return heddle.merge(far, near, weights=lambda b, h, i: (1.0, alpha[h]))

    return recurrent(step if stream else lambda recur, q, k, v, g: step(recur, q, k, v, g, k, v), stream)


def decode(q, k, v, g, window=128, tokens=3, **more):
    first, rows = q.shape[2] - tokens, []  # the recurrence goes on from its states, the window is the last keys
    _, *state = spec(window=window, stream=0, **more)(*(x[:, :, :first] for x in (q, k, v, g)))
    for i in range(first, q.shape[2]):
        row, *state = spec(window=window, stream=len(state), **more)(*(x[:, :, i:i + 1] for x in (q, k, v, g)), *(x[:, :, max(i + 1 - window, 0):i + 1] for x in (k, v)), *state)
        rows.append(row)
    return np.concatenate(rows, 2)


def reference(q, k, v, g, wq, wk, alpha, anchors=None, anchor_values=None, rate=None, norm="row", form="exp", window=128, keys=False):
    fq, fk, alpha = _plain.mirrored(q @ wq, form), _plain.mirrored(k @ wk, form), alpha[:, None, None]
    gate = -np.log1p(np.exp(-g)) if rate is None else -np.log1p(np.exp(g)) * np.exp(rate)[:, None]
    gate = np.concatenate([gate, gate], -1) if g.ndim == 4 else gate[..., None]
    far, mass = (_plain.recurrence(fq, fk, x, gate) for x in (v, np.ones_like(v[..., :1])))
    i, j = _plain.grid(s := _plain.scores(q, k))
    e, extra, values = np.where((j <= i) & (j > i - window), np.exp(s), 0), 0, 0
    if anchors is not None:
        there = np.exp(q @ anchors.T / q.shape[3] ** 0.5 if keys else anchors if anchors.ndim == 1 else anchors[:, None])
        extra, values = there.sum(-1, keepdims=True), 0 if anchor_values is None else there @ anchor_values
    near, total = e @ _plain.heads(v, q.shape[1]) + values, e.sum(-1, keepdims=True) + extra
    return (far + alpha * near) / (mass + alpha * total) if norm == "joint" else far / (mass if norm == "row" else 1) + alpha * near / total


def case(name, g=(1,), dtype="f32", decode=False, shared=False, weights=(), **options):
    w = {x: scaled((32, 16) if shared else (n, 32, 16), 0.18) for x, n in (("wq", 4), ("wk", 2))} | dict(alpha=lambda r: r.random(4, np.float32) + 0.5)
    arrays = {x: (1, n, 150, 32) for x, n in (("q", 4), ("k", 2), ("v", 2))} | dict(g=(1, g[0], 150, *g[1:]))
    return Case(name, arrays, w | dict(weights), dict(window=64) | options, dtype, decode)


ANCHORS = dict(anchors=(4,))
CASES = (case("row", decode=True, weights=dict(anchors=(4, 4))), case("none", decode=True, weights=ANCHORS, norm="none"),
         case("joint", decode=True, weights=ANCHORS, norm="joint"), case("16 bits", (4,), "bf16", weights=ANCHORS, window=128),
         case("softmax", shared=True, form="softmax"), case("gate of features", (4, 16), weights=ANCHORS),
         case("rate", (4,), weights=dict(rate=scaled((4,), 0.5))), case("keys", decode=True, weights=dict(anchors=(4, 32)), keys=True),
         case("keys and values", weights=dict(anchors=(4, 32), anchor_values=(4, 32)), keys=True, norm="joint"))
