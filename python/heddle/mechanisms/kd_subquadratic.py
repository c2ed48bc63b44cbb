"""Students of distillation from a softmax transformer: recurrences in place of its attention, whose matrix may be compared with the teacher's.

    linear  S_t = S_{t-1} + f(k_t) v_t^T,  o_t = f(q_t)^T S_t / f(q_t)^T z_t,  f = elu + 1
    retnet  S_t = (1 - 2^(-5-h)) S_{t-1} + k_t v_t^T,  o_t = groupnorm(q_t^T S_t) silu(g_t), rotary q and k
    gla     S_t = diag(a_t) S_{t-1} + k_t v_t^T,  a_t = sigmoid(a)^(1/16);    metala: a_t = sigmoid(a), k_t = 1 - a_t
    mlstm   C_t = f_t C_{t-1} + i_t k_t v_t^T, n_t = f_t n_{t-1} + i_t k_t,  h_t = sigmoid(o_t) q_t^T C_t / max(|q_t^T n_t|, 1)
    mamba2  S_t = exp(-dt_t exp(A_h)) S_{t-1} + dt_t k_t v_t^T,  y_t = q_t^T S_t + D_h v_t,  dt = softplus(dt)

Haller et al. 2025, "Empirical Evaluation of Knowledge Distillation from Transformers to Subquadratic Language Models". q, k, a (B, H, T, d), v, g, o (B, H, T, e),
i, f, dt (B, H, T), before their activations; i_t = exp(i), f_t = sigmoid(f). Published mLSTM divides by a maximum: the same rows; here i is below 80.
Compared with fla-org/flash-linear-attention @ 0.6.0, naive.py of gla, simple_gla, retention: max error 2e-5 of 77 (f32, 2x2x130x16).
"""

import numpy as np

import heddle
from heddle import feature_maps, gates, norms, positions

from . import Case, _plain, recurrent, stepped

PARTIAL = "no delta rules (DeltaNet, Gated DeltaNet, KDA, DeltaProduct), no Mamba-1 (decays of channel and state); MetaLA's self-augmentation (no equation)"


def spec(A=None, D=None, kind="linear", heads=2, length=4096, stream=None):
    def linear(recur, q, k, v):
        return recur(q, k, v, feature_map=feature_maps.elu_plus_one, normalizer="sum")

    def retnet(recur, q, k, v, g, place):
        tables = [heddle.view(x, (q.shape[2], x.shape[1]), lambda t, c: (place[t], c)) for x in positions.rotary_tables(length, q.shape[3])]
        q, k, decay = positions.rotate(q, tables), positions.rotate(k, tables), np.log1p(-np.exp2(-5.0 - np.arange(heads))).astype(np.float32)
        return norms.layer(recur(q, k, v, gate=decay)) * (g * heddle.sigmoid(g))

    def gla(recur, q, k, v, a):
        return recur(q, k, v, gate=gates.sigmoid(a.astype("f32")) * (1 / 16), scale=1.0)

    def metala(recur, q, v, a):
        return recur(q, heddle.sigmoid(-a), v, gate=gates.sigmoid(a.astype("f32")), scale=1.0)

    def mlstm(recur, q, k, v, i, f, o):
        made = recur(q, k * heddle.exp(i)[..., None], heddle.concat([v, v[..., :8] * 0.0 + 1.0]), gate=gates.sigmoid(f), scale=1.0)
        return heddle.sigmoid(o) * made[..., :-8] / heddle.maximum(heddle.abs(made[..., -1:]), 1.0)

    def mamba2(recur, q, k, v, dt):
        return recur(q, k * gates.softplus(dt)[..., None], v, gate=gates.rate(dt, A), scale=1.0) + v * D[:, None, None]
    return recurrent(dict(linear=linear, retnet=retnet, gla=gla, metala=metala, mlstm=mlstm, mamba2=mamba2)[kind], stream)


decode = stepped(spec, ("q", "k", "v", "a", "g", "i", "f", "o", "dt", "place"))


def reference(q, v, k=None, a=None, g=None, place=None, i=None, f=None, o=None, dt=None, A=None, D=None, kind="linear", heads=2, length=4096):
    if kind == "linear":
        return _plain.recurrence(*(_plain.FEATURES["elu"](x) for x in (q, k)), v, divide=True)
    if kind == "retnet":
        y = _plain.recurrence(_plain.rope(q), _plain.rope(k), v, np.log(1 - 2.0 ** (-5 - np.arange(heads)))[:, None, None])
        return _plain.layer_norm(y / q.shape[3] ** 0.5) * g * _plain.sigmoid(g)
    if kind in ("gla", "metala"):
        return _plain.recurrence(q, k if kind == "gla" else 1 - _plain.sigmoid(a), v, np.log(_plain.sigmoid(a)) / (16 if kind == "gla" else 1))
    if kind == "mamba2":
        dt = np.logaddexp(0, dt)[..., None]
        return _plain.recurrence(q, k * dt, v, -dt * np.exp(A)[:, None, None]) + _plain.picked(v) * D[:, None, None]
    state, mass, m, rows = 0.0, 0.0, np.full(q.shape[:2], -np.inf), []  # as published
    for t in range(q.shape[2]):
        kept = np.log(_plain.sigmoid(f[:, :, t])) + m
        m = np.maximum(kept, i[:, :, t])
        keep, add = (np.exp(x - m)[..., None] for x in (kept, i[:, :, t]))
        state = keep[..., None] * state + (add * k[:, :, t])[..., None] * v[:, :, t, None]
        mass = keep * mass + add * k[:, :, t]
        rows.append((q[:, :, t, None] @ state)[:, :, 0] / np.maximum(abs((mass * q[:, :, t]).sum(-1)), np.exp(-m))[..., None])
    return np.stack(rows, 2) * _plain.sigmoid(o)


X, TOKEN, QKV = (2, 2, 130, 16), (2, 2, 130), {x: (2, 2, 130, 16) for x in "qkv"}
CASES = (
    Case("linear", QKV, options=dict(kind="linear"), decode=True), Case("mamba2", QKV | dict(dt=TOKEN), dict(A=(2,), D=(2,)), dict(kind="mamba2"), decode=True),
    Case("retnet", QKV | dict(g=X, place=lambda g: np.arange(130, dtype=np.int32)), options=dict(kind="retnet"), decode=True),
    Case("gla", QKV | dict(a=X), options=dict(kind="gla")), Case("metala", dict(q=X, v=X, a=X), options=dict(kind="metala")),
    Case("mlstm", QKV | dict(i=TOKEN, f=TOKEN, o=X), options=dict(kind="mlstm"), decode=True),
    Case("matrix", dict(q=X, k=X, v=lambda g: np.broadcast_to(np.eye(130, 136, dtype=np.float32), (2, 2, 130, 136)).copy()), options=dict(kind="linear")),
)
