"""Symbolic arrays: what the functions of `heddle.Spec` are called with.

Element-wise expressions stay expressions until something needs the array; then a chain of them becomes one
`linalg.generic` whose body is traced with the scalar tracer. So the two tracers share every function and every rule of
type. Arrays are logical: `b`, `h`, `t` may be known only at run time (then `shape` holds traced integers), and extents
that are not known are taken to agree; only an extent of 1 that is known broadcasts.
"""

from . import _arrays, _scalar
from ._errors import TraceError
from ._graph import Node, Owner, Region, TensorType, Value
from ._scalar import CONDITION, FLOAT, INTEGER, Scalar, constant, is_number, kind, lift, make
from ._source import here


class Tensor(Value):
    """An array whose elements are known only in the kernel. NumPy's operators and basic slices; `@` contracts."""

    __slots__ = ("sizes",)
    __hash__ = object.__hash__
    __array_ufunc__ = None  # NumPy arrays on the left of an operator defer to ours

    def __init__(self, node, type, sizes=None, index=0, hint=""):
        super().__init__(node, type, index, hint)
        self.sizes = sizes if sizes is not None else tuple(_dim(self, axis) for axis in range(len(type.shape)))

    def __repr__(self):
        return f"heddle tensor {self.type}"

    @property
    def shape(self):
        """Extents: ints where known while tracing, traced integers elsewhere."""
        return self.sizes

    @property
    def ndim(self):
        return len(self.sizes)

    @property
    def dtype(self):
        return self.type.element

    def astype(self, dtype):
        """The array with elements of `dtype`: "f32", "f16", "bf16" or their NumPy names."""
        element = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}.get(str(dtype), str(dtype))
        if element not in _arrays.FLOATS:
            raise TraceError(f"expected f32, f16 or bf16, got {dtype}", here())
        return elementwise(lambda x: x, self, element=element)

    def sum(self, axis=-1, keepdims=False):
        return reduce("addf", 0.0, self, axis, keepdims)

    def max(self, axis=-1, keepdims=False):
        return reduce("maximumf", float("-inf"), self, axis, keepdims)

    def mean(self, axis=-1, keepdims=False):
        return self.sum(axis, keepdims) / self.sizes[-1]

    def permute(self, *axes):
        """The array with its dimensions in another order."""
        if sorted(axes) != list(range(self.ndim)):
            raise TraceError(f"expected a permutation of 0..{self.ndim - 1}, got {axes}", here())
        inverse = [axes.index(axis) for axis in range(self.ndim)]
        return renamed(self, [self.type.shape[a] for a in axes], [self.sizes[a] for a in axes], inverse)

    @property
    def T(self):
        return self.permute(*range(self.ndim - 2), self.ndim - 1, self.ndim - 2)

    def __getitem__(self, index):
        from ._subscript import subscript  # it makes tensors of its own
        return subscript(self, index if isinstance(index, tuple) else (index,))

    def __matmul__(self, other):
        return matmul(self, other)

    def __rmatmul__(self, other):
        return matmul(other, self)

    def __bool__(self):
        raise TraceError("expected a condition that is known while tracing, got a traced array", here())

    def __iter__(self):
        raise TraceError("expected something to iterate over, got a traced array", here())

    def __len__(self):
        raise TraceError("expected an extent that is known while tracing; array.shape[0] may be a traced value", here())


def _dim(tensor, axis):
    size = tensor.type.shape[axis]
    if size is not None:
        return size
    return make(f"tensor.dim {{0}}, {{1}} : {tensor.type}", INTEGER, tensor, constant(axis, INTEGER))


def parameter(type, hint):
    return Tensor(None, type, hint=hint)


class _ElementwiseNode(Node):
    """`function` of scalars applied to `operands`. `maps[n]` says, for each dimension of operand n, which dimension of
    the result indexes it; an int wrapped in a tuple is a fixed position."""

    __slots__ = ("function", "maps", "result", "printed")

    def __init__(self, function, operands, maps):
        super().__init__("", operands, ())
        self.function, self.maps, self.result, self.printed = function, maps, None, None

    def expand(self, counts):
        if self.printed is None:
            self.printed = _generic(self, counts)
        return self.printed


def scalar_of(element):
    """The scalar type that an element has in a body."""
    return FLOAT if element in _arrays.FLOATS else CONDITION if element in ("i1", "i8") else INTEGER


def _load(argument):
    element = argument.type
    if element in ("f16", "bf16"):
        return make(f"arith.extf {{0}} : {element} to f32", FLOAT, argument)
    if element in ("i32", "i64"):
        return make(f"arith.index_cast {{0}} : {element} to index", INTEGER, argument)
    if element == "i8":  # booleans
        return make("arith.cmpi ne, {0}, {1} : i8", CONDITION, argument, make("arith.constant 0 : i8", "i8"))
    return argument


def _store(value, element):
    if element in _arrays.FLOATS:
        value = lift(value, FLOAT)
        return value if element == "f32" else make(f"arith.truncf {{0}} : f32 to {element}", element, value)
    if element == "i1":
        return lift(value, CONDITION)
    return make(f"arith.index_cast {{0}} : index to {element}", element, lift(value, INTEGER))


def elementwise(function, *operands, element=None):
    """Apply a function of scalars to arrays and numbers that broadcast to one shape."""
    tensors = [operand for operand in operands if isinstance(operand, Tensor)]
    rank = max(tensor.ndim for tensor in tensors)
    shape, sizes = [1] * rank, [1] * rank
    for tensor in tensors:
        for axis in range(tensor.ndim):
            place = rank - tensor.ndim + axis
            size = tensor.type.shape[axis]
            if shape[place] == 1:
                shape[place], sizes[place] = size, tensor.sizes[axis]
            elif None not in (size, shape[place]) and size not in (1, shape[place]):
                raise TraceError(f"expected extents that broadcast, got {tensor.type} with {shape[place]} in dimension {place}", here())
            elif shape[place] is None and size not in (None, 1):
                shape[place], sizes[place] = size, size
    maps = []
    for tensor in tensors:
        places = range(rank - tensor.ndim, rank)
        maps.append(tuple((0,) if tensor.type.shape[a] == 1 and shape[p] != 1 else p for a, p in enumerate(places)))
    slots = [number for number, operand in enumerate(operands) if isinstance(operand, Tensor)]

    def apply(*scalars):
        filled = list(operands)
        for slot, scalar in zip(slots, scalars):
            filled[slot] = scalar
        return function(*filled)

    node = _ElementwiseNode(apply, tensors, maps)
    if element is None:
        element = _result_element(apply, tensors)
    type = TensorType(tuple(shape), element)
    node.types, node.result = (type,), type
    return Tensor(node, type, tuple(sizes))


def _result_element(apply, tensors):
    owner = Owner()
    probe = apply(*[Scalar(None, scalar_of(tensor.type.element), owner=owner) for tensor in tensors])
    result = kind(probe)
    if result == CONDITION:
        return "i1"
    if result == INTEGER:
        return "i32"
    floats = {tensor.type.element for tensor in tensors if tensor.type.element in _arrays.FLOATS}
    return floats.pop() if len(floats) == 1 else "f32"


def renamed(tensor, shape, sizes, map):
    """The same elements under other positions: new dimensions of extent 1, permuted or fixed ones."""
    node = _ElementwiseNode(lambda x: x, (tensor,), (tuple(map),))
    type = TensorType(tuple(shape), tensor.type.element)
    node.types, node.result = (type,), type
    return Tensor(node, type, tuple(sizes))


def compose(outer, inner):
    return tuple(entry if isinstance(entry, tuple) else outer[entry] for entry in inner)


def _affine(rank, map):
    dims = ", ".join(f"d{axis}" for axis in range(rank))
    places = ", ".join(str(entry[0]) if isinstance(entry, tuple) else f"d{entry}" for entry in map)
    return f"affine_map<({dims}) -> ({places})>"


def _inline(node, counts, base, inputs, owner):
    """The scalar of an element-wise node at the position of a body; `inputs` maps (array, map) to block arguments.
    An operand that nothing else uses is computed in the body."""
    values = []
    for operand, own in zip(node.operands, node.maps):
        map = compose(base, own)
        inner = operand.node
        if isinstance(inner, _ElementwiseNode) and counts.get(operand, 0) <= 1:
            values.append(_inline(inner, counts, map, inputs, owner))
            continue
        key = (operand, map)
        if key not in inputs:
            inputs[key] = Scalar(None, operand.type.element, owner=owner, hint="x")
        values.append(_load(inputs[key]))
    return node.function(*values)


def _sized(type, sizes, where):
    """An uninitialised array for the result of a structured operation."""
    dynamic = [size for size, known in zip(sizes, type.shape) if known is None]
    places = ", ".join(f"{{{number}}}" for number in range(len(dynamic)))
    return Tensor(Node(f"tensor.empty({places}) : {type}", dynamic, (type,), where=where), type, sizes)


def _structured(maps, iterators, inputs, body, result, sizes, where, owner, init=None):
    """A linalg.generic over `inputs` (array, block argument) with one result."""
    rank = len(iterators)
    out = init if init is not None else _sized(result, sizes, where)
    accumulator = Scalar(None, result.element, owner=owner, hint="acc")
    value = body(accumulator)
    arrays = [array for array, _ in inputs]
    names = ", ".join(f"{{{number}}}" for number in range(len(arrays)))
    ins = f" ins({names} : {', '.join(str(array.type) for array in arrays)})" if arrays else ""
    region = Region((*(argument for _, argument in inputs), accumulator), (value,), owner, "linalg.yield", typed=True)
    text = (f"linalg.generic {{{{indexing_maps = [{', '.join(_affine(rank, map) for map in maps)}], "
            f"iterator_types = [{', '.join(chr(34) + kind + chr(34) for kind in iterators)}]}}}}{ins} "
            f"outs({{{len(arrays)}}} : {result}) {{r0}} -> {result}")
    return Tensor(Node(text, (*arrays, out), (result,), (region,), where), result, sizes)


def _generic(node, counts):
    owner, inputs = Owner(), {}
    rank = len(node.result.shape)
    identity = tuple(range(rank))
    value = _store(_inline(node, counts, identity, inputs, owner), node.result.element)
    if len(inputs) == 1:
        (((array, map), argument),) = inputs.items()
        if map == identity and array.type == node.result and value is argument:
            return array  # nothing but a new name
    return _structured([map for _, map in inputs] + [identity], ["parallel"] * rank,
                       [(array, argument) for (array, _), argument in inputs.items()], lambda _: value,
                       node.result, _sizes_of(node), node.where, owner)


def _sizes_of(node):
    """Extents of an element-wise node's result, from its operands."""
    sizes = list(node.result.shape)
    for operand, map in zip(node.operands, node.maps):
        for axis, entry in enumerate(map):
            if not isinstance(entry, tuple) and sizes[entry] is None:
                sizes[entry] = operand.sizes[axis]
    return tuple(sizes)


def reduce(name, start, tensor, axis, keepdims):
    """Reduce the last dimension with arith.`name`; sums are f32."""
    if axis not in (-1, tensor.ndim - 1) or tensor.ndim < 2:
        raise TraceError(f"expected the last axis (-1) of an array of rank 2 or more, got axis {axis} of rank {tensor.ndim}", here())
    shape, sizes = tensor.type.shape[:-1], tensor.sizes[:-1]
    type = TensorType(shape, "f32")
    where, owner, rank = here(), Owner(), tensor.ndim
    empty = _sized(type, sizes, where)
    init = Tensor(Node(f"linalg.fill ins({{0}} : f32) outs({{1}} : {type}) -> {type}", (constant(start, FLOAT), empty), (type,),
                       where=where), type, sizes)
    argument = Scalar(None, tensor.type.element, owner=owner, hint="x")
    result = _structured([tuple(range(rank)), tuple(range(rank - 1))], ["parallel"] * (rank - 1) + ["reduction"],
                         [(tensor, argument)],
                         lambda acc: make(f"arith.{name} {{0}}, {{1}} : f32", FLOAT, acc, lift(_load(argument), FLOAT)),
                         type, sizes, where, owner, init)
    if tensor.type.element in ("bf16", "f16"):
        result = result.astype(tensor.type.element)
    return renamed(result, (*shape, 1), (*sizes, 1), range(rank - 1)) if keepdims else result


def matmul(a, b, wide=False):
    """`a @ b`: contracts the last dimension of `a` with the first of a matrix `b` (or the last but one of an array of the
    same rank, or of (h, c, e), one matrix per head of a (b, h, t, c) array). Sums are f32, the result has `a`'s type, or is `wide`: f32."""
    for operand in (a, b):
        if not isinstance(operand, Tensor):
            raise TraceError(f"expected two traced arrays for @, got {operand.__class__.__name__}", here())
    if b.ndim < 2 or b.ndim > a.ndim:
        raise TraceError(f"expected a matrix or an array of rank 3 to {a.ndim} on the right of @, got rank {b.ndim}", here())
    depth, other = a.type.shape[-1], b.type.shape[-2]
    if depth is None or other is None or depth != other:
        raise TraceError(f"expected equal extents known while tracing for the contraction of @, got {depth} and {other}", here())
    if a.type.element != b.type.element:
        raise TraceError(f"expected arrays of one type for @, got {a.dtype} and {b.dtype}: use .astype", here())
    rank = a.ndim  # loops: all of a's leading dimensions, then the new column e, then the contracted c
    column, contracted = rank - 1, rank
    left = (*range(rank - 1), contracted)
    leading = b.ndim - 2
    # A matrix per head: (h, c, e) with (b, h, t, c), aligned so that the last leading dimension is the one before t.
    right = (*range(rank - 2 - leading, rank - 2), contracted, column)
    shape, sizes = (*a.type.shape[:-1], b.type.shape[-1]), (*a.sizes[:-1], b.sizes[-1])
    where, type = here(), TensorType(shape, "f32")
    init = Tensor(Node(f"linalg.fill ins({{0}} : f32) outs({{1}} : {type}) -> {type}",
                       (constant(0.0, FLOAT), _sized(type, sizes, where)), (type,), where=where), type, sizes)
    maps = ", ".join(_affine(rank + 1, map) for map in (left, right, tuple(range(rank))))
    node = Node(f"linalg.contract indexing_maps = [{maps}] ins({{0}}, {{1}} : {a.type}, {b.type}) outs({{2}} : {type}) -> {type}",
                (a, b, init), (type,), where=where)
    result = Tensor(node, type, sizes)
    return result if wide or a.type.element == "f32" else result.astype(a.type.element)


def _method(function, reflected=False):
    def apply(self, other):
        if not (isinstance(other, Tensor) or is_number(other)):
            return NotImplemented
        return elementwise(function, other, self) if reflected else elementwise(function, self, other)
    return apply


for _name, _function in {"add": _scalar.add, "sub": _scalar.subtract, "mul": _scalar.multiply, "truediv": _scalar.divide,
                         "floordiv": _scalar.floor_divide, "mod": _scalar.modulo, "pow": _scalar.power,
                         "and": _scalar.bit_and, "or": _scalar.bit_or, "xor": _scalar.bit_xor}.items():
    setattr(Tensor, f"__{_name}__", _method(_function))
    setattr(Tensor, f"__r{_name}__", _method(_function, reflected=True))
for _name, _function in {"lt": _scalar.less, "le": _scalar.less_equal, "gt": _scalar.greater,
                         "ge": _scalar.greater_equal, "eq": _scalar.equal, "ne": _scalar.not_equal}.items():
    setattr(Tensor, f"__{_name}__", _method(_function))
for _name, _function in {"neg": _scalar.negate, "invert": _scalar.invert, "abs": _scalar.absolute}.items():
    setattr(Tensor, f"__{_name}__", lambda self, function=_function: elementwise(function, self))
