"""Feature maps f for `heddle.recur(feature_map=f)` and for q and k of `heddle.attend` inside of a `heddle.Spec`.

Each is plain array code, (.., width) to (.., features), which is pulled into the kernel that reads it, so that features are never in
memory; a product with weights, x @ w, only where a recurrence's kernel has room for them: else kernels in front compute it. Write another map the same way. Maps with weights are made by
functions, `learned(w)`; a pair (of q, of k) has weights of its own.

    out = heddle.recur(q, k, v, feature_map=heddle.feature_maps.mirrored(heddle.feature_maps.exp), normalizer="sum")
"""

import functools

import numpy as np

from . import _functions, _tensor
from ._functions import concat, constant, cos, maximum, sin, sqrt, where


def exp(x):
    """exp x."""
    return _functions.exp(x)


def relu(x):
    """The larger of x and 0. Rows all of whose weights are 0 are 0 / 0 under normalizer "sum"."""
    return maximum(x, 0.0)


def as_it_is(x):
    """x itself, of which the caller knows that no product of two is negative: features that were made before."""
    return x


as_it_is.positive_products = True


def widened(x):
    """Zeros behind the channels of x, up to a multiple of 8, which widths are."""
    width, more = x.shape[-1], -x.shape[-1] % 8
    zeros = [x[..., :min(width, more - n)] * 0.0 for n in range(0, more, width)]
    return concat([x, *zeros]) if more else x


def elu_plus_one(x):
    """x + 1 where x > 0, else exp x (Katharopoulos et al. 2020)."""
    return where(x > 0, x + 1.0, _functions.exp(x))


def softmax(x):
    """Softmax over the channels."""
    return _functions.softmax(x)


def shifted_exp(x):
    """exp(x - the largest channel)."""
    return _functions.exp(x - x.max(keepdims=True))


def cos_weighted(longest, most=None):
    """[relu(x) cos a; relu(x) sin a] with a = pi t / (2 `longest`) of token t: products are those of relu times the cosine of a distance (Qin et al.
    2022, cosFormer). `longest` may be a traced number of at most `most`."""
    steps = np.arange(most or longest, dtype=np.float32)[:, None]

    def features(x):
        turn, positive = constant(steps)[:x.shape[2]] * (0.5 * np.pi / longest), relu(x)
        return concat([positive * cos(turn), positive * sin(turn)])
    features.positive_products = True
    return features


def cos_sin(x):
    """[cos x; sin x], twice as wide. A product of two features is the cosine of a difference, so it may be negative."""
    return concat([cos(x), sin(x)])


def power_norm(p):
    """x to the power of p, as long as x was: r^p |r| / |r^p| with r = relu(x) (Han et al. 2023, "focused"). `p` is an int from 1 to 8
    or a float."""
    def focused(x):
        r = maximum(x, 0.0).astype("f32")
        powered = r ** p
        ratio = sqrt((r * r).sum(-1, keepdims=True) / maximum((powered * powered).sum(-1, keepdims=True), 1e-12))
        return (powered * ratio).astype(x.dtype)
    return focused


def learned(w, then=None, bias=None):
    """then(x @ w + bias): `w` (width, F), shared, or (H, width, F), of every head; `bias` (F,) or (H, F); `then` a feature map,
    None for the linear map itself. The product takes x's type."""
    def linear(x):
        y = x @ (w if w.dtype == x.dtype else w.astype(x.dtype))
        if bias is not None:
            y = (y + (bias if bias.ndim == 1 else bias[:, None])).astype(x.dtype)
        return y if then is None else then(y)
    return linear


def mirrored(f):
    """[f(x); f(-x)], so that both signs of a channel count: of `exp` the map of Hedgehog, of `softmax` that of LoLCATs."""
    return lambda x: concat([f(x), f(-x)])


def clamped(f, least=1e-12):
    """The larger of f(x) and a small number, so that sums of weights are never 0."""
    return lambda x: maximum(f(x), least)


def positive_random(w):
    """exp(x @ w - |x|^2 / 2) / sqrt(F) for random normal `w` (width, F) or (H, width, F): products are positive and on average
    exp(x . y) (Choromanski et al. 2021). Divide q and k by width^(1/4) for the weights of softmax."""
    def features(x):
        y = x @ (w if w.dtype == x.dtype else w.astype(x.dtype))
        return _functions.exp(y - _half_square(x)) * y.shape[-1] ** -0.5
    return features


def random_fourier(w):
    """exp(|x|^2 / 2) [cos(x @ w); sin(x @ w)] / sqrt(F) for random normal `w`: products are on average exp(x . y), and may be negative
    (Peng et al. 2021)."""
    def features(x):
        y = x @ (w if w.dtype == x.dtype else w.astype(x.dtype))
        return concat([cos(y), sin(y)]) * (_functions.exp(_half_square(x)) * y.shape[-1] ** -0.5)
    return features


def _half_square(x):
    x = x.astype("f32")
    return (x * x).sum(-1, keepdims=True) * 0.5


def taylor(x):
    """Features whose products are 1 + s + s^2 / 2 with s = x . y / sqrt(width): exp s to second order, at least 1/2 (Arora et al. 2024, BASED).
    See `polynomial`; at most 512 of them, so a width of up to 30."""
    return _taylor_of(x.shape[-1])(x)


taylor.positive_products = True


@functools.cache
def _taylor_of(width):
    return polynomial(width, (1.0, width ** -0.5, 0.5 / width))


_TOGETHER = 32  # features that kernels compute at a time


def _in_few_bits(weight):
    """Two numbers of 8 bits each, as bf16 has, whose product is a weight to 13 bits or more."""
    first = 1.0 + np.arange(128) / 128
    mantissa, exponent = np.frexp(weight / first)
    second = np.ldexp(np.round(mantissa * 256) / 256, exponent)
    best = np.argmin(abs(first * second - weight))
    return first[best], second[best]


def polynomial(d, coefficients=(1.0, 1.0, 0.5)):
    """Features, for x of width d, of the weight c0 + c1 s + c2 s^2 with s = x . y; none of the coefficients is negative. Each product of two
    channels is there once: 1 + d + d (d + 1) / 2 features (or those up to the last coefficient) and zeros up to a multiple of 8, in the
    order of kernels."""
    pairs = [(None, None), *((c, None) for c in range(d)), *((a, c) for a in range(d) for c in range(a, d))]
    pairs = [pair for pair in pairs if 2 - pair.count(None) < len(coefficients)]
    pairs.sort(key=lambda pair: pair.count(None))
    width = -(-len(pairs) // 8) * 8
    plain = sum(None not in pair for pair in pairs) // _TOGETHER * _TOGETHER  # features without a factor of 1
    @functools.cache
    def tables(is_short):
        """A feature is a product of two factors, each a channel, chosen by a column of a matrix, or 1, and of a weight, shared out among both."""
        chosen, ones = [np.zeros((d, width), np.float32) for _ in range(2)], [np.zeros(width - plain, np.float32) for _ in range(2)]
        for n, pair in enumerate(pairs):
            weight = (coefficients[2 - pair.count(None)] * (2.0 if None not in pair and pair[0] != pair[1] else 1.0)) ** 0.5
            for side, (channel, part) in enumerate(zip(pair, _in_few_bits(weight) if is_short else (weight, 1.0))):
                if channel is None:
                    ones[side][n - plain] = part
                else:
                    chosen[side][channel, n] = part
        return chosen, ones

    def apply(x):
        chosen, ones = tables(x.dtype != "f32")
        y, z = (_tensor.matmul(x, constant(matrix, x.dtype), wide=True) for matrix in chosen)
        rest = (y[..., plain:] + constant(ones[0])) * (z[..., plain:] + constant(ones[1]))
        return (concat([y[..., :plain] * z[..., :plain], rest]) if plain else rest).astype(x.dtype)
    c0, c1, c2 = (*coefficients, 0.0, 0.0)[:3]
    apply.positive_products = c1 * c1 < 4 * c0 * c2
    return apply
