"""Gates: logarithms of decays, as `heddle.recur` takes them, from what a model computes for each token. All are at most 0, and none is
ever the logarithm of a number that has become 0.

    sigmoid(x)            log of 1 / (1 + exp(-x))
    rate(x, a)            -softplus(x) exp(a): a step of softplus(x) at the rate exp(a) of each head, as in Mamba-2
"""

from ._functions import abs, exp, log, maximum


def softplus(x):
    """log(1 + exp(x)), which is above 0 and close to x where x is large."""
    return maximum(x, 0.0) + log(1.0 + exp(-abs(x)))


def sigmoid(x):
    """The logarithm of the sigmoid of x."""
    return -softplus(-x)


def rate(x, a):
    """-softplus(x) exp(a), of x (B, H, T) and a (H,)."""
    return -softplus(x) * exp(a)[:, None]
