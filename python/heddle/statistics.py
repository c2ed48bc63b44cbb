"""Statistics of the weights of `heddle.attend(.., stats=)`: what a row, or a column, of the probabilities p is like, without the matrix.

    out, stats = heddle.attend(q, k, v, causal=True, stats=("entropy", "colsum", heddle.statistics.mass(masks.around(8, 8))))

    name             of row i                                     shape        a row that sees nothing
    lse              log of the denominator                       (b, h, t)    -inf
    max              the largest score x_ij                       (b, h, t)    -inf
    entropy          -sum_j p_ij log p_ij                         (b, h, t)    0
    mean_score       sum_j p_ij x_ij / sum_j p_ij                 (b, h, t)    0
    score_variance   sum_j p_ij (x_ij - mean score)^2 / sum_j p_ij  (b, h, t)  0
    collision        sum_j p_ij^2                                 (b, h, t)    0
    mean_position    sum_j p_ij j / sum_j p_ij                    (b, h, t)    0
    count            how many keys it sees                        (b, h, t)    0
    topk_mass        sum of the 4 largest p_ij                    (b, h, t)    0
    colsum           of key j: sum_i p_ij                         (b, h, s)    adds nothing

All are float32, in units of the natural logarithm; a packed batch has (h, total) for (b, h, t). Heads are those of q. p = exp(x - lse), x
is the score after score_mod; of "signed" weights x and p are magnitudes. A sink takes its share of the denominator, and no statistic
counts it as a key.

Statistics of rows are sums that the kernel carries beside the denominator (`Statistic`, `Sum`): one more is a few lines, here or in a file
of yours. Sums over a column need the denominators of all rows, so they are one pass more over scores (`ColumnSum`), an attend without
values.
"""

import math
from dataclasses import dataclass
from typing import Callable, Optional

from ._functions import exp, log, minimum, where

__all__ = ["ColumnSum", "Statistic", "Sum", "TopMass", "mass"]

_LOG2E = 1.0 / math.log(2.0)


@dataclass(frozen=True, eq=False)
class Sum:
    """One number that a row adds up over the keys it sees, streamed as the denominator is.

    term: f(x, m, w [, b, h, q_idx, kv_idx]) of a key: x its score, m the row's running maximum, w = exp(x - m) what it adds to the
        denominator. It should be 0 for w = 0 and an x of -1e30; if it is not, the kernel asks of every pair whether it is visible.
    move: f(old, new, factor, total, sum, *beside): what the sum becomes when the maximum changes; factor = exp(old - new), total = sum w.
        Default: factor * sum, right for a term that is w times something without m.
    beside: other sums that `move` reads, as they were.
    """

    term: Callable
    move: Optional[Callable] = None
    beside: tuple = ()


@dataclass(frozen=True, eq=False)
class Named:
    """What the normalizer, or the operator, knows by this name."""

    name: str


@dataclass(frozen=True, eq=False)
class Statistic:
    """A number of each row, made of sums when all keys have been seen. A Sum that several statistics name is added up once.

    finish: f(m, c, total, *sums [, b, h, q_idx]): p = c w. Default: c times the first sum, which makes of a sum of w one of p.
    empty: the value of a row that sees nothing.
    """

    name: str
    sums: tuple = ()
    finish: Optional[Callable] = None
    empty: float = 0.0


@dataclass(frozen=True, eq=False)
class ColumnSum:
    """A number of each key, float32 (b, h, s): the sum of term(p, b, h, q_idx, kv_idx) over the rows that see it; default p itself."""

    name: str = "colsum"
    term: Optional[Callable] = None


@dataclass(frozen=True, eq=False)
class TopMass:
    """The sum of the `count` largest p of a row, of its `count` largest distinct scores and how many keys have each, which the kernel
    keeps: exact where scores are equal, too. Six operations a pair and rank; the largest alone is `max`, and costs nothing without lag."""

    count: int
    name: str = "topk_mass"

    def of(self, lse, *levels):
        """From scores and counts in turn, the largest first; or from the largest score alone."""
        if len(levels) == 1:
            return exp(where(lse > -math.inf, levels[0] - lse, -math.inf))
        left, total = float(self.count), 0.0
        for score, count in zip(levels[::2], levels[1::2]):
            taken = minimum(count, left)
            left, total = left - taken, total + taken * exp(where(count > 0.0, score - lse, 0.0))
        return total


def mass(mask_mod, name="mass"):
    """sum_j p_ij over the keys of a condition f(b, h, q_idx, kv_idx): the diagonal, a range of positions, another document."""
    return Statistic(name, (Sum(lambda x, m, w, b, h, i, j: where(mask_mod(b, h, i, j), w, 0.0)),))


# Sums relative to m, so that nothing is lost where one key has it all; in units of log 2, whose exponent the weight is made of anyway.
def _excess(x, m, w):
    return w * ((x - m) * _LOG2E)


def _squared_excess(x, m, w):
    excess = (x - m) * _LOG2E
    return w * excess * excess


def _move_excess(old, new, factor, total, excess):
    return factor * excess + factor * total * ((old - new) * _LOG2E)


def _move_squared_excess(old, new, factor, total, squares, excess):
    less = (old - new) * _LOG2E
    return factor * squares + factor * excess * (2.0 * less) + factor * total * (less * less)


def _variance(m, c, total, squares, excess):
    mean = excess / total
    return (squares / total - mean * mean) / (_LOG2E * _LOG2E)


EXCESS = Sum(_excess, _move_excess)
SQUARED_EXCESS = Sum(_squared_excess, _move_squared_excess, beside=(EXCESS,))

#: The statistics that have a name.
KNOWN = {statistic.name: statistic for statistic in (
    Named("lse"),
    Named("max"),
    Statistic("entropy", (EXCESS,), lambda m, c, total, excess: -c * (excess / _LOG2E + total * log(c))),
    Statistic("mean_score", (EXCESS,), lambda m, c, total, excess: m + excess / total / _LOG2E),
    Statistic("score_variance", (SQUARED_EXCESS, EXCESS), _variance),
    Statistic("collision", (Sum(lambda x, m, w: w * w, lambda old, new, factor, total, squares: factor * factor * squares),),
              lambda m, c, total, squares: c * c * squares),
    Statistic("mean_position", (Sum(lambda x, m, w, b, h, i, j: w * j),), lambda m, c, total, position: position / total),
    Statistic("count", (Sum(lambda x, m, w: where(x > -1e29, 1.0, 0.0), lambda old, new, factor, total, count: count),),
              lambda m, c, total, count: count),
    TopMass(4),
    ColumnSum())}
