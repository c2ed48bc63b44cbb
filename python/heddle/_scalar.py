"""Symbolic numbers: what a user's score_mod, mask_mod and normalizer functions are called with.

A `Scalar` is an f32, an index (every integer: positions, table entries, run-time integers) or an i1. Operators follow
Python: `//` rounds down, `%` has the divisor's sign, `/` of integers is a float, `& | ^ ~` are logical on conditions and
bitwise on integers.
"""

import contextlib
import contextvars
import math
import numbers
import operator

from ._errors import TraceError
from ._graph import Node, Value
from ._source import here

FLOAT, INTEGER, CONDITION = "f32", "index", "i1"


class Scalar(Value):
    """A number whose value is known only in the kernel. `type` is "f32", "index" or "i1"."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __repr__(self):
        return f"heddle scalar of type {self.type}"

    # Python asks these of a number; a symbolic one has no answer.
    def __bool__(self):
        raise TraceError("expected a condition that is known while tracing, got one that depends on positions, scores or "
                         "array elements: use heddle.where(condition, a, b), or & | ~ instead of and, or, not", here())

    def __int__(self):
        raise TraceError("expected a number that is known while tracing, got a traced value (int() of it)", here())

    def __float__(self):
        raise TraceError("expected a number that is known while tracing, got a traced value (float() of it)", here())

    def __index__(self):
        raise TraceError("expected an index that is known while tracing, got a traced value: an array that is indexed by a "
                         "traced value has to be a variable of the function, its closure or its module", here())

    def __iter__(self):
        raise TraceError("expected something to iterate over, got a traced value", here())

    # Foreign functions applied to a scalar, such as torch.tanh(score) or numpy.where(mask, score, 0.0).
    def __array_ufunc__(self, function, method, *arguments, **options):
        return _foreign(function, arguments if method == "__call__" else None, options)

    def __array_function__(self, function, types, arguments, options):
        return _foreign(function, arguments, options)

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), options=None):
        return _foreign(function, arguments, options)


def make(text, type, *operands):
    return Scalar(Node(text, operands, (type,)), type)


def _float_text(number):
    number = float(number)
    if math.isnan(number):
        return "0x7FC00000"
    if math.isinf(number):
        return "0x7F800000" if number > 0 else "0xFF800000"
    text = repr(number)
    mantissa, exponent, power = text.partition("e")
    return mantissa + ("" if "." in mantissa else ".0") + exponent + power


def constant(number, type):
    if type == FLOAT:
        return make(f"arith.constant {_float_text(number)} : f32", FLOAT)
    if type == CONDITION:
        return make(f"arith.constant {'true' if number else 'false'}", CONDITION)
    return make(f"arith.constant {int(number)} : index", INTEGER)


def is_number(value):
    return isinstance(value, (Scalar, numbers.Number)) or _numpy_number(value)


def _numpy_number(value):
    return type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0 and hasattr(value, "item")


def kind(value):
    """The type a number has as a Scalar."""
    if isinstance(value, Scalar):
        return value.type
    if _numpy_number(value):
        value = value.item()
    if isinstance(value, bool):
        return CONDITION
    if isinstance(value, numbers.Integral):
        return INTEGER
    if isinstance(value, numbers.Real):
        return FLOAT
    raise TraceError(f"expected a number or a traced value, got {type(value).__module__}.{type(value).__qualname__}", here())


def lift(value, type):
    """`value` as a Scalar of `type`; conversions are those that Python would make."""
    have = kind(value)
    if not isinstance(value, Scalar):
        return constant(value.item() if _numpy_number(value) else value, type)
    if have == type:
        return value
    if type == FLOAT and have == INTEGER:
        return make("arith.sitofp {0} : i32 to f32", FLOAT, make("arith.index_cast {0} : index to i32", "i32", value))
    if type == FLOAT:
        return make("arith.uitofp {0} : i1 to f32", FLOAT, value)
    if type == INTEGER and have == CONDITION:
        return make("arith.select {0}, {1}, {2} : index", INTEGER, value, constant(1, INTEGER), constant(0, INTEGER))
    if type == CONDITION:
        zero = constant(0, have)
        return make(f"arith.cmp{'f une' if have == FLOAT else 'i ne'}, {{0}}, {{1}} : {have}", CONDITION, value, zero)
    raise TraceError(f"expected {type}, got {have}", here())


_ORDER = (CONDITION, INTEGER, FLOAT)


def _join(*values, least=CONDITION):
    return max([kind(value) for value in values] + [least], key=_ORDER.index)


def _arithmetic(floating, integer):
    def apply(a, b):
        type = _join(a, b, least=INTEGER)
        name = floating if type == FLOAT else integer
        return make(f"arith.{name} {{0}}, {{1}} : {type}", type, lift(a, type), lift(b, type))
    return apply


def _bits(name):
    def apply(a, b):
        type = _join(a, b)
        if type == FLOAT:
            raise TraceError("expected conditions or integers for & | ^, got a float", here())
        return make(f"arith.{name} {{0}}, {{1}} : {type}", type, lift(a, type), lift(b, type))
    return apply


def _shift(name):
    def apply(a, b):
        if _join(a, b) == FLOAT:
            raise TraceError("expected integers for << and >>, got a float", here())
        return make(f"arith.{name} {{0}}, {{1}} : index", INTEGER, lift(a, INTEGER), lift(b, INTEGER))
    return apply


def _comparison(floating, integer):
    def apply(a, b):
        type = _join(a, b)
        if type == CONDITION and integer not in ("eq", "ne"):
            type = INTEGER
        predicate = f"cmpf {floating}" if type == FLOAT else f"cmpi {integer}"
        return make(f"arith.{predicate}, {{0}}, {{1}} : {type}", CONDITION, lift(a, type), lift(b, type))
    return apply


add, subtract, multiply = (_arithmetic(f"{n}f", f"{n}i") for n in ("add", "sub", "mul"))
maximum, minimum = _arithmetic("maximumf", "maxsi"), _arithmetic("minimumf", "minsi")
bit_and, bit_or, bit_xor = _bits("andi"), _bits("ori"), _bits("xori")
shift_left, shift_right = _shift("shli"), _shift("shrsi")
less, less_equal = _comparison("olt", "slt"), _comparison("ole", "sle")
greater, greater_equal = _comparison("ogt", "sgt"), _comparison("oge", "sge")
equal, not_equal = _comparison("oeq", "eq"), _comparison("une", "ne")


def divide(a, b):
    return make("arith.divf {0}, {1} : f32", FLOAT, lift(a, FLOAT), lift(b, FLOAT))


def floor_divide(a, b):
    if _join(a, b) == FLOAT:
        return floor(divide(a, b))
    return make("arith.floordivsi {0}, {1} : index", INTEGER, lift(a, INTEGER), lift(b, INTEGER))


def modulo(a, b):
    return subtract(a, multiply(floor_divide(a, b), b))


def power(a, b):
    if isinstance(b, numbers.Integral) and not isinstance(b, bool) and 1 <= b <= 8:
        result = a
        for _ in range(int(b) - 1):
            result = multiply(result, a)
        return result if isinstance(result, Scalar) else lift(result, _join(result, least=INTEGER))
    return make("math.powf {0}, {1} : f32", FLOAT, lift(a, FLOAT), lift(b, FLOAT))


def negate(a):
    if _join(a, least=INTEGER) == INTEGER:
        return subtract(0, a)
    return make("arith.negf {0} : f32", FLOAT, a)


def invert(a):
    return bit_xor(a, True if kind(a) == CONDITION else -1)


def absolute(a):
    if _join(a, least=INTEGER) == INTEGER:
        return maximum(a, negate(a))
    return make("math.absf {0} : f32", FLOAT, lift(a, FLOAT))


def floor(a):
    return lift(a, INTEGER) if kind(a) != FLOAT else make("math.floor {0} : f32", FLOAT, lift(a, FLOAT))


def where(condition, a, b):
    type = _join(a, b)
    return make(f"arith.select {{0}}, {{1}}, {{2}} : {type}", type, lift(condition, CONDITION), lift(a, type), lift(b, type))


def _unary(name):
    def apply(a):
        return make(f"math.{name} {{0}} : f32", FLOAT, lift(a, FLOAT))
    return apply


exp, exp2, log, sqrt, sin, cos, erf = (_unary(name) for name in ("exp", "exp2", "log", "sqrt", "sin", "cos", "erf"))
_approximates = contextvars.ContextVar("approximates", default=False)


@contextlib.contextmanager
def approximate(enabled):
    """While tracing in it: functions may be the machine's approximations where it has some (`fastmath<afn>`)."""
    token = _approximates.set(enabled)
    try:
        yield
    finally:
        _approximates.reset(token)


def tanh(a):
    flags = " fastmath<afn>" if _approximates.get() else ""
    return make(f"math.tanh {{0}}{flags} : f32", FLOAT, lift(a, FLOAT))


def atan2(y, x):
    return make("math.atan2 {0}, {1} : f32", FLOAT, lift(y, FLOAT), lift(x, FLOAT))


def sigmoid(a):
    return divide(1.0, add(1.0, exp(negate(lift(a, FLOAT)))))


def _method(function, reflected=False):
    def apply(self, other):
        if not is_number(other):
            return NotImplemented
        return function(other, self) if reflected else function(self, other)
    return apply


for _name, _function in {"add": add, "sub": subtract, "mul": multiply, "truediv": divide, "floordiv": floor_divide,
                         "mod": modulo, "pow": power, "and": bit_and, "or": bit_or, "xor": bit_xor,
                         "lshift": shift_left, "rshift": shift_right}.items():
    setattr(Scalar, f"__{_name}__", _method(_function))
    setattr(Scalar, f"__r{_name}__", _method(_function, reflected=True))
for _name, _function in {"lt": less, "le": less_equal, "gt": greater, "ge": greater_equal, "eq": equal,
                         "ne": not_equal}.items():
    setattr(Scalar, f"__{_name}__", _method(_function))
for _name, _function in {"neg": negate, "invert": invert, "abs": absolute, "floor": floor}.items():
    setattr(Scalar, f"__{_name}__", lambda self, function=_function: function(self))
Scalar.__pos__ = lambda self: self

# By the names that Python, NumPy and PyTorch give them.
FUNCTIONS = {
    "add": add, "subtract": subtract, "sub": subtract, "multiply": multiply, "mul": multiply, "divide": divide,
    "true_divide": divide, "div": divide, "floor_divide": floor_divide, "remainder": modulo, "mod": modulo, "power": power,
    "pow": power, "float_power": power, "negative": negate, "neg": negate, "absolute": absolute, "abs": absolute,
    "fabs": absolute, "floor": floor, "exp": exp, "exp2": exp2, "log": log, "tanh": tanh, "sqrt": sqrt, "sigmoid": sigmoid,
    "sin": sin, "cos": cos, "erf": erf, "atan2": atan2, "arctan2": atan2,
    "maximum": maximum, "minimum": minimum, "where": where, "less": less, "lt": less, "less_equal": less_equal,
    "le": less_equal, "greater": greater, "gt": greater, "greater_equal": greater_equal, "ge": greater_equal, "equal": equal,
    "eq": equal, "not_equal": not_equal, "ne": not_equal, "logical_and": bit_and, "logical_or": bit_or,
    "logical_xor": bit_xor, "logical_not": invert, "bitwise_and": bit_and, "bitwise_or": bit_or, "bitwise_xor": bit_xor,
    "invert": invert, "bitwise_not": invert, "square": lambda a: multiply(a, a), "reciprocal": lambda a: divide(1.0, a),
}
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor", "lt", "le", "gt", "ge", "eq",
              "ne", "neg", "invert"):
    FUNCTIONS.setdefault(f"__{_name.strip('_')}__", getattr(operator, _name))


def _foreign(function, arguments, options):
    name = getattr(function, "__name__", str(function))
    mine = FUNCTIONS.get(name)
    if mine is None or arguments is None or options:
        raise TraceError(f"expected a function that can be traced ({', '.join(sorted(PUBLIC))}), got {name}", here())
    return mine(*arguments)


PUBLIC = ("exp", "exp2", "log", "tanh", "sqrt", "abs", "sigmoid", "sin", "cos", "erf", "atan2", "minimum", "maximum", "where", "floor")
