"""What a traced function reads from outside: arrays and run-time numbers of its closure, defaults and module.

`fingerprint` reduces a function to what its trace depends on, plus the arrays and run-time numbers that become arguments
of the compiled function: equal keys mean equal text, so a function with other arrays of the same kind is not traced or
compiled again. `rebind` makes the copy of the function that is traced, with symbolic values in their places.
"""

import dis
import functools
import numbers
import os
import types

from . import _arrays
from ._errors import TraceError
from ._graph import RESERVED, Node, TensorType, Value
from ._scalar import FLOAT, INTEGER, CONDITION, Scalar, constant, is_number, kind, lift, make
from ._source import here
from ._tensor import Tensor


class RuntimeScalar:
    """A number that is an argument of the compiled function, so that changing it compiles nothing. See `heddle.scalar`."""

    __slots__ = ("value",)

    def __init__(self, value):
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError(f"expected an int or a float for a run-time scalar, got {type(value).__name__}")
        self.value = value

    @property
    def type(self):
        return INTEGER if isinstance(self.value, numbers.Integral) else FLOAT

    def __repr__(self):
        return f"heddle.scalar({self.value!r})"


class CapturedArray:
    """An array that a traced function reads, one element at a time: `slopes[h]`, `bias[b, h, q_idx, kv_idx]`."""

    __slots__ = ("value", "positions", "uses")

    def __init__(self, value, positions=(), uses=None):
        self.value, self.positions = value, positions
        self.uses = uses if uses is not None else []  # index tuples, for the checks at call time

    @property
    def ndim(self):
        return len(self.value.type.shape) - len(self.positions)

    @property
    def shape(self):
        return tuple(_extent(self.value, axis) for axis in range(len(self.positions), len(self.value.type.shape)))

    def __len__(self):
        raise TraceError("expected an extent that is known while tracing; array.shape[0] is a traced value", here())

    def __getitem__(self, index):
        index = index if isinstance(index, tuple) else (index,)
        for position in index:
            if not is_number(position) or kind(position) == FLOAT:
                raise TraceError(f"expected integers as indices of a captured array, got {type(position).__name__}", here())
        positions = self.positions + tuple(lift(position, INTEGER) for position in index)
        rank = len(self.value.type.shape)
        if len(positions) > rank:
            raise TraceError(f"expected {rank} indices for a captured array of rank {rank}, got {len(positions)}", here())
        if len(positions) < rank:
            return CapturedArray(self.value, positions, self.uses)
        self.uses.append(positions)
        return element(self.value, positions)

    def __bool__(self):
        raise TraceError("expected a condition that is known while tracing, got a captured array", here())


def _extent(tensor, axis):
    size = tensor.type.shape[axis]
    if size is not None:
        return constant(size, INTEGER)
    return make(f"tensor.dim {{0}}, {{1}} : {tensor.type}", INTEGER, tensor, constant(axis, INTEGER))


def element(tensor, positions):
    """One element of an array as a Scalar: floats become f32, integers index, bytes of a boolean array conditions."""
    stored = tensor.type.element
    places = ", ".join(f"{{{number + 1}}}" for number in range(len(positions)))
    node = Node(f"tensor.extract {{0}}[{places}] : {tensor.type}", (tensor, *positions), (stored,))
    value = Scalar(node, stored)
    if stored in ("f16", "bf16"):
        return make(f"arith.extf {{0}} : {stored} to f32", FLOAT, value)
    if stored == "f64":
        return make("arith.truncf {0} : f64 to f32", FLOAT, value)
    if stored in ("i32", "i64"):
        return make(f"arith.index_cast {{0}} : {stored} to index", INTEGER, value)
    if stored == "i8":
        zero = make("arith.constant 0 : i8", "i8")
        return make("arith.cmpi ne, {0}, {1} : i8", CONDITION, value, zero)
    return value


class _Identity:
    """An object in a key, equal to itself only; holds it, so that its identity is not used again."""

    __slots__ = ("object",)

    def __init__(self, object):
        self.object = object

    def __hash__(self):
        return id(self.object)

    def __eq__(self, other):
        return type(other) is _Identity and self.object is other.object


_STANDARD = os.path.dirname(os.__file__)


def _is_library(code):
    name = code.co_filename
    return "site-packages" in name or "dist-packages" in name or name.startswith((_STANDARD, "<frozen", os.path.dirname(__file__)))


def _is_opaque(function):
    """Whether a function that another one mentions is taken as it is: a library's, unless it closes over something."""
    return function.__closure__ is None and _is_library(function.__code__)


def _is_capture(value):
    return isinstance(value, RuntimeScalar) or _arrays.is_array(value)


@functools.lru_cache(maxsize=4096)
def _global_names(code):
    """The names a function may read from its module, those of functions nested in it included."""
    names = {instruction.argval for instruction in dis.get_instructions(code) if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for value in code.co_consts:
        if isinstance(value, types.CodeType):
            names.update(_global_names(value))
    return tuple(sorted(names))


def _globals_of(function):
    """(name, value) of the globals that a function's meaning may depend on."""
    if _is_library(function.__code__):
        return
    scope = function.__globals__
    for name in _global_names(function.__code__):
        value = scope.get(name, scope)
        if value is not scope and not isinstance(value, types.ModuleType):
            yield name, value


def _cells(function):
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue


class Fingerprint:
    """The key of some traced functions and numbers, and the captures of all of them in order of appearance."""

    def __init__(self, shapes=False):
        self.leaves, self.names, self.seen, self.walking = [], [], {}, {}
        self.shapes = shapes  # whether the extents of arrays are part of the key

    def key(self, value, name="array", root=False):
        if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
            return type(value), value
        if isinstance(value, Value):
            return _Identity(value)
        if _is_capture(value):
            number = self.seen.setdefault(id(value), len(self.leaves))
            if number == len(self.leaves):
                self.leaves.append(value)
                self.names.append(name)
            if isinstance(value, RuntimeScalar):
                return "scalar", number, value.type
            return "array", number, _arrays.element_and_rank(value), tuple(value.shape) if self.shapes else ()
        if isinstance(value, types.FunctionType):
            return self.function_key(value, root)
        if isinstance(value, (tuple, list)):
            return (type(value), *(self.key(item, name) for item in value))
        if isinstance(value, dict):
            return (dict, *((self.key(k), self.key(item, str(k))) for k, item in value.items()))
        if isinstance(value, functools.partial):
            return ("partial", self.key(value.func, root=root), self.key(value.args), self.key(value.keywords))
        if isinstance(value, types.MethodType):
            return ("method", self.key(value.__func__, root=root), _Identity(value.__self__))
        return _Identity(value)

    def function_key(self, function, root):
        code = function.__code__
        if not root and _is_opaque(function):
            return _Identity(function)
        number = self.walking.get(id(function))
        if number is not None:
            return ("again", number)
        self.walking[id(function)] = len(self.walking)
        return (code, tuple(self.key(item, name) for name, item in _cells(function)),
                self.defaults_key(function), self.key(function.__kwdefaults__),
                tuple((name, self.key(item, name)) for name, item in _globals_of(function)))


    def defaults_key(self, function):
        values, code = function.__defaults__ or (), function.__code__
        names = code.co_varnames[code.co_argcount - len(values):code.co_argcount]
        return tuple(self.key(value, name) for name, value in zip(names, values))


def rebind(value, table, root=True, memo=None):
    """A copy of a function (or of a sequence, mapping, partial of such) in which the captures of `table`, a dict from
    id to symbolic value, are replaced. Returns `value` itself where nothing was."""
    memo = {} if memo is None else memo
    if id(value) in table:
        return table[id(value)]
    if isinstance(value, types.FunctionType):
        return _rebind_function(value, table, root, memo)
    if isinstance(value, (tuple, list)) and type(value) in (tuple, list):
        items = [rebind(item, table, False, memo) for item in value]
        return type(value)(items) if any(a is not b for a, b in zip(items, value)) else value
    if isinstance(value, dict):
        items = {key: rebind(item, table, False, memo) for key, item in value.items()}
        return items if any(items[key] is not value[key] for key in items) else value
    if isinstance(value, functools.partial):
        return functools.partial(rebind(value.func, table, root, memo), *rebind(value.args, table, False, memo),
                                 **rebind(value.keywords, table, False, memo))
    if isinstance(value, types.MethodType):
        return types.MethodType(rebind(value.__func__, table, root, memo), value.__self__)
    return value


def _rebind_function(function, table, root, memo):
    if not root and _is_opaque(function):
        return function
    if id(function) in memo:
        return memo[id(function)]
    cells = [types.CellType() for _ in function.__closure__ or ()]
    copy = types.FunctionType(function.__code__, function.__globals__, function.__name__, None, tuple(cells))
    memo[id(function)] = copy  # before its parts, which may mention it
    for cell, original in zip(cells, function.__closure__ or ()):
        try:
            cell.cell_contents = rebind(original.cell_contents, table, False, memo)
        except ValueError:
            continue
    overrides = {name: rebind(item, table, False, memo) for name, item in _globals_of(function)}
    overrides = {name: item for name, item in overrides.items() if item is not function.__globals__[name]}
    if overrides:
        copy = types.FunctionType(function.__code__, {**function.__globals__, **overrides}, function.__name__, None,
                                  tuple(cells))
        memo[id(function)] = copy
    copy.__dict__.update(function.__dict__)
    copy.__defaults__ = rebind(function.__defaults__, table, False, memo)
    copy.__kwdefaults__ = rebind(function.__kwdefaults__, table, False, memo)
    return copy


class Captures:
    """The symbolic stand-ins of captures: parameters of the function that is being built.

    `tensors`: arrays are to be used whole, too (in a heddle.Spec), so that their extents are part of their types.
    """

    def __init__(self, tensors=False):
        self.tensors = tensors
        self.table, self.parameters, self.leaves, self.arrays = {}, [], [], []
        self.names = set(RESERVED)

    def parameter_of(self, leaf):
        """The function's parameter that stands for a capture."""
        return next(parameter for known, parameter in zip(self.leaves, self.parameters) if known is leaf)

    def number_of(self, parameter):
        """Which capture a parameter stands for (traced values compare element by element, so `in` and index() do not)."""
        return next(number for number, known in enumerate(self.parameters) if known is parameter)

    def add(self, leaf, name):
        """The stand-in of a capture, made at its first appearance."""
        if id(leaf) in self.table:
            return self.table[id(leaf)]
        name = "".join(c if c.isalnum() and c.isascii() else "_" for c in name).strip("_") or "array"
        if name[0].isdigit():
            name = "a" + name
        while name in self.names:
            name += "_"
        self.names.add(name)
        if isinstance(leaf, RuntimeScalar):
            stand_in = parameter = Scalar(None, leaf.type, hint=name)
        else:
            element_type, rank = _arrays.element_and_rank(leaf)
            if element_type not in _arrays.NAMES:
                raise TraceError(f"expected a captured array {name} of {', '.join(_arrays.ELEMENTS)}, got {element_type}", here())
            if element_type == "i1":  # a byte per element in memory
                element_type = "i8"
            shape = tuple(leaf.shape) if self.tensors and rank else (None,) * max(rank, 1)
            parameter = Tensor(None, TensorType(shape, element_type), hint=name)
            if rank == 0:
                stand_in = element(parameter, (constant(0, INTEGER),))
            elif self.tensors:
                stand_in = parameter
            else:
                stand_in = CapturedArray(parameter)
                self.arrays.append(stand_in)
        self.table[id(leaf)] = stand_in
        self.parameters.append(parameter)
        self.leaves.append(leaf)
        return stand_in

    def bind(self, *functions):
        """Copies of the functions with their captures in place."""
        found = Fingerprint()
        for function in functions:
            found.key(function, root=True)
        for leaf, name in zip(found.leaves, found.names):
            self.add(leaf, name)
        return [rebind(function, self.table) for function in functions]
