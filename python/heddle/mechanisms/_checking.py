"""Comparing a mechanism with its reference: relative Frobenius errors, of outputs that were NaN before."""

import re
from typing import Any, NamedTuple

import numpy as np

from .. import _compiler, _pack
from .._verify import TOLERANCE, _numpy_type
from ._cases import expected


class Comparison(NamedTuple):
    what: str
    expected: Any
    got: Any
    element: str

    @property
    def error(self):
        return difference(self.expected, self.got)

    @property
    def passed(self):
        return self.error <= TOLERANCE[self.element]  # a NaN does not pass


def difference(expected, got):
    """The relative Frobenius error of the finite part; infinities have to be equal."""
    expected, got = np.asarray(expected, np.float64), np.asarray(got).astype(np.float64)
    if expected.shape != got.shape:
        raise ValueError(f"expected a result of shape {expected.shape}, got {got.shape}")
    finite = np.isfinite(expected)
    if not np.array_equal(expected[~finite], got[~finite]):
        return float("inf")
    norm = np.linalg.norm(expected[finite])
    return float(np.linalg.norm(expected[finite] - got[finite]) / (norm or 1.0))


def inputs(case, seed=0):
    """(arrays, weights) of a case by name, in their element types."""
    return tuple({name: value if case.element(name) is None else value.astype(_numpy_type(case.dtype))
                  for name, value in group.items()} for group in case.draw(seed))


def traced(module, case, seed=0):
    """(arrays, weights, spec, its compiled program, what it captured) of a case."""
    arrays, weights = inputs(case, seed)
    spec = module.spec(**weights, **case.options)
    return arrays, weights, spec, *spec._program(spec.types or spec._types_of(list(arrays.values())))


def call(module, case):
    """(the compiled program of a case, what it takes: arrays and numbers in order)."""
    arrays, _, _, compiled, leaves = traced(module, case)
    captured = [leaf.value if hasattr(leaf, "value") else np.asarray(leaf) for leaf in compiled._leaves(leaves)]
    return compiled, [*arrays.values(), *captured]


def check(module, case, seed=0):
    """The comparisons of a case on this machine's CPU: those of its results and, if it decodes, of its last rows."""
    arrays, weights, spec, compiled, _ = traced(module, case, seed)
    wanted = expected(module, case, seed)
    elements = [result.type.element for result in compiled.results]
    out = [np.full(result.shape, np.nan, np.float32).astype(_numpy_type(element)) for result, element in zip(wanted, elements)]
    spec(*arrays.values(), out=out[0] if compiled.single else out)
    found = [Comparison(f"result {n}", *each) for n, each in enumerate(zip(wanted, out, elements))]
    if case.decode:
        rows = np.asarray(module.decode(**arrays, **weights, **case.options))
        found.append(Comparison("decoded", wanted[0][..., -rows.shape[-2]:, :], rows, elements[0]))
    return found


def assemble(module, case, target="sm_90a"):
    """Compile a case for a GPU, ptxas included; (its program, the pack's bytes). Of variants that differ in the alignment of arrays, only the
    one that the case's arrays ask for is compiled."""
    arrays, weights, _, compiled, _ = traced(module, case)
    plan = _pack.read(_compiler.compile_text(compiled.program, target, None, "none"))[0]
    variants = [re.findall(r"--only=(\S+)", variant.note) for variant in plan.variants]
    aligned = all(stride % 16 == 0 for value in (*arrays.values(), *weights.values()) for stride in value.strides[:-1])
    only = ",".join(variants[0] if aligned else sum(variants, []))
    return compiled.program, _compiler.compile_text(compiled.program, target, None, only)
