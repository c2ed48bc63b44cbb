"""Comparing compiled functions with the reference semantics: the same text lowered to plain loops in float64.

This finds faults below `attn`. It is no oracle for what the text itself means; test/python compares that with other code.
"""

from dataclasses import dataclass

from . import _compiler, _heddle, _pack

# Relative Frobenius error that counts as correct, by the type of the result.
TOLERANCE = {"f32": 1e-5, "f16": 2e-3, "bf16": 1e-2}
# Extents for random arguments by dimension (b, h, t) where a type leaves them open: odd ones, so that tails are met.
EXTENTS = ((1, 2, 3), (1, 4, 37), (2, 6, 131), (1, 3, 200))


@dataclass(frozen=True)
class Comparison:
    """One result of one run. `error` is relative (Frobenius); `worst` is (index, expected, got)."""

    case: str
    result: str
    error: float
    tolerance: float
    worst: tuple

    @property
    def passed(self):
        return self.error <= self.tolerance  # a NaN does not pass

    def __str__(self):
        index, expected, got = self.worst
        verdict = "ok" if self.passed else f"FAILED (at most {self.tolerance:g}); worst at {index}: expected {expected}, got {got}"
        return f"{self.case}: {self.result}: error {self.error:.2e} {verdict}"


@dataclass(frozen=True)
class Report:
    """What `verify` found. True if everything passed; prints as one line per comparison."""

    comparisons: tuple

    @property
    def passed(self):
        return all(comparison.passed for comparison in self.comparisons)

    def __bool__(self):
        return self.passed

    def __str__(self):
        return "\n".join(map(str, self.comparisons))


def verify_pack(data, arguments=None, seed=0, device="cpu", index=0):
    """Run every entry of a pack on a device and compare. `arguments` are for a pack of one entry."""
    comparisons = []
    compiled = _heddle.Pack.from_bytes(data)
    for entry in _pack.read(data):
        reference_data = _compiler.checked(_heddle.compile_reference(entry.text))
        reference = _heddle.Pack.from_bytes(reference_data)
        inputs = [parameter for parameter in entry.parameters if parameter.role != "output"]
        if arguments is not None:
            cases = [("the given arguments", [_to_host(a) for a in arguments])]
        else:
            cases = list(_random_cases(inputs, seed))
        run = _runner(compiled, entry, device, index)
        expect = _runner(reference, entry, "cpu", 0)
        for name, values in cases:
            for parameter, expected, got in zip(_outputs(entry), expect(values), run(values)):
                comparisons.append(_compare(f"{entry.name}, {name}", parameter, expected, got))
    return Report(tuple(comparisons))


def _outputs(entry):
    return [parameter for parameter in entry.parameters if parameter.role == "output"]


def _numpy_type(element):
    import numpy as np
    if element == "bf16":
        import ml_dtypes
        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype({"f32": "f4", "f16": "f2", "f64": "f8", "i32": "i4", "i64": "i8", "i8": "i1", "i1": "?"}[element])


def _to_host(value):
    from . import _arrays
    return _arrays.on_host(value) if _arrays.is_array(value) else value


def _random_cases(inputs, seed):
    """(name, values) for several sizes, in memory of several orders."""
    import numpy as np
    generator = np.random.default_rng(seed)
    for extents in EXTENTS:
        for order in ("contiguous", "heads inner", "padded rows"):
            yield (f"extents {extents}, {order}",
                   [_random_value(parameter, extents, order, generator) for parameter in inputs])


def _random_value(parameter, extents, order, generator):
    import numpy as np
    if parameter.role == "scalar":
        return 0.25 if parameter.kind == "f" else 5
    rank = len(parameter.sizes)
    # A table of rank 1 is per head, of rank 2 over batch and positions; the rest is (b, h, t, ..).
    open_extents = {1: (extents[1],), 2: (extents[0], extents[2])}.get(rank, extents)
    shape = tuple(known if known is not None else open_extents[min(axis, len(open_extents) - 1)]
                  for axis, known in enumerate(parameter.sizes))
    dtype = _numpy_type(parameter.element)
    if dtype.kind in "iu?":
        return generator.integers(0, 2, shape).astype(dtype)
    values = generator.standard_normal(shape).astype(dtype)
    if rank == 4 and order == "heads inner":
        return np.ascontiguousarray(values.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3)
    if order == "padded rows":
        wide = np.full((*shape[:-1], shape[-1] + 3), np.nan, np.float32).astype(dtype)
        wide[..., :shape[-1]] = values
        return wide[..., :shape[-1]]
    return values


def _runner(pack, entry, device, index):
    handle = pack.entry(entry.name, "".join(p.kind for p in entry.parameters), [p.name for p in entry.parameters],
                        [[]] * len(entry.parameters))

    def run(values):
        """The results for host values; outputs are NaN before."""
        import numpy as np
        sizes = _known_sizes(entry, values)
        outputs = [np.full(tuple(sizes(p, axis) for axis in range(len(p.sizes))), np.nan, np.float32).astype(_numpy_type(p.element))
                   for p in _outputs(entry)]
        if device == "cpu":
            handle((*values, *outputs))
            return outputs
        return _on_cuda(handle, values, outputs, index)
    return run


def _on_cuda(handle, values, outputs, index):
    import torch
    where = torch.device("cuda", index)

    def up(value):
        if not hasattr(value, "dtype"):
            return value
        if value.dtype.name == "bfloat16":
            return torch.from_numpy(value.astype("f4")).to(where).to(torch.bfloat16)
        return torch.from_numpy(value).to(where)

    results = [up(output) for output in outputs]
    handle((*map(up, values), *results), None, lambda size: torch.empty(size, dtype=torch.int8, device=where))
    return [result.to(torch.float32).cpu().numpy() for result in results]


def _known_sizes(entry, values):
    """Extents of outputs: those of the inputs' dimensions of the same meaning (b, h, t) by position."""
    tensors = [v for p, v in zip((p for p in entry.parameters if p.role != "output"), values) if p.role == "input"]
    wide = [v for v in tensors if v.ndim == 4] or tensors

    def size(parameter, axis):
        known = parameter.sizes[axis]
        if known is not None:
            return known
        rank = len(parameter.sizes)
        first = next((v for v in tensors if v.ndim == rank and rank >= 3), wide[0])
        return first.shape[axis]
    return size


def _compare(case, parameter, expected, got):
    import numpy as np
    a, b = expected.astype(np.float64), np.asarray(got).astype(np.float64)
    same = a == b  # infinities are equal or wrong, a NaN is never right
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0.0, np.abs(a - b))
    finite = np.isfinite(a)
    norm = np.linalg.norm(a[finite])
    error = float(np.linalg.norm(difference) / norm) if norm else float(np.linalg.norm(difference))
    place = np.unravel_index(int(np.argmax(np.where(np.isnan(difference), np.inf, difference))), a.shape) if a.size else ()
    worst = (tuple(map(int, place)), float(a[place]), float(b[place])) if a.size else ((), 0.0, 0.0)
    return Comparison(case, parameter.name, error, TOLERANCE.get(parameter.element, 1e-5), worst)
