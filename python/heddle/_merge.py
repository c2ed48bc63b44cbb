"""`heddle.merge`: results of the same rows as one, weighted by row. Inside of a heddle.Spec only."""

from . import _scalar
from ._errors import TraceError
from ._functions import exp, maximum, where
from ._graph import Node, Owner, Region, TensorType
from ._regions import arguments, call, number
from ._relations import Relation
from ._source import here, location_of
from ._spec import current_trace
from ._tensor import Tensor


def merge(*parts, weights, dtype=None):
    """The sum over parts p of weights_p(b, h, i) * part_p[b, h, i], by the kernel that makes the last part.

    Args:
        parts: traced arrays (B, H, T, E) of the same rows: results of `heddle.attend` and `heddle.recur`, or what follows from them.
        weights: f(b, h, i) -> a number of each part, which may read traced arrays, arrays of the closure and statistics at their
            positions: `lambda b, h, i: (1.0, alpha[h])` is a gated sum. `heddle.by_lse` and `heddle.by_mass` make such functions.
        dtype: of the result, "f32", "f16" or "bf16"; default: that of the first part. Sums are float32.

    Example, a window beside a recurrence, under one denominator:
        near, lse = heddle.attend(q, k, v, causal=True, window=(63, 0), return_lse=True)
        far, mass = heddle.recur(q, k, v, at=lambda i: i - 64, feature_map=features, normalizer="sum", return_mass=True)
        far = heddle.where(mass[..., None] > 0, far, 0.0)  # rows with nothing behind their window, which are 0 / 0
        out = heddle.merge(far, near, weights=heddle.by_lse(heddle.log(mass), lse))
    """
    trace = current_trace()
    if not parts or not all(isinstance(part, Tensor) and part.ndim == 4 for part in parts):
        raise TraceError(f"expected traced arrays (B, H, T, E) to merge, got {', '.join(_shown(part) for part in parts) or 'none'}", here())
    if not callable(weights):
        raise TraceError(f"expected a function of (b, h, i) as weights, got {type(weights).__name__}", here())
    first = parts[0]
    shape, sizes = list(first.type.shape), list(first.sizes)
    for part in parts[1:]:
        for axis, (extent, size) in enumerate(zip(part.type.shape, part.sizes)):
            if None not in (extent, shape[axis]) and extent != shape[axis]:
                raise TraceError(f"expected parts of the same rows and channels, got {first.type} and {part.type}", here())
            if shape[axis] is None and extent is not None:
                shape[axis], sizes[axis] = extent, size
    if shape[3] is None:
        raise TraceError(f"expected parts whose channels are known while tracing, got {first.type}", here())
    for axis, what in enumerate(("one batch", "as many heads", "one length")):
        trace.relations += [Relation(f"parts of {what} to merge", ("the first", "another"), (first.sizes[axis], part.sizes[axis]),
                                     lambda a, b: a == b) for part in parts[1:] if part.sizes[axis] is not first.sizes[axis]]

    (weights,) = trace.captures.bind(weights)
    owner = Owner()
    at = arguments(owner, "b", "h", "i")
    values = call(weights, "weights", *at)
    values = tuple(values) if isinstance(values, (tuple, list)) else (values,)
    if len(values) != len(parts):
        raise TraceError(f"expected weights that are one number for each of {len(parts)} parts, got {len(values)}", location_of(weights))
    region = Region(tuple(at), tuple(number(value, "weights", weights) for value in values), owner)

    result = TensorType(tuple(shape), first.astype(dtype).dtype if dtype is not None else first.dtype)
    names = ", ".join(f"{{{n}}}" for n in range(len(parts)))
    node = Node(f"attn.merge ({names}) weights{{r0}} : ({', '.join(str(part.type) for part in parts)}) -> {result}", parts, (result,), (region,))
    return Tensor(node, result, tuple(sizes))


def _shown(part):
    return str(part.type) if isinstance(part, Tensor) else type(part).__name__


def by_lse(*logs):
    """Weights of parts that are weighted means, by the logarithms of the sums of their weights, each (B, H, T): the merged rows are
    means over everything that the parts saw. `return_lse` of `heddle.attend` gives such a logarithm, and so does `heddle.log` of
    the mass of a recurrence. Where all are -inf, nothing was seen, and weights are 0."""
    def weights(b, h, i):
        values = [log[b, h, i] for log in logs]
        most = values[0]
        for value in values[1:]:
            most = maximum(most, value)
        most = where(most > float("-inf"), most, 0.0)
        values = [exp(value - most) for value in values]
        return _shares(values)
    return weights


def by_mass(*masses):
    """As `by_lse`, by the sums themselves. Where they add up to 0, weights are 0."""
    return lambda b, h, i: _shares([mass[b, h, i] for mass in masses])


def _shares(values):
    total = values[0]
    for value in values[1:]:
        total = _scalar.add(total, value)
    return tuple(where(_scalar.equal(total, 0.0), 0.0, value / total) for value in values)
