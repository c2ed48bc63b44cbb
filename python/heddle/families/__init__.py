"""Ideas of attention by family, each the smallest spec that has it: the source of the pages in this folder.

A family is a module whose docstring begins its page; an idea is a `heddle.Spec` in it under the decorator `idea`, whose docstring says what it
is, its equation, and who published it. `python -m heddle.families --write` writes the pages; test/python/test_families.py compares them, and
runs every spec against NumPy. To add an idea, add it to its module and its reference to that test.
"""

import importlib

from ._idea import Grid, Idea, idea

#: The families, in the order of a reader.
FAMILIES = ("masks", "scores", "normalizers", "positions", "feature_maps", "gates", "hybrids", "statistics")

__all__ = ["FAMILIES", "Grid", "Idea", "idea", "load"]


def load(family):
    """(module, its ideas in order)."""
    if family not in FAMILIES:
        raise KeyError(f"expected one of {', '.join(FAMILIES)}, got {family!r}")
    module = importlib.import_module(f"{__name__}.{family}")
    return module, [value for value in vars(module).values() if isinstance(value, Idea)]
