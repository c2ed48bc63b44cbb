"""Norms over the channels of each row, without weights, behind an operator; of a head's own channels they are what is called GroupNorm."""

from ._functions import sqrt


def layer(x, eps=1e-5):
    """(x - mean) / sqrt(variance + eps)."""
    y = x.astype("f32")
    y = y - y.mean(keepdims=True)
    return (y / sqrt((y * y).mean(keepdims=True) + eps)).astype(x.dtype)


def rms(x, eps=0.0):
    """x / sqrt(mean of x^2 + eps)."""
    y = x.astype("f32")
    return (y / sqrt((y * y).mean(keepdims=True) + eps)).astype(x.dtype)
