"""Hedgehog: linear attention whose feature map is learned to mimic softmax, spiky and monotonic in q.k.

    f(u) = [exp(u W + b); exp(-(u W + b))];   o_i = sum_j f_q(q_i).f_k(k_j) v_j / sum_j f_q(q_i).f_k(k_j)

Zhang et al. 2024, "The Hedgehog & the Porcupine: Expressive Linear Attentions with Softmax Mimicry". q, k, v (B, H, T, d), each head its
own W (H, d, f), of q and of k, the identity at the start. Forms of f are different functions, not ways to compute one: "exp" (the
paper), "shifted" (the largest of each half subtracted), "softmax" (over each half, LoLCATs), "joint" (one over [2y; -2y],
flash-linear-attention). Other maps of the study take no W: "elu", "relu", "exponential" (exp(t x)), "taylor", "random" (W are its
directions), "cosine" (cosFormer: relu(x) [cos; sin](pi i / 2 M)). Of BERT: `causal=False`. Rows of weights sum to 1 (values of 1 give 1), and values
of an identity give the weights, for distillation.
Compared with HazyResearch/lolcats @ 375df84, feature_map.py, and fla-core 0.6.0 ("joint"): max error 4e-7 (f32, 2x3x90x16).
"""

import numpy as np

import heddle
from heddle import feature_maps

from . import Case, _plain, recurrent, scaled, stepped

FORMS = {
    "exp": feature_maps.mirrored(feature_maps.exp),
    "shifted": feature_maps.mirrored(feature_maps.shifted_exp),
    "softmax": feature_maps.mirrored(feature_maps.softmax),
    "joint": lambda y: heddle.softmax(heddle.concat([y * 2.0, y * -2.0])),
}


def spec(wq=None, wk=None, b=None, form="exp", causal=True, t=2.0, length=4096, stream=None):
    def hedgehog(recur, q, k, v):
        if form in FORMS:
            maps = tuple(feature_maps.learned(w, FORMS[form], b) for w in (wq, wk))
        else:
            maps = {"elu": feature_maps.elu_plus_one, "relu": feature_maps.relu, "exponential": lambda x: heddle.exp(x * t),
                    "taylor": feature_maps.polynomial(q.shape[3]), "random": feature_maps.positive_random(wq),
                    "cosine": feature_maps.cos_weighted(length)}[form]
        return recur(q, k, v, feature_map=maps, normalizer="sum", at=None if causal else "end")
    return recurrent(hedgehog, stream)


def features(x, w, b, form, t, length):
    if form in FORMS:
        y = x @ w + (0 if b is None else b)
        return _plain.softmax(np.concatenate([2 * y, -2 * y], -1)) if form == "joint" else _plain.mirrored(y, form)
    if form == "taylor":
        return np.concatenate([np.ones_like(x[..., :1]), x, (x[..., None] * x[..., None, :]).reshape(*x.shape[:-1], -1) / 2 ** 0.5], -1)
    if form == "random":
        return np.exp(x @ w - (x * x).sum(-1, keepdims=True) / 2) / w.shape[-1] ** 0.5
    if form == "cosine":
        angle = np.pi / 2 * np.arange(x.shape[2])[:, None] / length
        return np.concatenate([np.maximum(x, 0) * np.cos(angle), np.maximum(x, 0) * np.sin(angle)], -1)
    return np.exp(t * x) if form == "exponential" else _plain.FEATURES[form](x)


def reference(q, k, v, wq=None, wk=None, b=None, form="exp", causal=True, t=2.0, length=4096):
    weights = features(q, wq, b, form, t, length) @ features(k, wq if form == "random" else wk, b, form, t, length).swapaxes(-1, -2)
    weights = weights * (_plain.causal(q, k) | (not causal))
    return weights / weights.sum(-1, keepdims=True) @ v


decode = stepped(spec)


def case(name, dtype="f32", decode=False, width=16, v=(2, 3, 90, 16), **options):
    return Case(name, dict(q=(2, 3, 90, 16), k=(2, 3, 90, 16), v=v), {x: scaled((3, 16, width), 0.25) for x in ("wq", "wk")}, options, dtype, decode)


CASES = (
    case("exp", decode=True), case("exp, bidirectional", causal=False), case("softmax", "bf16", True, form="softmax"),
    case("softmax, bidirectional", form="softmax", causal=False), case("joint", decode=True, form="joint"),
    case("joint, bidirectional", "bf16", form="joint", causal=False), case("shifted", form="shifted"), case("elu", form="elu"),
    case("relu", form="relu"), case("exponential", form="exponential", t=0.5), case("taylor", form="taylor"),
    case("shifted, bidirectional", "bf16", form="shifted", causal=False),
    *(case(f"sums, {form}", form=form, v=lambda g: np.ones((2, 3, 90, 8), np.float32)) for form in ("shifted", "softmax", "joint")),
    case("weights", v=lambda g: np.broadcast_to(np.eye(90, 96, dtype=np.float32), (2, 3, 90, 96)).copy()),
    case("random", form="random", width=32), case("cosine", form="cosine", length=128, causal=False),
)
