"""Hybrids: several operators as one, and what stands around them

A spec is a function of arrays, so operators are values: one may read what another made, and results of the same rows may be joined.
`heddle.merge` is a weighted sum whose weights are functions of the row, computed by the kernel of the last part; statistics (`return_lse`,
`return_mass`) are what joint denominators need. What follows a result element by element, or row by row, is stored by the operator's own
kernel; what stands in front of it is computed where it is loaded.
"""

import heddle
from heddle import convolutions, feature_maps, masks, norms

from ._idea import idea

x16 = "1x2x12x16xf32"
qkv = dict(q=x16, k=x16, v="1x2x12x32xf32")


@idea(alpha=lambda generator: generator.random(2, "float32"))
@heddle.spec(**qkv, alpha="2xf32")
def gated_sum(q, k, v, alpha):
    """A gated sum

        o = alpha_h near + (1 - alpha_h) far

    Two ways to look, each with its own denominator, mixed by a number of each head: memory and segment in Infini-attention, window and
    recurrence in [Lizard](../mechanisms/lizard.py).
    """
    near = heddle.attend(q, k, v, causal=True, window=(3, 0))
    far = heddle.recur(q, k, v, feature_map=feature_maps.elu_plus_one, normalizer="sum")
    return heddle.merge(near, far, weights=lambda b, h, i: (alpha[h], 1.0 - alpha[h]))


@idea()
@heddle.spec(**qkv)
def one_denominator(q, k, v):
    """A window and a recurrence under one denominator

        o_i = (sum_{near} exp(s_ij) v_j + sum_{far} f(q_i).f(k_j) v_j) / (sum_{near} exp(s_ij) + sum_{far} f(q_i).f(k_j))

    Exact for what is near, a state for what is behind it, and each key counted once: [LoLCATs](../mechanisms/lolcats.py),
    [Attention Surgery](../mechanisms/attention_surgery.py). `at` makes the state lag behind the window; weights are by the logarithms of both sums.
    """
    near, lse = heddle.attend(q, k, v, mask_mod=masks.window(4), return_lse=True)
    far, mass = heddle.recur(q, k, v, at=lambda t: t - 4, feature_map=feature_maps.exp, normalizer="sum", return_mass=True)
    far = heddle.where(mass[..., None] > 0, far, 0.0)  # rows with nothing behind their window, which are 0 / 0
    return heddle.merge(near, far, weights=heddle.by_lse(lse, heddle.log(mass)))


@idea()
@heddle.spec(**qkv, ck=x16, cv="1x2x12x32xf32")
def two_sets(q, k, v, ck, cv):
    """Two sets of keys in one softmax

        o_i = softmax over the keys of both

    Softmax over a union is a mean of two results by their log-sum-exp, whatever masks they have: text beside an image
    ([generalized neighbourhoods](../mechanisms/gna.py)), a shared prompt beside own tokens (Hydragen, cascade inference), parts on several
    devices (Ring Attention).
    """
    own, own_lse = heddle.attend(q, k, v, causal=True, return_lse=True)
    other, other_lse = heddle.attend(q, ck, cv, return_lse=True)
    return heddle.merge(own, other, weights=heddle.by_lse(own_lse, other_lse))


@idea()
@heddle.spec(**qkv)
def two_states(q, k, v):
    """Two kinds of features under one denominator

        o_i = (sum_j f(q_i).f(k_j) v_j + sum_j g(q_i).g(k_j) v_j) / (sum_j f(q_i).f(k_j) + sum_j g(q_i).g(k_j))

    `heddle.by_mass` weighs means by the sums of weights themselves. A sum of kernels is a kernel, so what one map does not tell apart
    another may, and neither state has the width of both.
    """
    a, a_mass = heddle.recur(q, k, v, feature_map=feature_maps.elu_plus_one, normalizer="sum", return_mass=True)
    b, b_mass = heddle.recur(q, k, v, feature_map=feature_maps.exp, normalizer="sum", return_mass=True)
    return heddle.merge(a, b, weights=heddle.by_mass(a_mass, b_mass))


@idea()
@heddle.spec(q=x16, k=x16, q2=x16, k2=x16, v="1x2x12x32xf32")
def difference(q, k, q2, k2, v):
    """A difference of two softmaxes

        o = softmax(q k^T) v - lambda softmax(q2 k2^T) v

    What both see alike is noise and cancels: Differential Transformer (Ye et al. 2025), here with a fixed lambda of 0.8, and with the norm of
    each head that follows there.
    """
    a, b = (heddle.attend(rows, keys, v, causal=True) for rows, keys in ((q, k), (q2, k2)))
    return norms.rms(heddle.merge(a, b, weights=lambda b, h, i: (1.0, -0.8)), 1e-5)


@idea()
@heddle.spec(**qkv, agents="1x2x4x16xf32")
def in_two_steps(q, k, v, agents):
    """Through a few points

        o = softmax(q a^T) (softmax(a k^T) v)

    A few agents read all keys, all rows read the agents, and work grows with the length alone: [agent attention](../mechanisms/agent_attention.py),
    the induced points of the [Set Transformer](../mechanisms/set_transformer.py), Perceiver, Luna.
    """
    return heddle.attend(q, agents, heddle.attend(agents, k, v))


@idea(q=lambda generator: generator.standard_normal((1, 4, 12, 16), "float32"))
@heddle.spec(q="1x4x12x16xf32", k=x16, v="1x2x12x32xf32")
def shared_heads(q, k, v):
    """Heads that share keys

        head h of q reads head floor(h Hk / H) of k and v

    Nothing has to be said: heads of k and v divide those of q. [GQA](../mechanisms/gqa.py), [MQA](../mechanisms/mqa.py); with fewer heads of q than
    the model has room for, [SQA](../mechanisms/sqa.py).
    """
    return heddle.attend(q, k, v, causal=True)


@idea(taps=lambda generator: generator.standard_normal((4, 16), "float32") / 2)
@heddle.spec(**qkv, taps="4x16xf32")
def short_convolution(q, k, v, taps):
    """A short convolution in front

        k'_t = silu(sum_n w_n k_{t-3+n})

    Each channel sees a few tokens back before they are compared: H3, Mamba-2, GLA and delta-rule models put it on q, k and v;
    [BASED](../mechanisms/based.py) has layers of it.
    """
    k = convolutions.causal(k, taps)
    return heddle.recur(q, k * heddle.sigmoid(k), v)


@idea(taps=lambda generator: generator.standard_normal((3, 3, 32), "float32") / 3)
@heddle.spec(**qkv, taps="3x3x32xf32")
def convolution_of_a_grid(q, k, v, taps):
    """A convolution beside linear attention

        o = attention + depthwise convolution of v on a grid

    Linear attention mixes globally and is of low rank; a convolution of the values gives back what is local and different in each row.
    [FLatten](../mechanisms/flatten_focused.py), [agent attention](../mechanisms/agent_attention.py), EfficientViT.
    """
    return heddle.recur(q, k, v, feature_map=feature_maps.elu_plus_one, normalizer="sum", at="end") + convolutions.grid(v, taps, 3, 4)


@idea()
@heddle.spec(**qkv)
def norm_behind(q, k, v):
    """A norm instead of a denominator

        o = norm(q_t^T S_t)

    Recurrences without denominator are brought to size by a norm of each head: `norms.layer` in RetNet and [SUPRA](../mechanisms/supra.py)
    (GroupNorm), `norms.rms` in [lightning attention](../mechanisms/lightning_tnl.py) and GLA. The kernel that has the row normalises it.
    """
    return norms.layer(heddle.recur(q, k, v, scale=1.0))
