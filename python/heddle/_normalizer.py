"""How scores become weights: the names Heddle knows, and `Normalizer` for one's own."""

import hashlib
import re

from ._captures import Fingerprint
from ._errors import TraceError
from ._graph import RESERVED, Owner, Printer, Region, Scope, TensorType
from ._regions import arguments, as_they_are, call, count_positional, number
from ._source import location_of

# Symbols of the compiler's prelude (dialects/Attn/Prelude.mlir) and whether they have the statistic lse.
NAMES = {"softmax": True, "softmax_plus_one": True, "sigmoid": False, "relu": False, "relu2": False, "linear": False,
         "signed": True, "none": False}
PRELUDE = {*NAMES, "softmax_sink"}


class Normalizer:
    """A user's own normalizer, from four functions of numbers.

    For the visible scores s of a row, with m = max reference(s):

        weight(s, m) -> w, or (w_0, .., r_0, ..)         what a key adds to the `weights` sums of values, then to plain sums
        rescale(old, new) -> x                           weight(s, new) == x * weight(s, old)
          or (old, new, R_0, ..) -> (x, R_0', ..)        where plain sums move in another way: what becomes of each
        finish(m, R_0, ..) -> c, or (c_0, .., stat, ..)  the row's result is sum_a c_a * (sum of w_a times values)

    Without `reference` and `rescale` (give both or neither) `weight` and `finish` take no m. Functions may also take
    positions after these: reference and weight (b, h, q_idx, kv_idx), finish (b, h, q_idx).

    Args:
        weight: as above; may read captured arrays, like a score_mod.
        finish: as above; default: the factor 1. It is not evaluated for a row that sees nothing (its result is 0).
        reference, rescale: as above.
        weights: how many sums of values there are (1).
        stats: names of the statistics that finish yields after its factors; "lse" is what return_lse=True returns.
        name: how the compiled text calls it; default: derived from what it computes.

    Example, softmax of |s| with the sign of s:
        Normalizer(reference=heddle.abs, rescale=lambda old, new: heddle.exp(old - new),
                   weight=lambda s, m: (heddle.where(s < 0, -1.0, 1.0) * heddle.exp(heddle.abs(s) - m),
                                        heddle.exp(heddle.abs(s) - m)),
                   finish=lambda m, total: 1.0 / total)
    """

    def __init__(self, reference=None, rescale=None, weight=None, finish=None, *, weights=1, stats=(), name=None):
        if weight is None:
            raise ValueError("expected a weight function, got none")
        if (reference is None) != (rescale is None):
            raise ValueError(f"expected reference and rescale together, got only {'rescale' if reference is None else 'reference'}")
        if not isinstance(weights, int) or weights < 1:
            raise ValueError(f"expected weights of 1 or more, got {weights!r}")
        if name is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(f"expected an identifier as the name of a normalizer, got {name!r}")
        self.reference, self.rescale, self.weight, self.finish = reference, rescale, weight, finish
        self.weights, self.stats, self.name = weights, tuple(stats), name

    @property
    def functions(self):
        return [self.reference, self.rescale, self.weight, self.finish or _one]

    def key(self, found):
        """What its trace depends on; captures are added to `found`, a Fingerprint."""
        return ("normalizer", self.weights, self.stats, self.name,
                *(found.key(function, root=True) for function in self.functions))


def _one(*sums):
    return 1.0


_REGIONS = ("reference", "rescale", "weight", "finish")


class TracedNormalizer:
    """A normalizer as four regions. `parameters` are what it reads of the function, its header's arguments: those given, then its
    captures, then traced arrays. `meant` maps positions of the operator to those that its functions are about."""

    def __init__(self, normalizer, captures, meant=as_they_are, parameters=()):
        reference, rescale, weight, finish = captures.bind(*normalizer.functions)
        found = Fingerprint()
        for function in normalizer.functions:
            found.key(function, root=True)
        self.parameters = [*parameters, *(captures.parameter_of(leaf) for leaf in found.leaves)]
        self.meant = meant
        has_reference = reference is not None
        self.weights, self.stats = normalizer.weights, normalizer.stats
        self.traced = {}  # what -> (arguments, results, owner)
        if has_reference:
            self.trace("reference", reference, ("s",), ("b", "h", "i", "j"), 1)
        values = self.trace("weight", weight, ("s", "m") if has_reference else ("s",), ("b", "h", "i", "j"), None)
        self.sums = len(values) - self.weights
        if self.sums < 0:
            raise TraceError(f"expected a weight function that returns {self.weights} or more numbers, got {len(values)}",
                             location_of(weight))
        sums = tuple("l" if self.sums == 1 else f"l{n}" for n in range(self.sums))
        if has_reference:
            moves = self.sums > 0 and count_positional(rescale) != 2
            self.trace("rescale", rescale, ("old", "new", *sums) if moves else ("old", "new"), (), 1 + len(sums) if moves else 1)
        self.trace("finish", finish, (("m",) if has_reference else ()) + sums, ("b", "h", "i"), self.weights + len(self.stats))
        for value in _read_from_outside([value for _, values, _ in self.traced.values() for value in values]):
            if not any(value is known for known in self.parameters):
# The header names it for all regions, so it has the name of no argument of theirs and of nothing else that is read.
                taken = RESERVED | {"l", "x"} | {f"l{n}" for n in range(self.sums)} | {known.hint for known in self.parameters}
                if not value.hint or value.hint in taken:
                    value.hint = f"array{len(self.parameters)}"
                self.parameters.append(value)
        self.regions = {what: Region((*names, *self.parameters), values, owner, isolated=True, hidden=len(self.parameters))
                        for what, (names, values, owner) in sorted(self.traced.items(), key=lambda item: _REGIONS.index(item[0]))}
        self.name = normalizer.name or self.generated_name()

    def trace(self, what, function, floats, positions, count):
        owner = Owner()
        names = arguments(owner, *floats, *positions, floats=floats)
        takes = count_positional(function)
        if not hasattr(function, "takes_positions") and (takes is None or takes <= len(floats)):
            given = names[:len(floats)]
        else:
            given = [*names[:len(floats)], *(self.meant(*names[len(floats):]) if positions else ())]
        if takes is not None and takes not in (len(floats), len(names)) and function is not _one:
            raise TraceError(f"expected a {what} function of {' or '.join(str(n) for n in sorted({len(floats), len(names)}))} "
                             f"arguments, got one of {takes}", location_of(function))
        result = call(function, f"a {what} function", *given)
        values = tuple(result) if isinstance(result, (tuple, list)) else (result,)
        if count is not None and len(values) != count:
            raise TraceError(f"expected a {what} function that returns {count} number{'s' * (count != 1)}, got {len(values)}",
                             location_of(function))
        values = tuple(number(value, f"a {what} function", function) for value in values)
        self.traced[what] = names, values, owner
        return values

    def text(self, printer, name=None):
        """The module-level definition."""
        scope = Scope("  ")
        bodies = [f"  {what}{printer.region(region, scope)}" for what, region in self.regions.items()]
        header = ", ".join(f"%{parameter.hint}: {parameter.type}" for parameter in self.parameters)
        stats = f" stats [{', '.join(chr(34) + stat + chr(34) for stat in self.stats)}]" if self.stats else ""
        return (f"attn.normalizer @{name or self.name}{f'({header})' if header else ''} weights({self.weights}) "
                f"sums({self.sums}){stats} {{\n" + "\n".join(bodies) + "\n}\n")

    def generated_name(self):
        digest = hashlib.sha256(self.text(Printer(), "x").encode()).hexdigest()
        return f"normalizer_{digest[:12]}"


def _read_from_outside(values):
    """The arrays and parameters of the function around them that the scalars of regions are made of, each once."""
    found, seen, waiting = [], set(), list(reversed(values))
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value.type, TensorType) or (value.node is None and value.owner is None):
            found.append(value)
        elif value.node is not None:
            waiting.extend(reversed(value.node.operands))
    return found


def check_name(name):
    if name not in NAMES:
        raise ValueError(f"expected one of {', '.join(NAMES)} or a heddle.Normalizer as normalizer, got {name!r}")
