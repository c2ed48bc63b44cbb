"""`heddle.Spec`: a function of whole arrays, traced into attn and linalg text, compiled, saved, explained, verified."""

import inspect
import threading

from . import _arrays, _compiler
from ._captures import Captures, Fingerprint, RuntimeScalar
from ._errors import TraceError
from ._graph import Program, TensorType
from ._normalizer import PRELUDE
from ._regions import call
from ._scalar import FLOAT, INTEGER, Scalar
from ._source import here, location_of
from ._tensor import Tensor, parameter

_state = threading.local()


class Trace:
    """The function that is being traced: what it captures, the definitions it needs, and how sizes must go together."""

    def __init__(self):
        self.captures, self.symbols, self.relations, self.constants = Captures(tensors=True), {}, [], {}

    def tensor(self, value, name):
        """An argument of an operation as a traced array."""
        if isinstance(value, Tensor):
            return value
        if not _arrays.is_array(value):
            raise TraceError(f"expected an array as {name}, got {type(value).__name__}", here())
        return self.captures.add(value, name)

    def number(self, value, name):
        """A number: traced, a run-time scalar, or a constant."""
        if isinstance(value, RuntimeScalar):
            return self.captures.add(value, name)
        return value


def current_trace():
    trace = getattr(_state, "trace", None)
    if trace is None:
        raise TraceError("expected traced arrays only inside of a heddle.Spec function, got one outside", here())
    return trace


def parse_type(text):
    """"?x?x?x128xbf16" as a TensorType, "f32" and "index" as they are."""
    *extents, element = str(text).removeprefix("tensor<").removesuffix(">").split("x")
    if str(text) == "index":
        return INTEGER
    if element not in (*_arrays.NAMES, "index") or element == "index":
        raise ValueError(f"expected a type such as \"?x?x?x128xbf16\", \"f32\" or \"index\", got {text!r}")
    if not extents:
        if element != FLOAT:
            raise ValueError(f"expected \"f32\" or \"index\" as the type of a number, got {text!r}")
        return FLOAT
    if not all(extent == "?" or extent.isdigit() for extent in extents):
        raise ValueError(f"expected extents that are numbers or ?, got {text!r}")
    return TensorType(tuple(None if extent == "?" else int(extent) for extent in extents), element)


class Spec:
    """A function of arrays whose body is traced, once per combination of types.

    Inside, arrays are symbolic: NumPy's operators and basic slices, `@`, heddle.exp and its kin, .sum, .mean and .max over
    the last axis, heddle.softmax, heddle.concat, and heddle.attend. Arrays and run-time scalars of the closure become
    arguments; other numbers become constants.

    Args:
        function: the function. Its name becomes the entry's.
        types: the type of each parameter by name, as in attn text: "?x?x?x128xbf16" (? for an extent known at run
            time), "f32" or "index". Without them the function is specialised by the arrays of each call (all extents but
            the last at run time), and `text`, `compile`, `save`, `explain` and `verify` need `specialize` first.

    Example:
        @heddle.spec(q="?x?x?x128xbf16", k="?x?x?x128xbf16", v="?x?x?x128xbf16", gate="?x?x?x128xbf16")
        def gated(q, k, v, gate):
            return heddle.attend(q, k, v, causal=True) * heddle.sigmoid(gate)
    """

    def __init__(self, function, types=None):
        self.function, self.name = function, function.__name__ if function.__name__.isidentifier() else "spec"
        self.parameter_names = list(inspect.signature(function).parameters)
        self.types = None
        self._compiled = {}
        self._schedule = None  # text, for runs
        if types is not None:
            if set(types) != set(self.parameter_names):
                raise ValueError(f"expected a type for each of {', '.join(self.parameter_names)}, got {', '.join(types) or 'none'}")
            self.types = tuple(parse_type(types[name]) for name in self.parameter_names)
        self.__doc__ = function.__doc__ or type(self).__doc__

    def specialize(self, *arguments, **types):
        """The spec for the types of these arguments (arrays and numbers), or for types by name."""
        if types:
            return Spec(self.function, types)
        made = Spec(self.function)
        made.types = self._types_of(arguments)
        return made

    def _types_of(self, arguments):
        if len(arguments) != len(self.parameter_names):
            raise TypeError(f"expected {len(self.parameter_names)} arguments ({', '.join(self.parameter_names)}), got {len(arguments)}")
        types = []
        for name, value in zip(self.parameter_names, arguments):
            if _arrays.is_array(value) and len(value.shape):
                element = _arrays.element(value)
                # The last extent of numbers is one of channels; tables of positions and lengths have none.
                channels = value.shape[-1] if element in _arrays.FLOATS else None
                types.append(TensorType((*[None] * (len(value.shape) - 1), channels), element))
            elif isinstance(value, bool) or not isinstance(value, (int, float, RuntimeScalar)):
                raise TypeError(f"expected an array or a number as {name}, got {type(value).__name__}")
            else:
                types.append(RuntimeScalar(value).type if not isinstance(value, RuntimeScalar) else value.type)
        return tuple(types)

    def _program(self, types=None):
        """(traced program, captures in order) for the function's captures as they are now."""
        types = types or self.types
        if types is None:
            raise ValueError(f"expected types for {', '.join(self.parameter_names)}: heddle.spec(q=\"?x?x?x128xbf16\", ...), or "
                             "specialize(arrays), got none")
        found = Fingerprint(shapes=True)
        key = types, found.key(self.function, root=True)
        compiled = self._compiled.get(key)
        if compiled is None:
            compiled = self._compiled[key] = _Compiled(self, types, self._schedule)
        return compiled, found.leaves

    @property
    def text(self):
        """The attn text, as heddle-opt and heddle-compile read it."""
        return self._program()[0].program.text()

    @property
    def located_text(self):
        """The attn text with the user's file, line and column on every operation."""
        return self._program()[0].program.text(locations=True)

    def __str__(self):
        return self.text

    def compile(self, targets="cpu", schedule=None):
        """The bytes of a pack for comma-separated targets ("cpu", "sm_90a", ..)."""
        return _compiler.compile_text(self._program()[0].program, targets, schedule)

    def save(self, path, targets="cpu", schedule=None):
        """Compile and write a pack, which the C runtime and heddle-compile's tools read."""
        data = self.compile(targets, schedule)
        with open(path, "wb") as file:
            file.write(data)

    def explain(self, targets="cpu"):
        """The schedule, its budget, and the candidates that were rejected, as text."""
        from . import _heddle
        return _compiler.checked(_heddle.explain(self.text, targets=targets)).decode()

    def verify(self, *arguments, seed=0):
        """Compare the compiled function with the reference semantics in float64, on these arguments or on random ones,
        with outputs poisoned and strides varied. Returns a heddle.Report; raises nothing for a difference."""
        from ._verify import verify_pack
        return verify_pack(self.compile("cpu"), arguments or None, seed)

    def __call__(self, *arguments, out=None, status=None):
        """Run on arrays; returns an array, or a tuple of them. `out`: arrays to write to, one per result (None: a new one). `status`: a
        heddle.Status, which receives what the kernels say of values that they found in arrays."""
        types = self.types or self._types_of(arguments)
        if len(arguments) != len(types):
            raise TypeError(f"expected {len(types)} arguments ({', '.join(self.parameter_names)}), got {len(arguments)}")
        compiled, leaves = self._program(types)
        return compiled.run(arguments, leaves, out, status)


class _Compiled:
    """A spec for some types: its program and its entries."""

    def __init__(self, spec, types, schedule):
        self.types, self.names, self.entries, self.schedule = types, spec.parameter_names, {}, schedule
        trace, before = Trace(), getattr(_state, "trace", None)
        trace.captures.names.update(spec.parameter_names)
        self.parameters = [parameter(type, name) if isinstance(type, TensorType) else Scalar(None, type, hint=name)
                           for type, name in zip(types, spec.parameter_names)]
        (function,) = trace.captures.bind(spec.function)
        _state.trace = trace
        try:
            results = call(function, "a spec function", *self.parameters)
        finally:
            _state.trace = before
        self.single = isinstance(results, Tensor)
        self.results = (results,) if self.single else tuple(results) if isinstance(results, (tuple, list)) else ()
        if not self.results or not all(isinstance(result, Tensor) for result in self.results):
            raise TraceError(f"expected a spec function that returns arrays, got {type(results).__name__}", location_of(spec.function))
        self.captures, self.relations = trace.captures, trace.relations
        name = spec.name
        while name in trace.symbols or name in PRELUDE:  # functions and normalizers share their names
            name += "_"
        self.program = Program(name, (*self.parameters, *trace.captures.parameters), (), self.results,
                               tuple(trace.symbols.items()))
        kinds = {FLOAT: "f", INTEGER: "i"}
        inputs = self.program.parameters
        self.kinds = "".join(kinds[p.type] if isinstance(p.type, str) else "t" for p in inputs) + "t" * len(self.results)
        self.all_names = [p.hint for p in inputs] + [f"result{n}" for n in range(len(self.results))]

    def run(self, arguments, leaves, out, status):
        values = [value.value if isinstance(value, RuntimeScalar) else value for value in (*arguments, *self._leaves(leaves))]
        first = None
        for name, type, value in zip(self.all_names, (p.type for p in self.program.parameters), values):
            if isinstance(type, TensorType):
                _check_array(name, type, value)
                first = value if first is None else first
        if first is None:
            raise TypeError("expected at least one array among the arguments, got none")
        sizes = dict(zip(self.program.parameters, values))
        for relation in self.relations:
            relation.check([evaluate(size, sizes) for size in relation.sizes])
        if out is None:
            out = [None] * len(self.results)
        else:
            out = [out] if self.single else list(out)
            if len(out) != len(self.results):
                raise ValueError(f"expected {len(self.results)} arrays as out, got {len(out)}")
        out = [_arrays.empty_like(first, tuple(evaluate(size, sizes) for size in result.sizes), result.type.element)
               if given is None else given for given, result in zip(out, self.results)]
        where = _arrays.device(first)
        entry = self.entries.get(where)
        if entry is None:
            entry = self.entries[where] = _compiler.entry(self.program, _compiler.target_for(*where), self.schedule,
                                                          self.kinds, self.all_names, [[]] * len(self.kinds))
        entry((*values, *out), None, None if where[0] == "cpu" else _arrays.workspace_allocator(first), status)
        return out[0] if self.single else tuple(out)

    def _leaves(self, leaves):
        """The captures of a call in the order of the function's parameters; those that appeared while tracing stay."""
        known = list(self.captures.leaves)
        known[:len(leaves)] = leaves
        return known


def _check_array(name, type, value):
    if not _arrays.is_array(value):
        raise TypeError(f"expected an array as {name}, got {value.__class__.__name__}")
    if _arrays.requires_grad(value):
        raise NotImplementedError(f"expected inputs that do not require gradients (there is no backward yet), got {name}")
    shape, element = tuple(value.shape) or (1,), _arrays.element(value)
    element = "i8" if element == "i1" else element
    if len(shape) != len(type.shape) or any(known not in (None, size) for known, size in zip(type.shape, shape)):
        raise ValueError(f"expected {name} of type {type}, got shape {shape}")
    if element != type.element:
        raise TypeError(f"expected {name} of type {type}, got {value.dtype}")


def evaluate(value, known):
    """The number that a traced extent has, given the arrays and numbers of a call."""
    if isinstance(value, int):
        return value
    if value in known:
        return known[value]
    text, operands = value.node.text, value.node.operands
    name = text.split(" ", 1)[0]
    if name == "arith.constant":
        return int(text.split()[1])
    if name == "tensor.dim":
        return known[operands[0]].shape[evaluate(operands[1], known)]
    a, b = (evaluate(operand, known) for operand in operands)
    return {"arith.addi": lambda: a + b, "arith.subi": lambda: a - b, "arith.muli": lambda: a * b,
            "arith.floordivsi": lambda: a // b, "arith.maxsi": lambda: max(a, b), "arith.minsi": lambda: min(a, b)}[name]()


def spec(function=None, **types):
    """Make a `heddle.Spec` of a function: `@heddle.spec`, or `@heddle.spec(q="?x?x?x128xbf16", ...)`."""
    if function is not None:
        return Spec(function, types or None)
    return lambda function: Spec(function, types or None)
