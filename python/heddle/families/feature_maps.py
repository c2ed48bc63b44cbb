"""Feature maps: scores that come apart into a factor of the row and one of the key

If the weight of a pair is f(q_i) . f(k_j), keys can be summed up before rows are known: sum_j f(k_j) v_j^T is a state, and a
[recurrence](gates.md) replaces the table of pairs. A feature map is array code, from (.., width) to (.., features), given to `heddle.recur` as
`feature_map` (or a pair, of q and of k). It is pulled into the kernel that reads it: features are never in memory, but for
products with weights for which a recurrence's kernel has no room: those a kernel in front computes.

The first spec is a whole recurrence; most of the others show the map alone, which is what differs. Their extents are numbers to keep the
text short; `?` works as everywhere.
"""

import heddle
from heddle import feature_maps

from ._idea import idea

x16 = "1x2x12x16xf32"
qkv = dict(q=x16, k=x16, v="1x2x12x32xf32")


@idea()
@heddle.spec(**qkv)
def elu_plus_one(q, k, v):
    """elu + 1

        o_i = sum_{j<=i} f(q_i).f(k_j) v_j / sum_{j<=i} f(q_i).f(k_j),   f(x) = x + 1 if x > 0, else exp x

    The first linear transformer (Katharopoulos et al. 2020). normalizer="sum" is the denominator; `at="end"` instead of rows' own places
    gives the bidirectional sum.
    """
    return heddle.recur(q, k, v, feature_map=feature_maps.elu_plus_one, normalizer="sum")


@idea()
@heddle.spec(x=x16)
def exp(x):
    """Exponential

        f(x) = exp x

    Positive, and steep: the map of [LLN attention](../mechanisms/lln_attention.py) (with a learned sharpness), and the half of Hedgehog's.
    `feature_maps.shifted_exp` subtracts the largest channel first, which is another function, not a way to compute this one.
    """
    return feature_maps.exp(x)


@idea()
@heddle.spec(x=x16)
def rectified(x):
    """ReLU

        f(x) = max(x, 0)

    Sparse features of cosFormer (`feature_maps.cos_weighted`: times [cos; sin] of the position), T2R and EfficientViT. A row whose features are all 0 has no
    denominator: `feature_maps.clamped` sees to that.
    """
    return feature_maps.relu(x)


@idea()
@heddle.spec(x=x16)
def clamped(x):
    """Never zero

        f(x) = max(g(x), least)

    Keeps a denominator above 0, whatever the map. [LoLCATs](../mechanisms/lolcats.py) and [Lizard](../mechanisms/lizard.py) clamp their features so.
    """
    return feature_maps.clamped(feature_maps.relu, least=1e-6)(x)


@idea()
@heddle.spec(x=x16)
def distribution(x):
    """Softmax of the channels

        f(x) = exp(x - max x) / sum exp(x - max x)

    Every row is a distribution over features: [efficient attention](../mechanisms/efficient_attention.py) (Shen et al. 2021) for rows. It cannot
    overflow, unlike exp.
    """
    return feature_maps.softmax(x)


@idea(w=lambda generator: generator.standard_normal((2, 16, 8), "float32") / 4)
@heddle.spec(x=x16, w="2x16x8xf32")
def learned(x, w):
    """Learned

        f(x) = g(x W + b)

    A linear map of each head (or one for all) in front of another map. [SUPRA](../mechanisms/supra.py) has relu behind it, T2R too.
    """
    return feature_maps.learned(w, feature_maps.relu)(x)


@idea(w=lambda generator: generator.standard_normal((2, 16, 8), "float32") / 4)
@heddle.spec(x=x16, w="2x16x8xf32")
def mirrored(x, w):
    """Mirrored

        f(x) = [exp(x W); exp(-x W)]

    Both signs of a channel count. With exp and learned weights this is [Hedgehog](../mechanisms/hedgehog.py), which is trained to mimic softmax;
    with softmax over each half it is the map of [LoLCATs](../mechanisms/lolcats.py).
    """
    return feature_maps.learned(w, feature_maps.mirrored(feature_maps.exp))(x)


@idea(w=lambda generator: generator.standard_normal((16, 64), "float32"))
@heddle.spec(x=x16, w="16x64xf32")
def positive_random(x, w):
    """Positive random features

        f(x) = exp(x W - |x|^2 / 2) / sqrt(F),   so that on average f(x) . f(y) = exp(x . y)

    Performer (FAVOR+, Choromanski et al. 2021): columns of W are random normal, and no feature is negative. Divide q and k by d^(1/4)
    for softmax's weights.
    """
    return feature_maps.positive_random(w)(x)


@idea(w=lambda generator: generator.standard_normal((16, 64), "float32"))
@heddle.spec(x=x16, w="16x64xf32")
def random_fourier(x, w):
    """Random Fourier features

        f(x) = exp(|x|^2 / 2) [cos(x W); sin(x W)] / sqrt(F),   so that on average f(x) . f(y) = exp(x . y)

    Random feature attention (Peng et al. 2021; Rahimi and Recht 2007). Less scattered than positive features where weights are large,
    but a weight may come out negative.
    """
    return feature_maps.random_fourier(w)(x)


@idea()
@heddle.spec(x=x16)
def cos_sin(x):
    """Cosine and sine

        f(x) = [cos x; sin x],   so that f(x) . f(y) = sum_c cos(x_c - y_c)

    Phases. [GateLoop](../mechanisms/gateloop.py) gets its complex gates from running sums of phases, and linear attention its relative
    positions (cosFormer, LRPE).
    """
    return feature_maps.cos_sin(x)


@idea()
@heddle.spec(x=x16)
def power_norm(x):
    """Focused

        f(x) = r^p |r| / |r^p|,   r = max(x, 0)

    Turns features towards the nearest axis and leaves their length as it is: [FLatten](../mechanisms/flatten_focused.py) (Han et al. 2023), p = 3.
    """
    return feature_maps.power_norm(3)(x)


@idea()
@heddle.spec(**qkv)
def taylor(q, k, v):
    """Taylor series of exp

        f(x) . f(y) = 1 + s + s^2 / 2,   s = x . y / sqrt(d)

    Second order, at least 1/2, and close to exp for small scores: [BASED](../mechanisms/based.py) (Arora et al. 2024). It is the polynomial
    below with coefficients 1, 1 / sqrt(d) and 1 / (2 d).
    """
    return heddle.recur(q, k, v, feature_map=feature_maps.taylor, normalizer="sum")


@idea()
@heddle.spec(**qkv)
def polynomial(q, k, v):
    """Any polynomial of degree two

        f(x) . f(y) = c0 + c1 s + c2 s^2,   s = x . y

    Each product of two channels once: 1 + d + d (d + 1) / 2 features, each a product of two factors that the text below makes with columns that
    choose a channel. [Fastmax](../mechanisms/fastmax.py), [BASED](../mechanisms/based.py); coefficients
    (0, 0, 1) are the second power alone, as in symmetric power attention (Buckman et al. 2024).
    """
    return heddle.recur(q, k, v, feature_map=feature_maps.polynomial(16, (1.0, 1.0, 0.5)), normalizer="sum")


@idea(f=lambda generator: abs(generator.standard_normal((1, 2, 12, 16), "float32")))
@heddle.spec(**qkv, f=x16)
def as_it_is(q, k, v, f):
    """Features that were made before

        f(x) = x

    Where a model brings features of its own, `as_it_is` says that no product of two is negative, so that a denominator needs no warning.
    """
    return heddle.recur(f, f, v, feature_map=feature_maps.as_it_is, normalizer="sum")


@idea()
@heddle.spec(x="1x2x12x13xf32")
def widened(x):
    """Any width

        f(x) = [x; 0 .. 0]

    Widths of operands are multiples of 8; zeros change no product. Points of odd dimension, as in
    [in-context regression](../mechanisms/icl_linreg.py).
    """
    return feature_maps.widened(x)
