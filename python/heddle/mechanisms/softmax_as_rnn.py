"""What can stand in place of softmax's denominator.

    N_t = sum_{s <= t} f(x_ts) v_s,  x = q.k / sqrt(d);  o_t = N_t divided by something, or normed

Mongaras and Larson 2025, "On the Expressiveness of Softmax Attention: A Recurrent Neural Network Perspective". `function`: exp, clamped (exp(min(x,
5))), taylor (the series up to x^`order`), relu (relu(q).relu(k) / sqrt(d)), elu (elu + 1 of both), cosine. `divide`: sum (softmax; a detached
denominator is the same forward), clamped (at least 1), count (t), none, l2, rms, layer (norms of a head's N, eps 1e-5 in the last two), width (d
times l2), gate (sum_{s <= t} exp(g_s), at least 1; g (B, H, T) is a projection of tokens), visible (values divided by s^sigmoid(p_h), s from 1).
What is normed is N / sum f for exp, with eps / (sum f)^2, so that scores of 200 stay finite. `decay`: f times exp(g_s) / 1024. Gates are outside.
Compared with gmongaras/On-the-Expressiveness-of-Softmax-Attention-A-Recurrent-Neural-Network-Perspective @ b039a8c: max error 2e-6 (f32, 1x2x90x32).
"""

import math

import numpy as np

import heddle
from heddle import feature_maps

from . import Case, _plain

FEATURES = {"relu": feature_maps.relu, "elu": feature_maps.elu_plus_one, "cosine": lambda x: x / heddle.sqrt((x * x).sum(keepdims=True))}


def spec(p, function="exp", divide="sum", order=4, decay=False, rotary=10000.0, length=4096):
    stable = function == "exp" and divide in ("sum", "clamped", "l2", "rms", "layer", "width") and not decay

    @heddle.spec
    def family(q, k, v, g):
        def weight(x, m, b, h, i, j):
            series = 1.0
            for n in range(order, 0, -1):
                series = series * x * (1.0 / n) + 1.0
            w = {"exp": heddle.exp(x - m), "clamped": heddle.exp(heddle.minimum(x, 5.0)), "taylor": series}.get(function, x)
            w = w * heddle.exp(g[b, h, j]) * (1 / 1024) if decay else w
            w = w * heddle.exp(-heddle.log(1.0 + j) * heddle.sigmoid(p[h])) if divide == "visible" else w
            return w, heddle.exp(g[b, h, j]) if divide == "gate" else w

        def finish(m, total, b, h, i):
            by = {"sum": total, "clamped": heddle.maximum(total, heddle.exp(0.0 - m)), "gate": heddle.maximum(total, 1.0), "count": i + 1.0}
            return 1.0 / by.get(divide, total if stable else 1.0), m + heddle.log(total)

        if rotary:
            q, k = heddle.positions.rotary(q, k, heddle.positions.rotary_tables(length, q.shape[3], rotary))
        q, k = (FEATURES.get(function, lambda x: x)(x) for x in (q, k))
        running = dict(reference=lambda x: x, rescale=lambda old, new: heddle.exp(old - new), weight=weight, finish=finish)
        fixed = dict(weight=lambda x, b, h, i, j: weight(x, 0.0, b, h, i, j), finish=lambda total, b, h, i: finish(0.0, total, b, h, i))
        made = heddle.Normalizer(**(running if stable else fixed), stats=("lse",))
        o, lse = heddle.attend(q, k, v, causal=True, normalizer=made, return_lse=True, scale=1.0 if function == "cosine" else None)
        o = o - o.mean(keepdims=True) if divide == "layer" else o
        if divide in ("rms", "layer"):
            return o / heddle.sqrt((o * o).mean(keepdims=True) + (heddle.exp(lse[..., None] * -2.0) if stable else 1.0) * 1e-5)
        size = {"l2": 1.0, "width": v.shape[3]}.get(divide)
        return o if size is None else o / heddle.sqrt((o * o).sum(keepdims=True)) * size
    return family


def reference(q, k, v, g, p, function="exp", divide="sum", order=4, decay=False, rotary=10000.0, length=4096):
    q, k = (_plain.rope(x, rotary) if rotary else x for x in (q, k))
    maps = {"relu": _plain.FEATURES["relu"], "elu": _plain.FEATURES["elu"], "cosine": lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)}
    x = _plain.scores(*(maps.get(function, lambda x: x)(x) for x in (q, k)), 1.0 if function == "cosine" else None)
    series = sum(x ** n / math.factorial(n) for n in range(order + 1))
    w = {"exp": np.exp(x), "clamped": np.exp(np.minimum(x, 5)), "taylor": series}.get(function, x)
    i, j = _plain.grid(x)
    w, t = np.where(j <= i, w, 0) * (np.exp(g)[:, :, None] / 1024 if decay else 1), i + 1.0
    n = w @ (v * (j.T + 1.0) ** -_plain.sigmoid(p[:, None, None]) if divide == "visible" else v)
    size, flat = np.linalg.norm(n, axis=-1, keepdims=True), n - n.mean(-1, keepdims=True)
    return {"sum": n / w.sum(-1, keepdims=True), "clamped": n / np.maximum(w.sum(-1, keepdims=True), 1), "count": n / t, "l2": n / size, "width": n / size * q.shape[3],
            "rms": n / ((n ** 2).mean(-1, keepdims=True) + 1e-5) ** 0.5, "layer": flat / ((flat ** 2).mean(-1, keepdims=True) + 1e-5) ** 0.5,
            "gate": n / np.maximum(_plain.picked(np.exp(g).cumsum(-1))[..., None], 1)}.get(divide, n)


def case(name, size=1.0, **options):
    arrays = {each: lambda g: g.standard_normal((1, 3, 60, 32), np.float32) * np.float32(size) for each in "qk"} | dict(v=(1, 3, 60, 32))
    return Case(name, arrays | dict(g=(1, 3, 60)), dict(p=(3,)), dict(rotary=None, **options))


CASES = (case("l2", 6.0, divide="l2"), *(case(each, divide=each) for each in ("sum", "clamped", "count", "rms", "layer", "gate", "visible")),
         *(case(f"{function} {divide}", function=function, divide=divide) for function, divide in (
             ("relu", "sum"), ("elu", "sum"), ("clamped", "none"), ("clamped", "rms"), ("taylor", "layer"), ("taylor", "width"), ("cosine", "none"))), case("decay", decay=True, divide="none"))
