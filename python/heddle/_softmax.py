"""The prelude's normalizers of exponentials as functions: for what is built upon them (statistics, heads that are rows)."""

from . import _scalar
from ._normalizer import Normalizer


def _score(s):
    return s


def _ratio(old, new):
    return _scalar.exp(_scalar.subtract(old, new))


def exponential(s, m):
    """The weights of all that are made of exp(s - m)."""
    weight = _scalar.exp(_scalar.subtract(s, m))
    return weight, weight


def _finish(m, total):
    return _scalar.divide(1.0, total), _scalar.add(m, _scalar.log(total))


def _finish_with(extra, m, total):
    """The larger of m and one more key's score is taken out of the sum, so that neither term overflows."""
    top = _scalar.maximum(m, extra)
    scale = _scalar.exp(_scalar.subtract(m, top))
    denominator = _scalar.add(_scalar.multiply(scale, total), _scalar.exp(_scalar.subtract(extra, top)))
    return _scalar.divide(scale, denominator), _scalar.add(top, _scalar.log(denominator))


def _signed_weight(s, m):
    weight = _scalar.exp(_scalar.subtract(_scalar.absolute(s), m))
    return _scalar.where(_scalar.less(s, 0.0), _scalar.negate(weight), _scalar.where(_scalar.less(0.0, s), weight, 0.0)), weight


def with_sinks(sink):
    """softmax_sink, of an array by heads. A name of its own, where heads are rows and the prelude's does not know them."""
    return Normalizer(_score, _ratio, exponential, lambda m, total, b, h, i: _finish_with(sink[h], m, total), stats=("lse",),
                      name="softmax_row_sink")


FUNCTIONS = {
    "softmax": Normalizer(_score, _ratio, exponential, _finish, stats=("lse",)),
    "softmax_plus_one": Normalizer(_score, _ratio, exponential, lambda m, total: _finish_with(0.0, m, total), stats=("lse",)),
    "signed": Normalizer(_scalar.absolute, _ratio, _signed_weight, _finish, stats=("lse",)),
}
