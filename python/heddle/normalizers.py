"""Normalizers that several mechanisms share, for `heddle.attend(.., normalizer=)`; those that a name says need none of these."""

from ._functions import exp, log, where
from ._normalizer import Normalizer

__all__ = ["ENTROPY", "HARD", "polynomial"]

#: The value of the largest score alone, the first of equal ones: weights are 1 at the reference and 0 elsewhere, divided by their sum.
HARD = Normalizer(reference=lambda s: s, rescale=lambda old, new: where(old < new, 0.0, 1.0),
                  weight=lambda s, m: (where(s < m, 0.0, 1.0),) * 2, finish=lambda m, total: 1.0 / total)

#: Softmax whose statistic (`return_lse=True`) is the entropy of a row's weights.
ENTROPY = Normalizer(reference=lambda s: s, rescale=lambda old, new: exp(old - new), stats=("lse",),
                     weight=lambda s, m: (exp(s - m), exp(s - m), s * exp(s - m)), finish=lambda m, z, mean: (1.0 / z, m + log(z) - mean / z))


def polynomial(coefficients):
    """Weights c0 + c1 s + c2 s^2 .. of a score s, divided by their sum."""
    def weight(s):
        value = sum(c * s ** n for n, c in enumerate(coefficients) if n and c) + s * 0.0 + coefficients[0]
        return value, value
    return Normalizer(weight=weight, finish=lambda total: 1.0 / total)
