"""Published ways to mix tokens, one file each, and a table of what of them works in this build: `python -m heddle.mechanisms`.

A row is a module of this package by its key, hyphens as underscores (`heddle.mechanisms.load("sparse-transformer")`), with

    spec(**weights, **options)                  a heddle.Spec, whose parameters are the arrays of a call
    reference(**arrays, **weights, **options)   the same from the published equations, in float64 NumPy, nothing of Heddle's
    decode(**arrays, **weights, **options)      where tokens are generated: the last rows, one call a token (see `cached`, `stepped`)
    CASES                                       what the tests compare; each a `Case`
    PARTIAL                                     where something is missing: what, and why

What a mechanism learns inside of its operator is a weight: an array that `spec` closes over. It stays an argument of what is compiled.
"""

import importlib
import importlib.util

from ._cases import Case, log_decays, scaled
from ._catalog import KEYS, KINDS, MISSING
from ._decoding import cached
from ._recurrent import Streamed, behind_windows, recurrent, stepped

__all__ = ["Case", "KEYS", "KINDS", "MISSING", "Streamed", "behind_windows", "cached", "load", "log_decays", "module_name", "recurrent",
           "scaled", "stepped", "written"]


def module_name(key):
    return key.replace("-", "_")


def written(key):
    """Whether there is a module for a key."""
    return importlib.util.find_spec(f"{__name__}.{module_name(key)}") is not None


def load(key):
    """The module of a key."""
    if key not in KEYS:
        raise KeyError(f"expected a key of heddle.mechanisms.KEYS, got {key!r}")
    return importlib.import_module(f"{__name__}.{module_name(key)}")
