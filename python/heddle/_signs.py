"""Whether a traced array can be negative: what a sum of weights must not be divided by. Rules of signs on the expressions that were
traced; what they do not know may be negative."""

from ._graph import Owner
from ._scalar import FLOAT, Scalar
from ._tensor import Tensor, compose, scalar_of

_NEVER = ("math.exp", "math.exp2", "math.sqrt", "math.absf")
_BOTH = ("arith.addf", "arith.mulf", "arith.divf", "arith.minimumf")
_FIRST = ("arith.extf", "arith.truncf", "math.powf", "math.floor", "tensor.extract_slice", "attn.view", "attn.accumulate")


def is_never_negative(tensor):
    """Of a traced array."""
    node = tensor.node
    if node is None:
        return False
    if node.expand is not None:  # element-wise, kept as a function of scalars
        inputs = {}
        value = _element(tensor, tuple(range(tensor.ndim)), inputs, {}, Owner())
        return _scalar(value, {id(element) for (array, _), element in inputs.items() if is_never_negative(array)})
    name = node.text.split(" ", 1)[0]
    if name == "linalg.generic" and node.regions:  # a sum or a maximum over channels
        kind = node.regions[0].results[0].node
        return kind is not None and kind.text.split(" ", 1)[0] in ("arith.addf", "arith.maximumf") and is_never_negative(node.operands[0])
    if name == "tensor.concat":
        return all(is_never_negative(operand) for operand in node.operands)
    return name in _FIRST and isinstance(node.operands[0], Tensor) and is_never_negative(node.operands[0])


def _element(array, place, inputs, made, owner):
    """An element as an expression of those of arrays that are not element-wise ones, which are put in `inputs`."""
    key = (array, place)
    if array.node is None or array.node.expand is None:
        if key not in inputs:
            inputs[key] = Scalar(None, scalar_of(array.type.element), owner=owner)
        return inputs[key]
    if key not in made:
        node = array.node
        made[key] = node.function(*(_element(x, compose(place, map), inputs, made, owner) for x, map in zip(node.operands, node.maps)))
    return made[key]


def _scalar(value, known):
    """Of an expression of scalars, those whose ids are in `known` being never negative (to compare scalars is to trace)."""
    if not isinstance(value, Scalar):
        return value >= 0
    if id(value) in known or value.node is None:
        return id(value) in known
    name, operands = value.node.text.split(" ", 1)[0], value.node.operands
    if name == "arith.constant":
        text = value.node.text.split()[1]
        return not text.startswith("-") and not text.startswith("0xFF")
    if name in _NEVER or (name == "arith.mulf" and operands[0] is operands[1]):
        return True
    if name == "arith.maximumf":
        return any(_scalar(operand, known) for operand in operands)
    if name == "arith.select":
        condition, yes, no = operands
        return _scalar(yes, known | _where(condition, ("ogt", "oge"))) and _scalar(no, known | _where(condition, ("olt", "ole")))
    return (name in _BOTH and all(_scalar(operand, known) for operand in operands)) or (name in _FIRST and _scalar(operands[0], known))


def _where(condition, comparisons):
    """What a comparison with a number of 0 or more says is not negative: in a branch, for NaN, too."""
    text = condition.node.text if condition.node is not None else ""
    if not text.startswith("arith.cmpf ") or text.split()[1].rstrip(",") not in comparisons:
        return set()
    left, right = condition.node.operands
    return {id(left)} if _scalar(right, set()) else set()
