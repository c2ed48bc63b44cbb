"""Tracing user functions into the regions of attn operations."""

import inspect

from . import _scalar
from ._errors import TraceError
from ._graph import Owner, Region
from ._scalar import CONDITION, FLOAT, INTEGER, Scalar, is_number, lift
from ._source import innermost_user_frame, location_of

POSITIONS = ("b", "h", "i", "j")


def arguments(owner, *names, floats=()):
    """Region arguments: the names in `floats` are f32, the others positions."""
    return [Scalar(None, FLOAT if name in floats else INTEGER, hint=name, owner=owner) for name in names]


class HeadsAsRows:
    """The positions that a caller means where the `group` heads of one query that share a key head are the rows of one
    head: row i of head h is query 0 of head h * group + i."""

    def __init__(self, group):
        self.group = group

    def __call__(self, b, h, i, *j):
        head, query = _scalar.add(_scalar.multiply(h, self.group), i), _scalar.constant(0, INTEGER)
        head.hint, query.hint = h.hint, i.hint  # what they are to a check of what they index
        return (b, head, query, *j)


def as_they_are(*positions):
    """The positions that a caller means where they are those of the operator."""
    return positions


def call(function, what, *values):
    """Call a user's function while tracing. Any error it raises becomes a TraceError that names its line."""
    try:
        return function(*values)
    except TraceError:
        raise
    except Exception as error:
        where = innermost_user_frame(error) or location_of(function)
        raise TraceError(f"expected {what} that can be traced, got {type(error).__name__}: {error}", where) from error


def number(value, what, function, type=FLOAT):
    """What a user's function returned, as a scalar of a type."""
    if not is_number(value):
        raise TraceError(f"expected {what} to return a number, got {_describe(value)}", location_of(function))
    if type == CONDITION and _scalar.kind(value) == FLOAT:
        raise TraceError(f"expected {what} to return a condition, got a float", location_of(function))
    if isinstance(value, Scalar) and value.type not in (FLOAT, INTEGER, CONDITION):
        raise TraceError(f"expected {what} to return a number, got {value.type}", location_of(function))
    return lift(value, type)


def _describe(value):
    return "None (is a return missing?)" if value is None else type(value).__name__


def count_positional(function):
    """How many positional arguments a function takes; None when it takes any number or does not say."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    return sum(1 for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty)


def score_region(scale, score_mod, meant=as_they_are, approximate=False):
    """score(s, b, h, i, j): the scaled dot product, through the user's score_mod of the positions that are meant.
    `approximate`: its functions may be approximations."""
    owner = Owner()
    names = arguments(owner, "s", *POSITIONS, floats=("s",))
    value = _scalar.multiply(names[0], scale)
    if score_mod is not None:
        with _scalar.approximate(approximate):
            value = number(call(score_mod, "a score_mod", value, *meant(*names[1:])), "a score_mod", score_mod)
    return Region(tuple(names), (value,), owner)


def mask_region(conditions, mask_mod, meant=as_they_are):
    """mask(b, h, i, j): all of the conditions, functions of Scalars, and the user's mask_mod, of the positions that are
    meant. None if everything is seen."""
    owner = Owner()
    names = arguments(owner, *POSITIONS)
    value, positions = None, meant(*names)
    for condition in conditions:
        part = condition(*positions)
        value = part if value is None else _scalar.bit_and(value, part)
    if mask_mod is not None:
        part = number(call(mask_mod, "a mask_mod", *positions), "a mask_mod", mask_mod, CONDITION)
        value = part if value is None else _scalar.bit_and(value, part)
    return None if value is None else Region(tuple(names), (value,), owner)
