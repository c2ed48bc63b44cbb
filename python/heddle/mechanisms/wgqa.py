"""Weighted grouped-query attention: the heads of a group are pooled with learned weights, not by their mean.

    kbar_g = sum_{h in g} wk_h k_h,  vbar_g = sum_{h in g} wv_h v_h;  o_h = softmax(scale q_h kbar_g^T + bias) vbar_g

Chinnakonduru and Mohapatra 2024, "Weighted Grouped Query Attention in Transformers". q, k, v (B, H, T, d) of the trained MHA, wk and
wv (H,) per head ("head"), (H, d) per head and channel ("columns"); 0.5 each at the start for pairs. What scales the rows of a
projection is outside: it multiplies the model's inputs. Heads of a group are neighbours; `group` is how many. T5: `scale=1` and a
relative bias (see gqa). The pooling is linear, so that for inference it folds into the projections: give `folded=True` the pooled keys and
values, and what compiles is grouped attention alone. Errors of public code: the pooled values are overwritten by unweighted ones, and
the weights get no gradient.
"""

import numpy as np

import heddle

from . import Case, _plain, cached


def pooled(x, w, group):
    """Heads h = g * group + n of x, weighted and summed over n: views of each n, so that a kernel reads every head once."""
    def member(n):
        part = heddle.view(x, (x.shape[0], x.shape[1] // group, *x.shape[2:]), lambda b, g, t, c: (b, g * group + n, t, c))
        columns = w.shape[1] if w.ndim == 2 else 1
        w2 = w if w.ndim == 2 else w[:, None]
        weight = heddle.view(w2, (x.shape[1] // group, 1, columns), lambda g, t, c: (g * group + n, c))
        return part.astype("f32") * weight
    return sum((member(n) for n in range(1, group)), member(0)).astype(x.dtype)


def spec(group=2, causal=True, scale=None, folded=False):
    def attend(q, k, v):
        return heddle.attend(q, k, v, causal=causal, scale=scale)

    def wgqa(q, k, v, wk, wv):
        return attend(q, pooled(k, wk, group), pooled(v, wv, group))
    return heddle.spec(attend if folded else wgqa)


def reference(q, k, v, wk=None, wv=None, group=2, causal=True, scale=None, folded=False):
    if not folded:
        k, v = ((x * (w if w.ndim == 2 else w[:, None])[None, :, None]).reshape(len(x), -1, group, *x.shape[2:]).sum(2)
                for x, w in ((k, wk), (v, wv)))
    return _plain.attention(q, k, v, _plain.causal(q, k) | (not causal), scale)


decode = cached(spec)
MHA = dict(q=(1, 6, 60, 32), k=(1, 6, 60, 32), v=(1, 6, 60, 32))


def weights(*shape):
    return {name: lambda g: 0.5 + 0.3 * g.standard_normal(shape, np.float32) for name in ("wk", "wv")}


CASES = (
    Case("head", MHA | weights(6), options=dict(scale=1.0), decode=True),
    Case("columns of 3", MHA | weights(6, 32), options=dict(group=3, causal=False)),
    Case("folded", dict(q=(1, 6, 60, 32), k=(1, 3, 60, 32), v=(1, 3, 60, 32)), options=dict(folded=True), decode=True),
)
