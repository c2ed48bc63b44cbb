"""Scores: what a pair of a row and a key is worth

`score_mod` is a function of a score (already scaled), the batch, the head, the row and the key, traced into a `score` region. It may read
arrays at any position: tables of heads, biases of pairs, products that were computed before. What it computes it computes in the
kernel, for the pairs of blocks that are visited, in float32.
"""

import heddle

from ._idea import idea

qkv = {name: "?x?x?x64xf32" for name in "qkv"}


@idea()
@heddle.spec(**qkv)
def temperature(q, k, v):
    """Scale

        s = scale q_i . k_j

    1 / sqrt(d) unless it is given (Vaswani et al. 2017). T5 has 1, muP 1 / d; what a model learns for each head is a captured array, as
    in the next specs.
    """
    return heddle.attend(q, k, v, scale=1 / 64)


@idea()
@heddle.spec(**qkv, factors="?xf32")
def per_head(q, k, v, factors):
    """Temperature of a head, or of a position

        s' = factors[h] log(i + 1) s

    Scalable softmax (Nakanishi 2025) and log-length scaling (Su 2021, Chiang and Cholak 2022) keep weights sharp in long contexts by a
    factor that grows with what a row sees. A score may read where it is.
    """
    return heddle.attend(q, k, v, causal=True, score_mod=lambda s, b, h, i, j: s * factors[h] * heddle.log((i + 1) * 1.0))


@idea()
@heddle.spec(**qkv)
def capped(q, k, v):
    """Soft cap

        s' = cap tanh(s / cap)

    Scores that stay within bounds: Gemma 2 (cap 50), Grok-1 (30).
    """
    return heddle.attend(q, k, v, causal=True, score_mod=lambda s, b, h, i, j: 30.0 * heddle.tanh(s / 30.0))


@idea()
@heddle.spec(**qkv, slopes="?xf32")
def alibi(q, k, v, slopes):
    """Distance as a bias (ALiBi)

        s' = s - slopes[h] (i - j)

    Press et al. 2022: no other positions are needed, and longer texts than those of training can be read. slopes[h] = 2^(-8 (h + 1) / H).
    """
    return heddle.attend(q, k, v, causal=True, score_mod=lambda s, b, h, i, j: s + slopes[h] * (j - i))


@idea(table=lambda generator: generator.standard_normal((2, 9), "float32"))
@heddle.spec(**qkv, table="?x?xf32")
def relative(q, k, v, table):
    """Table of distances

        s' = s + table[h, clip(j - i, -reach, reach) + reach]

    A learned number for each distance: T5 (whose distances fall into buckets, a table of numbers like this one's), Swin and
    [NAT](../mechanisms/faster_na.py) on the axes of a grid.
    """
    def biased(s, b, h, i, j):
        return s + table[h, heddle.minimum(heddle.maximum(j - i, -4), 4) + 4]
    return heddle.attend(q, k, v, score_mod=biased)


@idea(table=lambda generator: generator.standard_normal((64, 32), "float32"))
@heddle.spec(**qkv, table="64x32xf32")
def by_content(q, k, v, table):
    """Distances that meet the row

        s' = s + q_i . r[j - i + 15]

    A learned vector for each distance (Shaw et al. 2018, Music Transformer, Transformer-XL): one product with the table in front, of which
    each pair reads an element. [HaloNet](../mechanisms/halonet.py) has such a table for each axis of an image,
    [SQ-Transformer](../mechanisms/sq_transformer.py) one for values, too.
    """
    moved = q @ table
    return heddle.attend(q, k, v, score_mod=lambda s, b, h, i, j: s + moved[b, h, i, j - i + 15])


@idea(bias=lambda generator: generator.standard_normal((1, 2, 12, 12), "float32"))
@heddle.spec(**qkv, bias="?x?x?x?xf32")
def of_pairs(q, k, v, bias):
    """Bias of pairs

        s' = s + bias[b, h, i, j]

    An array over pairs that something else has made: the pair representation of AlphaFold, the edges of Graphormer. It is read
    a block at a time, and only where the mask lets something through.
    """
    return heddle.attend(q, k, v, score_mod=lambda s, b, h, i, j: s + bias[b, h, i, j])


@idea(forget=lambda generator: abs(generator.standard_normal((1, 2, 12), "float32")).cumsum(-1) * -0.25)
@heddle.spec(**qkv, forget="?x?x?xf32")
def forgetting(q, k, v, forget):
    """Forgetting

        s' = s + c_i - c_j,   c = the running sum of log f

    Softmax with a gate: what lies between row and key fades it. Forgetting Transformer (Lin et al. 2025), where f is a sigmoid of the
    token. `forget` holds c; a [recurrence](gates.md) with a gate per token has the same factor without softmax.
    """
    return heddle.attend(q, k, v, causal=True, score_mod=lambda s, b, h, i, j: s + forget[b, h, i] - forget[b, h, j])


@idea()
@heddle.spec(**qkv, scales="?xf32")
def cosine(q, k, v, scales):
    """Cosine

        s = scales[h] q_i . k_j / (|q_i| |k_j|)

    Rows and keys on a sphere: query-key normalisation (Henry et al. 2020), Swin V2, nGPT. With the mean of squares in place of the length
    it is the QK-norm of Gemma 3, Qwen 3 and OLMo 2. The norms are array code in front, which the kernel computes on what it has loaded.
    """
    def unit(x):
        return x / heddle.sqrt((x * x).sum(-1, keepdims=True))
    return heddle.attend(unit(q), unit(k), v, scale=1.0, score_mod=lambda s, b, h, i, j: s * scales[h])


@idea()
@heddle.spec(**qkv)
def distance(q, k, v):
    """Distance of points

        s = -|q_i - k_j|^2 / sqrt(d),   of which |q_i|^2 is the same for a row, and cancels

    Attention as regression by a kernel (Nadaraya and Watson 1964): L2 self-attention, which unlike that by products can be Lipschitz
    (Kim et al. 2021). Sums that a score reads for each key are made once, by a kernel in front.
    """
    sizes = (k * k).sum(-1)
    return heddle.attend(q, k, v, scale=2 / 8, score_mod=lambda s, b, h, i, j: s - sizes[b, h, j] * (1 / 8))


@idea()
@heddle.spec(**qkv)
def excluded(q, k, v):
    """Scores that decide what is seen

        s' = s if s > 0, else -inf

    A score of -inf is not visible, so a condition may depend on the score itself: thresholds as in top-theta
    attention. The blocks that are visited are still those of the mask.
    """
    return heddle.attend(q, k, v, score_mod=lambda s, b, h, i, j: heddle.where(s > 0.0, s, float("-inf")))
