"""Normalizers: how scores become weights

Softmax is no word of the compiler. A normalizer is four functions of numbers, and a kernel follows from them: `weight` says what a key
adds to the sums of a row, `reference` and `rescale` how sums are kept small while keys go by, `finish` what the row's result is divided by.
[The prelude](../../../dialects/Attn/Prelude.mlir) writes the names below in this language; `heddle.Normalizer` writes others, in Python,
and they are compiled as well as softmax is.
"""

import heddle
from heddle import normalizers

from ._idea import idea

qkv = {name: "?x?x?x64xf32" for name in "qkv"}


@idea()
@heddle.spec(**qkv)
def attention(q, k, v):
    """Softmax

        w = exp(s) / sum exp(s)

    Vaswani et al. 2017, computed as in FlashAttention: the running maximum is the reference. `return_lse=True` also returns the logarithm
    of the denominator, by which [results are merged](hybrids.md).
    """
    return heddle.attend(q, k, v, normalizer="softmax", return_lse=True)


@idea()
@heddle.spec(**qkv)
def off_by_one(q, k, v):
    """Softmax plus one

        w = exp(s) / (1 + sum exp(s))

    A row may attend to nothing: the same as one more key of score 0 and value 0. Miller 2023 ("off by one"), `add_zero_attn` of PyTorch.
    """
    return heddle.attend(q, k, v, normalizer="softmax_plus_one")


@idea()
@heddle.spec(**qkv, sink="?xf32")
def with_sinks(q, k, v, sink):
    """Softmax with a learned sink

        w = exp(s) / (exp(sink[h]) + sum exp(s))

    The score of nothing is a number of each head (GPT-OSS). `sink=` of `heddle.attend`.
    """
    return heddle.attend(q, k, v, sink=sink)


@idea()
@heddle.spec(**qkv, bias="?xf32")
def independent(q, k, v, bias):
    """Sigmoid

        w = 1 / (1 + exp(-(s + bias[h])))

    No denominator, so no key knows of the others. Ramapuram et al. 2024, whose bias is about -log of the length.
    """
    return heddle.attend(q, k, v, normalizer="sigmoid", score_mod=lambda s, b, h, i, j: s + bias[h])


@idea()
@heddle.spec(**qkv)
def rectified(q, k, v):
    """ReLU

        w = max(s, 0) / length

    Wortsman et al. 2023 for vision: ReLU divided by the length trains as softmax does. Sparse weights, no maximum, no denominator;
    what [a layer of random features](../mechanisms/rf_attention.py) can learn is analysed with it, too.
    """
    return heddle.attend(q, k, v, normalizer="relu") * (1 / 12)


@idea()
@heddle.spec(**qkv)
def squared(q, k, v):
    """Squared ReLU

        w = max(s, 0)^2

    The weights of the gated attention unit (FLASH, Hua et al. 2022), by the activation that Primer's search had found for feed-forward layers.
    """
    return heddle.attend(q, k, v, normalizer="relu2")


@idea()
@heddle.spec(q="?x?x?x64xf32", k="?x?x?x64xf32", v="?x?x?x64xf32")
def divided(q, k, v):
    """Scores by their sum

        w = s / sum s

    Attention by features, with all pairs in view: fast where sequences are shorter than features are wide, and the definition that a
    [recurrence with a denominator](feature_maps.md) is compared with. Scores should not be negative.
    """
    return heddle.attend(heddle.exp(q), heddle.exp(k), v, causal=True, normalizer="linear")


@idea()
@heddle.spec(**qkv)
def with_signs(q, k, v):
    """Signed softmax

        w = sign(s) exp|s| / sum exp|s|

    Weights may be negative, so a head can take out what it does not want: [Cog attention](../mechanisms/cog_attention.py).
    """
    return heddle.attend(q, k, v, causal=True, normalizer="signed")


@idea()
@heddle.spec(**qkv)
def products(q, k, v):
    """No normalizer

        w = s

    The scores themselves, as in the linear attention that [in-context regression](../mechanisms/icl_linreg.py) is analysed with; or, as
    here, what `score_mod` makes of them: even powers are the weights of symmetric power attention (Buckman et al. 2024).
    """
    return heddle.attend(q, k, v, causal=True, normalizer="none", score_mod=lambda s, b, h, i, j: s * s)


@idea()
@heddle.spec(**qkv)
def hard(q, k, v):
    """Hard attention

        w = 1 for the first key of the largest score, else 0

    `normalizers.HARD` is four functions in Python, and its definition is what stands first in the text: the limit of softmax at
    temperature 0, for analysis and for what learned to point.
    """
    return heddle.attend(q, k, v, normalizer=normalizers.HARD)


@idea()
@heddle.spec(**qkv)
def entropy(q, k, v):
    """Softmax, and the entropy of its weights

        o_i = sum_j p_ij v_j,   e_i = -sum_j p_ij log p_ij

    `normalizers.ENTROPY` sums exp(s) s beside exp(s), so that a row's entropy comes out of the same pass:
    [what is measured of attention](../mechanisms/deconstructing_attention.py) needs no weights in memory.
    """
    return heddle.attend(q, k, v, causal=True, normalizer=normalizers.ENTROPY, return_lse=True)


@idea()
@heddle.spec(**qkv)
def of_powers(q, k, v):
    """One of your own

        w = p(s) / sum p(s),   p(s) = 1 + s + s^2 / 2

    No reference is needed where weights cannot overflow: two functions define it, those of `normalizers.polynomial`. This is second-order [Fastmax](../mechanisms/fastmax.py),
    in its form over pairs; [BASED](../mechanisms/based.py) has the same weights as a recurrence.
    """
    def power(s):
        p = 1.0 + s + 0.5 * s * s
        return p, p
    taylor = heddle.Normalizer(weight=power, finish=lambda total: 1.0 / total, name="taylor")
    return heddle.attend(q, k, v, causal=True, normalizer=taylor)


@idea()
@heddle.spec(**qkv)
def shaped(q, k, v):
    """Two kinds of weights at once

        o_i = sum_j (exp(s_ij) / sum_j exp(s_ij) - 1 / n_i) v_j,   n_i = how many keys row i sees

    Softmax less the weights of equal scores, which shaped attention (Noci et al. 2023) takes out so that the rank of deep networks does
    not collapse. `weights=2` sums values twice over the same keys, and `finish` has a factor for each sum; scores are computed once. A sum of
    ones cannot be rescaled as exponentials are, which the compiler checks; so there is no reference, and scores are capped.
    """
    def weight(s):
        e = heddle.exp(s)
        return e, 1.0, e, 1.0
    centred = heddle.Normalizer(weight=weight, finish=lambda total, count: (1.0 / total, -1.0 / count), weights=2, name="centred")
    return heddle.attend(q, k, v, causal=True, normalizer=centred, score_mod=lambda s, b, h, i, j: 30.0 * heddle.tanh(s / 30.0))
