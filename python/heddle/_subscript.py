"""Basic indexing of traced arrays, its opposite, concatenation, and reading through any coordinates."""

import numbers

from . import _arrays
from ._captures import element
from ._errors import TraceError
from ._graph import Node, Owner, Region, TensorType
from ._regions import arguments, call
from ._scalar import INTEGER, Scalar, is_number, lift
from ._source import here
from ._tensor import Tensor, renamed


def concat(tensors, axis=-1):
    """Arrays one after another along an axis whose extents are known while tracing (usually the last)."""
    tensors = list(tensors)
    if not tensors or not all(isinstance(tensor, Tensor) for tensor in tensors):
        raise TraceError("expected traced arrays to concatenate", here())
    rank = tensors[0].ndim
    place = axis % rank
    if any(tensor.ndim != rank or tensor.dtype != tensors[0].dtype or tensor.type.shape[place] is None for tensor in tensors):
        raise TraceError("expected arrays of one rank and type, with known extents along the axis, got "
                         + ", ".join(str(tensor.type) for tensor in tensors), here())
    shape, sizes = list(tensors[0].type.shape), list(tensors[0].sizes)
    shape[place] = sizes[place] = sum(tensor.type.shape[place] for tensor in tensors)
    type = TensorType(tuple(shape), tensors[0].type.element)
    names = ", ".join(f"{{{number}}}" for number in range(len(tensors)))
    types = ", ".join(str(tensor.type) for tensor in tensors)
    return Tensor(Node(f"tensor.concat dim({place}) {names} : ({types}) -> {type}", tensors, (type,)), type, tuple(sizes))


def view(tensor, shape, place):
    """attn.view with these extents, which reads `tensor` where `place` says."""
    if _arrays.is_array(tensor) and not isinstance(tensor, Tensor):  # of the closure
        from ._spec import current_trace  # it imports this module's functions
        tensor = current_trace().tensor(tensor, "array")
    if not isinstance(tensor, Tensor) or not 1 <= len(shape) <= 4:
        raise TraceError(f"expected a traced array and 1 to 4 extents, got {type(tensor).__name__} and {len(shape)}", here())
    owner = Owner()
    positions = arguments(owner, *"bhtc"[:len(shape)])
    found = call(place, "a place function", *positions)
    found = tuple(found) if isinstance(found, (tuple, list)) else (found,)
    if len(found) != tensor.ndim or not all(is_number(one) for one in found):
        raise TraceError(f"expected a place function that returns {tensor.ndim} integers, one per dimension of {tensor.type}, got "
                         f"{len(found)} values", here())
    known = tuple(int(size) if isinstance(size, numbers.Integral) else None for size in shape)
    operands = [tensor, *(size for size, extent in zip(shape, known) if extent is None)]
    shown = iter(range(1, len(operands)))
    sizes = ", ".join(f"{{{next(shown)}}}" if extent is None else str(extent) for extent in known)
    type_ = TensorType(known, tensor.type.element)
    region = Region(tuple(positions), tuple(lift(one, INTEGER) for one in found), owner)
    return Tensor(Node(f"attn.view {{0}} {{r0}} sizes({sizes}) : {tensor.type} -> {type_}", operands, (type_,), (region,)), type_,
                  tuple(shape))


def _slice(tensor, axis, part):
    size, known = tensor.sizes[axis], tensor.type.shape[axis]
    if part.step not in (None, 1):
        raise TraceError(f"expected a slice of step 1, got {part.step}", here())

    def bound(value, default):
        if value is None:
            return default
        if isinstance(value, numbers.Integral) and value < 0:
            return known + value if known is not None else size + int(value)
        if known is not None and isinstance(value, numbers.Integral):
            return min(int(value), known)
        return value

    start, stop = bound(part.start, 0), bound(part.stop, size)
    if isinstance(start, int) and isinstance(stop, int):
        return start, max(stop - start, 0)
    return start, stop if isinstance(start, int) and start == 0 else stop - start


def subscript(tensor, index):
    """Basic indexing: slices of step 1, `...`, None, and integers. All integers traced: one element."""
    if all(is_number(entry) for entry in index) and len(index) == tensor.ndim and any(isinstance(e, Scalar) for e in index):
        return element(tensor, tuple(lift(entry, INTEGER) for entry in index))
    if index.count(Ellipsis) > 1:
        raise TraceError("expected at most one ...", here())
    named = sum(1 for entry in index if entry is not None and entry is not Ellipsis)
    if named > tensor.ndim:
        raise TraceError(f"expected at most {tensor.ndim} indices, got {named}", here())
    rest = [slice(None)] * (tensor.ndim - named)
    place = next((n for n, entry in enumerate(index) if entry is Ellipsis), None)
    index = [*index, *rest] if place is None else [*index[:place], *rest, *index[place + 1:]]

    # First the slices, then integers and new dimensions as new names of the positions.
    offsets, lengths = [], []
    for axis, entry in enumerate(entry for entry in index if entry is not None):
        if isinstance(entry, slice):
            offset, length = _slice(tensor, axis, entry)
        elif isinstance(entry, numbers.Integral):
            offset, length = (int(entry) if entry >= 0 else tensor.sizes[axis] + int(entry)), 1
        else:
            raise TraceError(f"expected slices, integers, None or ... as indices of a traced array, got {type(entry).__name__}", here())
        offsets.append(offset)
        lengths.append(length)
    whole = all(isinstance(offset, int) and offset == 0 for offset in offsets) and all(
        length is size or (isinstance(length, int) and isinstance(size, int) and length == size)
        for length, size in zip(lengths, tensor.sizes))
    if not whole:
        tensor = _extract(tensor, offsets, lengths)
    shape, sizes, map, axis = [], [], [], 0
    for entry in index:
        if entry is None:
            shape.append(1), sizes.append(1)
        elif isinstance(entry, slice):
            map.append(len(shape))
            shape.append(tensor.type.shape[axis]), sizes.append(tensor.sizes[axis])
            axis += 1
        else:
            map.append((0,))
            axis += 1
    return tensor if map == list(range(tensor.ndim)) == list(range(len(shape))) else renamed(tensor, shape, sizes, map)


def _extract(tensor, offsets, lengths):
    operands = [tensor]

    def shown(values):
        texts = []
        for value in values:
            if isinstance(value, int):
                texts.append(str(value))
            else:
                texts.append(f"{{{len(operands)}}}")
                operands.append(value)
        return ", ".join(texts)

    type = TensorType(tuple(length if isinstance(length, int) else None for length in lengths), tensor.type.element)
    text = (f"tensor.extract_slice {{0}}[{shown(offsets)}] [{shown(lengths)}] [{', '.join('1' for _ in lengths)}] "
            f": {tensor.type} to {type}")
    return Tensor(Node(text, operands, (type,)), type, tuple(lengths))
