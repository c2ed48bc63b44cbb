"""Functions of numbers become regions: every operator by its text, and what cannot be traced by the user's line."""
import inspect

import numpy as np
import pytest

import heddle
from heddle import _regions
from heddle._captures import Captures
from heddle._graph import Printer, Scope
from heddle._scalar import FLOAT, Scalar


def body(score_mod, **options):
    """(lines of the function, lines of the score region)."""
    captures = Captures()
    (function,) = captures.bind(score_mod)
    scale = Scalar(None, FLOAT, hint="scale")
    region = _regions.score_region(scale, function, **options)
    scope = Scope("")
    scope.names = {parameter: "%" + parameter.hint for parameter in (scale, *captures.parameters)}
    text = Printer().region(region, scope)
    return scope.lines, [line.strip() for line in text.splitlines()[1:-1]]


@pytest.mark.parametrize("function, expected", [
    (lambda s, b, h, i, j: s + 1, ["%0 = SCALED", "%2 = arith.addf %0, %1 : f32"]),
    (lambda s, b, h, i, j: 2.0 - s, ["%1 = SCALED", "%2 = arith.subf %0, %1 : f32"]),
    (lambda s, b, h, i, j: s * (j - i), ["%0 = SCALED", "%1 = arith.subi %j, %i : index", "%2 = arith.index_cast %1 : index to i32",
                                         "%3 = arith.sitofp %2 : i32 to f32", "%4 = arith.mulf %0, %3 : f32"]),
    (lambda s, b, h, i, j: -s, ["%0 = SCALED", "%1 = arith.negf %0 : f32"]),
    (lambda s, b, h, i, j: abs(s), ["%0 = SCALED", "%1 = math.absf %0 : f32"]),
    (lambda s, b, h, i, j: s ** 2, ["%0 = SCALED", "%1 = arith.mulf %0, %0 : f32"]),
    (lambda s, b, h, i, j: heddle.tanh(s), ["%0 = SCALED", "%1 = math.tanh %0 : f32"]),
    (lambda s, b, h, i, j: np.tanh(s), ["%0 = SCALED", "%1 = math.tanh %0 : f32"]),
    (lambda s, b, h, i, j: heddle.maximum(s, i), ["%0 = SCALED", "%1 = arith.index_cast %i : index to i32",
                                                  "%2 = arith.sitofp %1 : i32 to f32", "%3 = arith.maximumf %0, %2 : f32"]),
    (lambda s, b, h, i, j: heddle.where(i == j, s, -float("inf")), ["%0 = arith.cmpi eq, %i, %j : index", "%1 = SCALED",
                                                                    "%3 = arith.select %0, %1, %2 : f32"]),
    (lambda s, b, h, i, j: np.where((i < j) | ~(h != 0), s, 0), ["%0 = arith.cmpi slt, %i, %j : index",
                                                                 "%1 = arith.cmpi ne, %h, %c0 : index",
                                                                 "%3 = arith.xori %1, %2 : i1", "%4 = arith.ori %0, %3 : i1",
                                                                 "%5 = SCALED", "%7 = arith.select %4, %5, %6 : f32"]),
    (lambda s, b, h, i, j: s + i // 4, ["%0 = SCALED", "%1 = arith.floordivsi %i, %c4 : index", "%2 = arith.index_cast %1 : index to i32",
                                        "%3 = arith.sitofp %2 : i32 to f32", "%4 = arith.addf %0, %3 : f32"]),
    (lambda s, b, h, i, j: s + (j & 3), ["%0 = SCALED", "%1 = arith.andi %j, %c3 : index", "%2 = arith.index_cast %1 : index to i32",
                                         "%3 = arith.sitofp %2 : i32 to f32", "%4 = arith.addf %0, %3 : f32"]),
])
def test_operators_by_their_text(function, expected):
    outer, lines = body(function)
    assert lines[:-1] == [line.replace("SCALED", "arith.mulf %s, %scale : f32") for line in expected]
    assert lines[-1].startswith("attn.yield ") and lines[-1].endswith(" : f32")


def test_a_remainder_has_the_sign_of_its_divisor():
    _, lines = body(lambda s, b, h, i, j: s + (j - i) % 3)
    assert lines[1:5] == ["%1 = arith.subi %j, %i : index", "%2 = arith.floordivsi %1, %c3 : index",
                          "%3 = arith.muli %2, %c3 : index", "%4 = arith.subi %1, %3 : index"]


def test_what_does_not_depend_on_positions_is_hoisted():
    width = heddle.scalar(512)
    outer, lines = body(lambda s, b, h, i, j: heddle.where(j > i - (width * 2), s, 0.0))
    assert [line for line in outer if "muli" in line] == ["%0 = arith.muli %width, %c2 : index"]
    assert "%1 = arith.subi %i, %0 : index" in lines


def test_equal_expressions_are_computed_once():
    _, lines = body(lambda s, b, h, i, j: heddle.exp(s) * heddle.exp(s))
    assert lines[1:-1] == ["%1 = math.exp %0 : f32", "%2 = arith.mulf %1, %1 : f32"]


def line_of(function, text):
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if text in line)


def branch(s, b, h, i, j):
    if i < j:
        return s
    return s * 2


def conjunction(s, b, h, i, j):
    return heddle.where(i < j and j < 9, s, 0.0)


def unknown_function(s, b, h, i, j):
    return np.sinh(s)


def own_fault(s, b, h, i, j):
    return s + "one"


def no_result(s, b, h, i, j):
    s + 1


def to_int(s, b, h, i, j):
    return s * int(i)


class Holder:
    table = np.ones(4, np.float32)


def array_of_an_object(s, b, h, i, j, holder=Holder()):
    return s + holder.table[h]


@pytest.mark.parametrize("function, text, message", [
    (branch, "if i < j", "expected a condition that is known while tracing"),
    (conjunction, "i < j and", "& | ~ instead of and, or, not"),
    (unknown_function, "np.sinh", "got sinh"),
    (own_fault, '"one"', "got TypeError"),
    (no_result, "def no_result", "got None (is a return missing?)"),
    (to_int, "int(i)", "got a traced value (int() of it)"),
    (array_of_an_object, "holder.table[h]", "that can be traced"),
])
def test_what_cannot_be_traced_names_the_line(function, text, message):
    with pytest.raises(heddle.TraceError) as caught:
        body(function)
    assert message in str(caught.value) or message.replace("that can be traced", "variable of the function") in str(caught.value)
    assert (caught.value.file, caught.value.line) == (__file__, line_of(function, text))


def test_a_value_kept_from_another_trace_is_refused():
    kept = []
    body(lambda s, b, h, i, j: kept.append(i) or s)
    with pytest.raises(heddle.TraceError, match="expected values of one traced function"):
        body(lambda s, b, h, i, j: s * (kept[0] + j))


def test_scores_of_coarse_operands_may_be_approximations():
    lines, region = body(lambda s, b, h, i, j: heddle.tanh(s), approximate=True)
    assert "%1 = math.tanh %0 fastmath<afn> : f32" in region
    q = heddle.spec(q="?x?x?x32xf32", k="?x?x?x32xf32", v="?x?x?x32xf32")(lambda q, k, v: heddle.attend(q, k, v, score_mod=lambda s, b, h, i, j: heddle.tanh(s)))
    assert "math.tanh" in q.text and "afn" not in q.text
