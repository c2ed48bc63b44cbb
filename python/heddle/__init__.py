"""Heddle compiles attention: a mathematical description in, a fused CPU or GPU kernel out.

    out = heddle.attend(q, k, v, causal=True, score_mod=lambda s, b, h, q_idx, kv_idx: s + slopes[h] * (kv_idx - q_idx))

`attend` and `recur` are the functions most callers need; `Spec` traces whole functions of arrays; `Normalizer` defines how scores become
weights. Everything Python does is write `attn` text and call one C function: what it prints, `heddle-opt` replays.
"""

from . import convolutions, feature_maps, gates, heads, masks, normalizers, norms, positions, statistics
from ._captures import RuntimeScalar
from ._errors import CompileError, Diagnostic, RunError, TraceError
from ._functions import (abs, and_masks, atan2, concat, cos, erf, exp, exp2, floor, log, maximum, minimum, or_masks, sigmoid, sin,
                         softmax, sqrt, tanh, view, where)
from ._heddle import Status, num_threads, set_check, set_num_threads
from ._heddle import version as _version
from ._normalizer import Normalizer
from ._spec import Spec, spec
from ._tensor import Tensor
from ._verify import Report
from ._eager import attend
from ._merge import by_lse, by_mass, merge
from ._mixing import mixing_matrix
from ._recurrence import recur, recur_step

__version__ = _version()


def scalar(value):
    """A run-time number for traced functions: where a plain number of a closure becomes a constant of the compiled
    function, this becomes an argument of it. Assign to `.value` to change it; nothing is compiled again.

        width = heddle.scalar(512)
        out = heddle.attend(q, k, v, mask_mod=lambda b, h, i, j: (j <= i) & (j > i - width))
    """
    return RuntimeScalar(value)


__all__ = ["CompileError", "Diagnostic", "Normalizer", "Report", "RunError", "Spec", "Status", "Tensor", "TraceError", "abs",
           "and_masks", "atan2", "attend", "by_lse", "by_mass", "concat", "convolutions", "cos", "erf", "exp", "exp2", "feature_maps", "floor", "gates", "heads", "log",
           "masks", "maximum", "merge", "minimum", "mixing_matrix", "normalizers", "norms", "num_threads", "or_masks", "positions", "recur", "recur_step",
           "scalar", "set_check", "set_num_threads", "sigmoid", "sin", "softmax", "spec", "sqrt", "statistics", "tanh", "view", "where"]
