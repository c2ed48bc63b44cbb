"""Normalizers that several mechanisms share, for `heddle.attend(.., normalizer=)`; those that a name says need none of these."""

from ._functions import where
from ._normalizer import Normalizer

__all__ = ["HARD"]

#: The value of the largest score alone, the first of equal ones: weights are 1 at the reference and 0 elsewhere, divided by their sum.
HARD = Normalizer(reference=lambda s: s, rescale=lambda old, new: where(old < new, 0.0, 1.0),
                  weight=lambda s, m: (where(s < m, 0.0, 1.0),) * 2, finish=lambda m, total: 1.0 / total)
