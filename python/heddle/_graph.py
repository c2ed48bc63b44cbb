"""The expression core that both tracers share: values, the operations that make them, and their text.

A traced program is a graph of immutable nodes. A node is one operation, given as its MLIR text with `{0}`, `{1}`.. for
its operands; it knows nothing else, so that a new operation is a new text and never a case in the printer. A value
that depends on the arguments of a region belongs to that region; everything else is hoisted to the function.
"""

from dataclasses import dataclass

from ._errors import TraceError
from ._source import here


@dataclass(frozen=True)
class TensorType:
    """The type of an array: `shape` with None for an extent known at run time, `element` as MLIR writes it."""

    shape: tuple
    element: str

    def __str__(self):
        return f"tensor<{''.join('?x' if size is None else f'{size}x' for size in self.shape)}{self.element}>"


class Owner:
    """A region's identity while it is traced: every value that depends on its arguments carries it."""

    __slots__ = ()


class Node:
    """One operation. `owner` is None when it depends on nothing but the function's parameters."""

    __slots__ = ("text", "operands", "types", "regions", "where", "owner")
    expand = None  # or: a method from use counts to the value that is printed instead

    def __init__(self, text, operands, types, regions=(), where=None):
        self.text, self.operands, self.types, self.regions = text, tuple(operands), tuple(types), tuple(regions)
        self.where = where if where is not None else here()
        owners = {operand.owner for operand in self.operands if operand.owner is not None}
        if len(owners) > 1:
            raise TraceError("expected values of one traced function, got values of two (one was kept from an earlier trace)",
                             self.where)
        self.owner = owners.pop() if owners else None


class Value:
    """A result of a node, or (node is None) a parameter of a function or an argument of a region.

    `type` is a TensorType or a scalar's type as text.
    """

    __slots__ = ("node", "index", "type", "hint", "_owner")
    __hash__ = object.__hash__

    def __init__(self, node, type, index=0, hint="", owner=None):
        self.node, self.type, self.index, self.hint, self._owner = node, type, index, hint, owner

    @property
    def owner(self):
        return self._owner if self.node is None else self.node.owner


@dataclass
class Region:
    """A block of an operation. `header` and `terminator` are its text; `isolated` regions see nothing outside."""

    arguments: tuple
    results: tuple
    owner: Owner
    terminator: str = "attn.yield"
    typed: bool = False
    isolated: bool = False
    hidden: int = 0  # arguments at the end that the text does not name (a normalizer's header names them)


@dataclass
class Program:
    """A traced function: what `Printer` prints and what a call has to bind.

    `parameters` are the function's values in order and `sources` says where each comes from at call time; `symbols` are
    module-level definitions as (name, Printer -> text).
    """

    name: str
    parameters: tuple
    sources: tuple
    results: tuple
    symbols: tuple = ()

    def text(self, locations=False):
        return Printer(locations).module(self)


class Scope:
    def __init__(self, indent, parent=None):
        self.indent, self.parent = indent, parent
        self.lines = []
        self.names = {}   # value -> its SSA name
        self.nodes = {}   # node -> SSA names of its results
        self.known = {}   # (text with operand names filled in) -> SSA names of its results


class Printer:
    """Prints programs. With `locations`, every operation carries the user's line."""

    def __init__(self, locations=False):
        self.locations = locations
        self.counter = 0
        self.taken = set()
        self.counts = {}

    # -- names

    def fresh(self, hint=""):
        if hint:
            name, copy = hint, 1
            while name in self.taken or name in RESERVED:
                copy += 1
                name = f"{hint}_{copy}"
            self.taken.add(name)
            return "%" + name
        self.counter += 1
        return f"%{self.counter - 1}"

    def location(self, where):
        if not self.locations or where is None:
            return ""
        path = where[0].replace("\\", "\\\\").replace('"', '\\"')
        return f' loc("{path}":{where[1]}:{where[2]})'

    # -- values

    def name(self, value, scope, owner=None, isolated=False):
        """The SSA name of `value`, whose definition is printed first if need be. Definitions go to the region `owner`
        if they depend on it (or it is isolated), else to the function around it."""
        target = scope
        if value.owner is None and not isolated:
            while target.parent is not None:
                target = target.parent
        elif value.owner is not None and value.owner is not owner:
            raise TraceError("expected a value of this traced function, got one that was kept from another trace",
                             value.node.where if value.node is not None else None)
        if value in target.names:
            return target.names[value]
        if value.node is None:
            raise TraceError("expected a parameter of this function, got one of another function")
        self.define(value, target, owner, isolated)
        return target.names[value]

    def define(self, value, scope, owner, isolated):
        node = value.node
        if node.expand is not None:  # an element-wise tensor expression, see _tensor.py
            scope.names[value] = self.name(node.expand(self.counts), scope, owner, isolated)
            return
        if node in scope.nodes:
            scope.names[value] = scope.nodes[node][value.index]
            return
        operands = [self.name(operand, scope, owner, isolated) for operand in node.operands]
        regions = {f"r{number}": self.region(region, scope) for number, region in enumerate(node.regions)}
        text = node.text.format(*operands, **regions)
        names = scope.known.get(text)
        if names is None:
            names = [self.fresh(self.constant_hint(node)) for _ in node.types]
            scope.known[text] = names
            scope.lines.append(f"{scope.indent}{', '.join(names)} = {text}{self.location(node.where)}")
        scope.nodes[node] = names
        scope.names[value] = names[value.index]

    def constant_hint(self, node):
        """`%c2` for an index constant, as MLIR itself prints it."""
        if node.operands or not node.text.startswith("arith.constant ") or not node.text.endswith(" : index"):
            return ""
        return "c" + node.text.split()[1].replace("-", "m")

    # -- regions

    def region(self, region, scope):
        inner = Scope(scope.indent + "  ", None if region.isolated else scope)
        for argument in region.arguments:
            # Sibling regions may use the same names; only those of the function are taken.
            base = argument.hint or "x"
            name, copy = base, 1
            while name in self.taken or "%" + name in inner.names.values():
                copy += 1
                name = f"{base}_{copy}"
            inner.names[argument] = "%" + name
        names = [self.name(result, inner, region.owner, region.isolated) for result in region.results]
        types = ", ".join(str(result.type) for result in region.results)
        inner.lines.append(f"{inner.indent}{region.terminator} {', '.join(names)} : {types}")
        body = "\n".join(inner.lines)
        if region.typed:
            arguments = ", ".join(f"{inner.names[a]}: {a.type}" for a in region.arguments)
            return f"{{\n{scope.indent}^bb0({arguments}):\n{body}\n{scope.indent}}}"
        shown = region.arguments[:len(region.arguments) - region.hidden]
        return f"({', '.join(inner.names[a] for a in shown)}) {{\n{body}\n{scope.indent}}}"

    # -- functions

    def function(self, program):
        scope = Scope("  ")
        self.counts = uses(program.results)
        arguments = []
        for parameter in program.parameters:
            scope.names[parameter] = self.fresh(parameter.hint or "arg")
            arguments.append(f"{scope.names[parameter]}: {parameter.type}")
        names = [self.name(result, scope) for result in program.results]
        types = ", ".join(str(result.type) for result in program.results)
        results = types if len(program.results) == 1 else f"({types})"
        body = "\n".join([*scope.lines, f"  return {', '.join(names)} : {types}"])
        return f"func.func @{program.name}({', '.join(arguments)}) -> {results} {{\n{body}\n}}\n"

    def module(self, program):
        symbols = [define(Printer(self.locations)) for _, define in program.symbols]
        return "\n".join([*symbols, self.function(program)])


# Names of region arguments: no value of the function may have them, because regions may not shadow.
RESERVED = frozenset({"s", "b", "h", "i", "j", "t", "c", "m", "old", "new"})


def uses(roots):
    """How often each value is an operand or a region's result in the graph below `roots`."""
    counts, stack, seen = {}, list(roots), set()
    for root in roots:
        counts[root] = counts.get(root, 0) + 1
    while stack:
        node = stack.pop().node
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        below = [*node.operands, *(result for region in node.regions for result in region.results)]
        for value in below:
            counts[value] = counts.get(value, 0) + 1
        stack.extend(below)
    return counts
