"""Statistics: what rows and columns of the weights are like

Numbers of the matrix of probabilities p that never needs it: a row's are sums that its kernel carries beside the denominator, so that masks,
scores, splits of the keys and other normalizers change nothing about them. [heddle.statistics](../statistics.py) lists the names and has the
means to write others.
"""

import heddle
from heddle import statistics

from ._idea import idea

qkv = {name: "?x?x?x64xf32" for name in "qkv"}


@idea()
@heddle.spec(**qkv)
def entropy(q, k, v):
    """Entropy

        H_i = -sum_j p_ij log p_ij = log(sum w) - sum w (s - m) / sum w

    How spread a row's attention is, from 0 to log of the number of keys it sees. The second sum moves by
    `f (u + (old - new) l)` when the maximum does, which the last lines of `rescale` say.
    """
    out, stats = heddle.attend(q, k, v, stats=("entropy",))
    return out, stats["entropy"]


@idea()
@heddle.spec(**qkv)
def mass(q, k, v):
    """Mass of some keys

        M_i = sum_j [|i - j| < 4] p_ij

    What a row gives to the keys of a condition: its neighbours, a prefix, a document.
    """
    near = statistics.mass(lambda b, h, i, j: abs(i - j) < 4, "near")
    out, stats = heddle.attend(q, k, v, stats=(near,))
    return out, stats["near"]


@idea()
@heddle.spec(**qkv)
def top(q, k, v):
    """Mass of the largest

        T_i = sum of the 2 largest p_ij

    By the largest distinct scores of a row and how many keys have each, which the operator knows as `max.n` and `count.n`.
    """
    out, stats = heddle.attend(q, k, v, stats=(statistics.TopMass(2, "top"),))
    return out, stats["top"]


@idea()
@heddle.spec(**qkv)
def columns(q, k, v):
    """Sums over columns

        C_j = sum_i p_ij

    What a key gets of all rows: H2O's heavy hitters (Zhang et al. 2023) are kept by it. Denominators of all rows come first, so it is an attend more,
    whose rows are the keys and which has no values.
    """
    out, stats = heddle.attend(q, k, v, causal=True, stats=("colsum",))
    return out, stats["colsum"]
