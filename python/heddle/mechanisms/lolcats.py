"""LoLCATs: softmax in a window and learned linear attention behind it, under one denominator.

    y_i = (g sum_{j in W} exp(s_ij - c_i) v_j + lam sum_{j in L} f_q(q_i).f_k(k_j) v_j) / (the same without v),  c_i = max_{j in W} s_ij
    f(u) = [softmax(u W); softmax(-u W)], at least 1e-12;  g = sigmoid(a_h);  lam = 1, or 1 - g (`affine`)

Zhang et al. 2024, "LoLCATs: On Low-Rank Linearizing of Large Language Models". q, k with rotary positions (B, H, T, d), k and v (B, Hk, T, ..);
each head of q has its own W (H, d, f), of q and of k, so that k is repeated before the map; a (H,), -2.197 at the start. W and L share
what is before i: "sw": the `window` last keys and the rest; "tk": the row's block of `window` with the block before it, and the rest. c_i
is a part of the result, not of how it is computed. Maps: "softmax", "shifted" (exp, the largest of each half subtracted), "elu", "relu";
`half=True`: without -u W. A row without L is the window's alone. Values of an identity give the weights. Released "tk" counts its blocks from the end of the sequence.
Compared with HazyResearch/lolcats @ 375df84, hybrid_attention_quadratic of both kinds: max error 1e-6 of 3 (f32, 1x4x192x64).
"""

import numpy as np

import heddle
from heddle import feature_maps

from . import Case, Streamed, _plain, behind_windows, scaled

MAPS = dict(softmax=feature_maps.softmax, elu=feature_maps.elu_plus_one, relu=feature_maps.relu, shifted=feature_maps.shifted_exp)


def parts(wq, wk, kind, window, form, half):
    """(feature maps of q and k, the last token behind a row's window)."""
    maps = tuple(feature_maps.learned(w, feature_maps.clamped(MAPS[form] if half else feature_maps.mirrored(MAPS[form]))) for w in (wq, wk))
    return maps, (lambda i: i - window) if kind == "sw" else (lambda i: (i // window - 1) * window - 1)


def spec(wq, wk, a, kind="sw", window=64, form="softmax", half=False, affine=False, states=0):
    """`states=2`: S and z of what is behind the windows of all rows are further parameters, and k and v have the window alone."""
    share, (maps, behind) = (1 / (1 + np.exp(-a.astype(np.float64)))).astype(np.float32), parts(wq, wk, kind, window, form, half)
    far_share = 1 - share if affine else np.ones_like(share)

    def lolcats(q, k, v, *state):
        first, heads = k.shape[2] - q.shape[2], share.shape[0]
        mask = None if state else lambda b, h, i, j: (j <= i + first) & (j > behind(i + first))
        near, lse, top = heddle.attend(q, k, v, mask_mod=mask, return_lse=True, return_max=True)
        repeated = heddle.view(k, (k.shape[0], heads, *k.shape[2:]), lambda b, h, t, c: (b, h * k.shape[1] // heads, t, c))
        far, far_mass = heddle.recur(q, repeated, v, feature_map=maps, normalizer="sum", at=(lambda i: -1) if state else behind,
                                     initial_state=state or None, return_mass=True)

        def weights(b, h, i):
            one, other = share[h] * heddle.exp(lse[b, h, i] - top[b, h, i]), far_share[h] * far_mass[b, h, i]
            return one / (one + other), other / (one + other)
        return heddle.merge(near, heddle.where(far_mass[..., None] > 0, far, 0.0), weights=weights)
    return Streamed(lambda q, k, v, s, z: lolcats(q, k, v, s, z), 2) if states else heddle.spec(lambda q, k, v: lolcats(q, k, v))


def decode(q, k, v, wq, wk, a, kind="sw", window=64, form="softmax", half=False, affine=False):
    read, (maps, behind) = spec(wq, wk, a, kind, window, form, half, affine, states=2), parts(wq, wk, kind, window, form, half)

    def fold(state, first, end):
        old, values = np.repeat(k[:, :, first:end], q.shape[1] // k.shape[1], 1), v[:, :, first:end]
        return heddle.recur(old, old, values, feature_map=maps, normalizer="sum", initial_state=state, return_final_state=True)[1]
    return behind_windows(q.shape[2], behind, fold, lambda state, first, i: read(q[:, :, i:i + 1], k[:, :, first:i + 1], v[:, :, first:i + 1], *state))


def reference(q, k, v, wq, wk, a, kind="sw", window=64, form="softmax", half=False, affine=False):
    fq, fk = (np.maximum(_plain.FEATURES[form](y) if half else _plain.mirrored(y, form), 1e-12) for y in (q @ wq, _plain.heads(k, q.shape[1]) @ wk))
    s, share = _plain.scores(q, k), _plain.sigmoid(a[:, None, None])
    i, j = _plain.grid(s)
    near = (j <= i) & (j > i - window if kind == "sw" else j // window >= i // window - 1)
    s = np.where(near, s, -np.inf)
    weights = np.where(near, share * np.exp(s - s.max(-1, keepdims=True)), (1 - share if affine else 1) * (fq @ fk.swapaxes(-1, -2)) * (j <= i))
    return weights / weights.sum(-1, keepdims=True) @ _plain.heads(v, q.shape[1])


def case(name, t, dtype="f32", decode=False, v=None, **options):
    weights = dict(wq=scaled((4, 64, 32), 0.3), wk=scaled((4, 64, 32), 0.3), a=lambda g: g.standard_normal(4).astype(np.float32) - 2)
    return Case(name, dict(q=(1, 4, t, 64), k=(1, 2, t, 64), v=v or (1, 2, t, 64)), weights, options, dtype, decode)


CASES = (case("sliding", 150, decode=True), case("terraced", 194, decode=True, kind="tk"), case("affine, bf16", 150, "bf16", kind="tk", affine=True),
         case("shifted", 90, window=32, form="shifted"), case("half", 90, window=32, half=True), case("elu", 90, window=32, form="elu"),
         case("relu", 90, window=32, form="relu", half=True),
         case("weights", 90, window=32, v=lambda g: np.broadcast_to(np.eye(90, 96, dtype=np.float32), (1, 2, 90, 96)).copy()))
