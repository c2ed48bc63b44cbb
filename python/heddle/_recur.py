"""The attn text of `heddle.recur`: an `attn.recur` between the views that lay out its arrays, its feature maps in front of it
and what divides and scales its rows behind it, as plain tensor code. All symbolic, as _attend.py is; the heddle.Spec that is
being traced learns how the sizes must go together."""

import functools
import warnings
from dataclasses import dataclass
from typing import Any, Optional

from . import _scalar
from ._attend import LAYOUTS, largest
from ._errors import TraceError
from ._graph import Node, Owner, Region, TensorType
from ._regions import arguments, call
from ._relations import of_recur
from ._scalar import INTEGER, is_number, kind, lift
from ._signs import is_never_negative
from ._source import here, location_of
from ._spec import current_trace
from ._tensor import Tensor, elementwise, renamed


@dataclass
class RecurSpec:
    """What a recurrence means, in symbols."""

    q: Tensor
    k: Tensor
    v: Tensor
    layout: str = "bhtd"
    gate: Optional[Tensor] = None
    feature_maps: tuple = (None, None)  # of q and k, already bound to their captures
    scale: Any = None                   # Scalar or float; None: 1 / sqrt(width of the features)
    normalizer: str = "none"
    initial: tuple = ()                 # the state and, with a normalizer, its mass
    return_final: bool = False
    cu_seqlens_q: Optional[Tensor] = None
    at: Any = None                      # None, "end", or a function of a row, already bound to its captures
    segments: Optional[Tensor] = None   # (b, t)
    return_mass: bool = False
    result_type: Optional[str] = None   # None: q's
    # What the layouts of heddle.attend also ask for.
    cu_seqlens_k: Optional[Tensor] = None
    kv_lengths: Optional[Tensor] = None
    block_table: Optional[Tensor] = None
    group: int = 1


def build(spec):
    """The tuple of result tensors: the output, then the mass of its rows, the final state and its mass where they are asked for."""
    layout = LAYOUTS[spec.layout](spec)
    q, k, v = layout.operands()
    element = spec.result_type or spec.q.type.element
    q, k = (_features(function, x) for function, x in zip(spec.feature_maps, (q, k)))
    if spec.normalizer == "sum":
        _warn_of_signs(spec, q, k)
    if q.type.shape[3] != k.type.shape[3]:
        raise TraceError(f"expected feature maps that make q and k equally wide, got {q.type.shape[3]} and {k.type.shape[3]}", here())
    _check_ranks(spec)
    arrays, text, regions = {"q": q, "k": k, "v": v}, ["attn.recur query({0}) key({1}) value({2})"], ()
    for name, given in (("gate", spec.gate), ("segments", spec.segments)):
        if given is not None:
            text.append(f" {name}({{{len(arrays)}}})")
            arrays[name] = layout.tokens(given) if name == "gate" and given.ndim > 1 else given
    if spec.initial:
        names = ", ".join(f"{{{len(arrays) + n}}}" for n in range(len(spec.initial)))
        text.append(f" init({names})")
        arrays |= zip(("initial_state", "its mass"), spec.initial)
    if spec.at is not None:
        text.append(" at{r0}")
        regions = (_at_region(spec.at, k),)
    operands = list(arrays.values())
    current_trace().relations += of_recur(arrays, q.type.shape[3], "q" if spec.cu_seqlens_q is None else "cu_seqlens, less one",
                                          "q" if spec.at is None else "k")
    has_mass = spec.normalizer == "sum"
    if has_mass:
        text.append(" stats [mass]")
    if spec.return_final:
        text.append(" final")

    tensors = [x for name, x in arrays.items() if x.ndim >= 3 and name != "segments"]
    batch, heads = largest(*tensors, axis=0), _most_heads(tensors)
    shape, sizes = (batch[0], heads[0]), (batch[1], heads[1])
    widths = q.type.shape[3], v.type.shape[3]
    rows = (*shape, q.type.shape[2]), (*sizes, q.sizes[2])
    results = [(TensorType((*rows[0], widths[1]), "f32"), (*rows[1], widths[1]))]
    if has_mass:
        results.append((TensorType(rows[0], "f32"), rows[1]))
    if spec.return_final:
        results.append((TensorType((*shape, *widths), "f32"), (*sizes, *widths)))
        if has_mass:
            results.append((TensorType((*shape, widths[0]), "f32"), (*sizes, widths[0])))
    types = [type for type, _ in results]
    shown = str(types[0]) if len(types) == 1 else f"({', '.join(map(str, types))})"
    text.append(f" : ({', '.join(str(x.type) for x in operands)}) -> {shown}")
    node = Node("".join(text), operands, types, regions)
    outputs = [Tensor(node, type, sizes, index=n) for n, (type, sizes) in enumerate(results)]

    out = outputs[0]
    if has_mass:
        # Both features are scaled alike, so that a scale would cancel.
        mass = renamed(outputs[1], (*rows[0], 1), (*rows[1], 1), range(3))
        out = elementwise(_scalar.divide, out, mass)
    else:
        scale = widths[0] ** -0.5 if spec.scale is None else spec.scale
        if not (isinstance(scale, (int, float)) and scale == 1):
            out = elementwise(_scalar.multiply, out, scale)
    masses = [outputs[1]] if spec.return_mass else []
    final = outputs[1 + has_mass:] if spec.return_final else []
    return (layout.result(out.astype(element)), *masses, *final)


def _at_region(at, k):
    """From a row to the token whose state it reads."""
    owner = Owner()
    (row,) = arguments(owner, "i")
    if at == "end":
        token = _scalar.subtract(lift(k.sizes[2], INTEGER), 1)
    else:
        found = call(at, "an at function", row)
        if not is_number(found) or kind(found) != INTEGER:
            raise TraceError(f"expected an at function to return an integer, got {found!r}", location_of(at))
        token = lift(found, INTEGER)
    return Region((row,), (token,), owner)


def _check_ranks(spec):
    rank = len(spec.layout)
    named = [("gate", spec.gate, (1, rank - 1, rank)), ("segments", spec.segments, (2,)), *zip(("initial_state", "its mass"), spec.initial, ((4,), (3,)))]
    for name, tensor, ranks in named:
        if tensor is not None and tensor.ndim not in ranks:
            raise TraceError(f"expected {name} of rank {' or '.join(map(str, ranks))} for layout {spec.layout}, got {tensor.type}", here())


def _most_heads(tensors):
    """(extent in the type, size) of the heads of the result: q may have fewer than k and v."""
    extent, size = largest(*tensors, axis=1)
    sizes = list(dict.fromkeys(x.sizes[1] for x in tensors[:3]))
    return extent, size if extent is not None else functools.reduce(_scalar.maximum, [lift(size, INTEGER) for size in sizes])


def _warn_of_signs(spec, q, k):
    """Where features may be negative, and are divided by their sum."""
    for name, function, features in zip("qk", spec.feature_maps, (q, k)):
        if getattr(function, "positive_products", False) or is_never_negative(features):
            continue
        where = (location_of(function) if function is not None else None) or here() or ("<heddle>", 0)
        why = "there is no feature_map of it" if function is None else "its feature_map is not known to be at least 0"
        warnings.warn_explicit(f"normalizer=\"sum\" divides by a sum of f(q).f(k), which may be 0 or negative as {name} may be: {why}. Rows "
                               "are then not weighted means", UserWarning, where[0], where[1])


def _features(function, x):
    """What a feature map makes of an array (b, h, t, c), in the array's type."""
    if function is None:
        return x
    made = call(function, "a feature_map", x)
    if not isinstance(made, Tensor) or made.ndim != 4:
        raise TraceError(f"expected a feature_map that returns an array of rank 4, got {getattr(made, 'type', type(made).__name__)}",
                         location_of(function))
    if made.type.shape[3] is None:
        raise TraceError("expected a feature_map whose width is known while tracing, got ?", location_of(function))
    return made if made.type.element == x.type.element else made.astype(x.type.element)
