"""The attn text of `heddle.attend`: an `attn.attend` between the views that lay out its arrays.

This is all symbolic. `heddle.attend` calls it with parameters of a new function (see _eager.py), a `heddle.Spec` with the
arrays that are being traced.
"""

from dataclasses import dataclass, field
from typing import Any, Optional

from . import _scalar
from ._captures import element
from ._errors import TraceError
from ._graph import Node, Owner, Region, TensorType
from ._passes import Passes, filled
from ._regions import HeadsAsRows, arguments, as_they_are, mask_region, score_region
from ._scalar import INTEGER, lift
from ._source import here
from ._statistics import Wanted
from .statistics import ColumnSum, Statistic
from ._tensor import Tensor, elementwise


@dataclass
class AttendSpec:
    """What an attend means, in symbols: tensors q, k, v; scalars; traced functions (already bound to their captures)."""

    q: Tensor
    k: Tensor
    v: Tensor
    scale: Any                      # Scalar or float
    layout: str = "bhtd"
    diagonal: str = "none"          # "none", "bottom-right", "top-left": what `causal` asks for
    left: Any = None                # Scalars or ints, None: unbounded
    right: Any = None
    cu_seqlens_q: Optional[Tensor] = None
    cu_seqlens_k: Optional[Tensor] = None
    kv_lengths: Optional[Tensor] = None
    block_table: Optional[Tensor] = None
    score_mod: Any = None
    mask_mod: Any = None
    normalizer: str = "softmax"     # symbol
    normalizer_arguments: tuple = ()
    lag: Optional[float] = None     # by how many powers of two weights may exceed 1 (see attend)
    group: int = 1                  # above 1: q is (b, h, group, d), one query of so many heads (see HeadsAsRows)
    wanted: Wanted = field(default_factory=Wanted)
    captures: Any = None
    symbols: list = field(default_factory=list)  # definitions that the module needs: (name, Printer -> text)

    @property
    def meant(self):
        """From positions of the operator to those that functions and masks are about."""
        return HeadsAsRows(self.group) if self.group > 1 else as_they_are


def build(spec):
    """The output, and the statistics by name: those that the caller gets, and those that they are made of."""
    layout = LAYOUTS[spec.layout](spec)
    q, k, v = layout.operands()
    conditions = list(_diagonal_conditions(spec, layout))
    # Scores made of 16-bit operands are worth no more digits than an approximation has.
    score = score_region(spec.scale, spec.score_mod, spec.meant, approximate=q.type.element != "f32")
    mask = mask_region(conditions, spec.mask_mod, spec.meant)

    operands, regions, text = [q, k, v], [score], ["attn.attend dot({0}, {1}) value({2}) normalize @" + spec.normalizer]
    if spec.normalizer_arguments:
        names = ", ".join(f"{{{3 + n}}}" for n in range(len(spec.normalizer_arguments)))
        text.append(f"({names} : {', '.join(str(argument.type) for argument in spec.normalizer_arguments)})")
        operands += spec.normalizer_arguments
    stats = spec.wanted.names()
    if stats:
        text.append(f" stats [{', '.join(stats)}]")
    text.append(" score{r0}")
    if mask is not None:
        text.append(" mask{r1}")
        regions.append(mask)

    batch, heads = largest(q, k, v, axis=0), largest(q, k, v, axis=1)
    shape = (batch[0], heads[0], q.type.shape[2], v.type.shape[3])
    sizes = (batch[1], heads[1], q.sizes[2], v.sizes[3])
    types = [TensorType(shape, q.type.element), *(TensorType(shape[:3], "f32") for _ in stats)]
    if spec.lag is not None:
        text.append(f" {{{{lag = {spec.lag!r} : f32}}}}")
    results = str(types[0]) if len(types) == 1 else f"({', '.join(map(str, types))})"
    text.append(f" : ({q.type}, {k.type}, {v.type}) -> {results}")
    node = Node("".join(text), operands, types, regions)
    outputs = [Tensor(node, type, sizes if n == 0 else sizes[:3], index=n) for n, type in enumerate(types)]
    empty = {statistic.name: statistic.empty for statistic in spec.wanted.of_rows()}
    found = dict(zip(stats, outputs[1:]))
    results = {name: layout.result(filled(output, empty[name]) if name in empty else output)
               for name, output in found.items() if "." not in name}
    for statistic in spec.wanted.of_ranks():
        mass = elementwise(statistic.of, found["lse"], *(found[name] for name in spec.wanted.ranks(statistic)))
        results[statistic.name] = layout.result(mass)
    passes = Passes(spec, layout, q, k, conditions, results)
    for statistic in spec.wanted.stats:
        if isinstance(statistic, ColumnSum):
            results[statistic.name] = passes.column_sum(statistic)
    return layout.result(outputs[0]), results


def largest(*tensors, axis):
    """(extent in the type, size) of the largest batch or head extent: those of the first where they cannot be compared."""
    known = [tensor.type.shape[axis] for tensor in tensors]
    if known[0] is None or any(size is None for size in known):
        return known[0], tensors[0].sizes[axis]
    largest = max(known)
    return largest, largest


def _diagonal_conditions(spec, layout):
    """Conditions on (b, h, i, j) from causal and window: all relative to the diagonal of row i."""
    if spec.diagonal == "none" and spec.left is None and spec.right is None:
        return
    # The only query of a sequence is at its last key: there is nothing behind its diagonal.
    is_last = spec.group > 1 and spec.diagonal != "top-left"

    def diagonal(b, i):
        if spec.diagonal == "top-left":
            return i
        shift = layout.shift(b)
        if is_last:
            return shift
        return i if shift is None else _scalar.add(i, shift)

    if spec.diagonal != "none" and not is_last:
        yield lambda b, h, i, j: _scalar.less_equal(j, diagonal(b, i))
    if spec.left is not None:
        yield lambda b, h, i, j: _scalar.greater_equal(j, _scalar.subtract(diagonal(b, i), spec.left))
    if spec.right is not None and not is_last:
        yield lambda b, h, i, j: _scalar.less_equal(j, _scalar.add(diagonal(b, i), spec.right))


def _coordinates(names, place):
    """A view's region: `place` maps positions to positions."""
    owner = Owner()
    positions = arguments(owner, *names)
    return Region(tuple(positions), tuple(place(*positions)), owner)


def _rename(operation, source, region, shape, sizes, lengths=None, injective=False):
    """attn.view or attn.accumulate."""
    operands, shown = [source], []
    for extent, size in zip(shape, sizes):
        if extent is None:
            shown.append(f"{{{len(operands)}}}")
            operands.append(size)
        else:
            shown.append(str(extent))
    type = TensorType(tuple(shape), source.type.element)
    text = f"attn.{operation} {{0}} {{r0}} sizes({', '.join(shown)}){' injective' if injective else ''}"
    if lengths is not None:
        text += f" lengths({{{len(operands)}}})"
        operands.append(lengths)
    return Tensor(Node(f"{text} : {source.type} -> {type}", operands, (type,), (region,)), type, tuple(sizes))


def _index(table, position):
    """An integer array's element as an index."""
    return element(table, (position,))


def _check_ranks(spec, rank):
    """q has the rank of the layout, and so have k and v; pools of pages have one dimension per page more than packed ones."""
    paged = 4 if spec.block_table is not None else rank
    for name, tensor, expected in (("q", spec.q, rank), ("k", spec.k, paged), ("v", spec.v, paged)):
        if tensor.ndim != expected:
            raise TraceError(f"expected {name} of rank {expected} for layout {spec.layout}, got rank {tensor.ndim}", here())


def _paged(spec, pool, batch, lengths):
    """The keys or values of sequence b: key t is in row t % page of page block_table[b, t / page] of a pool (pages, h, page,
    d), or (pages, page, h, d) where positions come before heads."""
    order = (0, 1, 2, 3) if spec.layout == "bhtd" else (0, 2, 1, 3)  # of page, head, row, channel
    heads, rows, width = order[1:]
    page = pool.type.shape[rows]
    if page is None:
        raise TraceError("expected a page size that is known while tracing: k and v of a type such as ?x?x16x64, got "
                         f"{pool.type}", here())

    def place(b, h, t, c):
        # Positions are not negative, and divisions that know it are cheap.
        divided = [_scalar.make(f"arith.{name} {{0}}, {{1}} : index", INTEGER, t, lift(page, INTEGER)) for name in ("divui", "remui")]
        at = (element(spec.block_table, (b, divided[0])), h, divided[1], c)
        return tuple(at[order.index(axis)] for axis in range(4))

    keys = _scalar.multiply(lift(spec.block_table.sizes[1], INTEGER), page)
    return _rename("view", pool, _coordinates("bhtc", place), (None, pool.type.shape[heads], None, pool.type.shape[width]),
                   (batch, pool.sizes[heads], keys, pool.sizes[width]), lengths)


class _Plain:
    """Arrays (b, h, t, d)."""

    def __init__(self, spec):
        self.spec = spec
        _check_ranks(spec, 4)

    def view(self, x, lengths):
        """An array in the order of the operator, its keys absent from `lengths` on."""
        if lengths is None:
            return x
        region = _coordinates("bhtc", lambda b, h, t, c: (b, h, t, c))
        return _rename("view", x, region, x.type.shape, x.sizes, lengths)

    def tokens(self, x):
        """Numbers of every token and head, and perhaps channel, in the order of the operator."""
        return x

    def operands(self):
        q = self.view(self.spec.q, None)
        self.batch = lift(q.sizes[0], INTEGER)
        k, v = (self.keys_of(x, self.spec.kv_lengths) for x in (self.spec.k, self.spec.v))
        self.rows, self.keys = q.sizes[2] if self.spec.group == 1 else 1, k.sizes[2]
        return q, k, v

    def keys_of(self, x, lengths):
        return self.view(x, lengths) if self.spec.block_table is None else _paged(self.spec, x, self.batch, lengths)

    def keys_as_rows(self):
        """k as the rows of an operator, whose results are written as a whole; conditions for those that exist."""
        lengths = self.spec.kv_lengths
        exists = [] if lengths is None else [lambda b, h, i, j: _scalar.less(j, _index(lengths, b))]
        return self.keys_of(self.spec.k, None), exists

    def shift(self, b):
        """len_k[b] - len_q[b]: how far the bottom-right diagonal is from the top-left one."""
        keys = self.keys if self.spec.kv_lengths is None else _index(self.spec.kv_lengths, b)
        if keys is self.rows or (isinstance(keys, int) and keys == self.rows):
            return None
        return _scalar.subtract(lift(keys, INTEGER), lift(self.rows, INTEGER))

    def result(self, tensor):
        return tensor

    def key_result(self, tensor):
        """Numbers of every key."""
        return tensor

    def of_row(self, result, b, h, i):
        """The number of a row in a result."""
        return element(result, (b, h, i))


class _HeadsInner(_Plain):
    """Arrays (b, t, h, d)."""

    def view(self, x, lengths):
        region = _coordinates("bhtc"[:x.ndim], lambda b, h, t, *c: (b, t, h, *c))
        order = (0, 2, 1, 3)[:x.ndim]
        return _rename("view", x, region, [x.type.shape[a] for a in order], [x.sizes[a] for a in order], lengths)

    def tokens(self, x):
        return self.view(x, None)

    def result(self, tensor):
        if tensor.ndim != 4:
            return tensor
        region = _coordinates("bhtc", lambda b, h, t, c: (b, t, h, c))
        order = (0, 2, 1, 3)
        return _rename("accumulate", tensor, region, [tensor.type.shape[a] for a in order], [tensor.sizes[a] for a in order],
                       injective=True)


class _Packed(_Plain):
    """Arrays (total, h, d) that hold the sequences one after another; cu_seqlens[b] is where sequence b starts."""

    def __init__(self, spec):
        self.spec = spec
        _check_ranks(spec, 3)
        if spec.cu_seqlens_q is None:
            raise TraceError("expected cu_seqlens_q for layout thd, got none", here())
        self.starts = spec.cu_seqlens_q
        self.key_starts = self.starts if spec.cu_seqlens_k is None else spec.cu_seqlens_k
        self.batch = _scalar.subtract(lift(self.starts.sizes[0], INTEGER), 1)

    def lengths(self, starts):
        """starts[1:] - starts[:-1], as an array that its readers pull in."""
        type = TensorType((None,), "i32")

        def part(offset):
            text = f"tensor.extract_slice {{0}}[{offset}] [{{1}}] [1] : {starts.type} to {type}"
            return Tensor(Node(text, (starts, self.batch), (type,)), type, (self.batch,))

        return Tensor(Node(f"arith.subi {{0}}, {{1}} : {type}", (part(1), part(0)), (type,)), type, (self.batch,))

    def view(self, x, starts, lengths):
        region = _coordinates("bhtc"[:x.ndim + 1], lambda b, h, t, *c: (_scalar.add(_index(starts, b), t), h, *c))
        total, heads, *width = x.sizes
        return _rename("view", x, region, (None, x.type.shape[1], None, *x.type.shape[2:]),
                       (self.batch, heads, lift(total, INTEGER), *width), lengths)

    def tokens(self, x):
        return self.view(x, self.starts, self.row_lengths)

    def operands(self):
        row_lengths = self.row_lengths = self.lengths(self.starts)
        key_lengths = row_lengths if self.key_starts is self.starts else self.lengths(self.key_starts)
        view = self.view
        if self.spec.block_table is not None:
            q = view(self.spec.q, self.starts, row_lengths)
            k, v = (_paged(self.spec, x, self.batch, self.spec.kv_lengths) for x in (self.spec.k, self.spec.v))
            self.keys = k.sizes[2]
            return q, k, v
        self.key_lengths = key_lengths
        return (view(self.spec.q, self.starts, row_lengths), view(self.spec.k, self.key_starts, key_lengths),
                view(self.spec.v, self.key_starts, key_lengths))

    def keys_as_rows(self):
        if self.spec.block_table is not None:
            return super().keys_as_rows()
        return self.view(self.spec.k, self.key_starts, self.key_lengths), []

    def keys_of(self, x, lengths):
        return _paged(self.spec, x, self.batch, lengths)

    def shift(self, b):
        after = _scalar.add(b, 1)
        if self.spec.block_table is not None:
            keys = self.keys if self.spec.kv_lengths is None else _index(self.spec.kv_lengths, b)
            return _scalar.subtract(keys, _scalar.subtract(_index(self.starts, after), _index(self.starts, b)))
        if self.key_starts is self.starts:
            return None
        keys = _scalar.subtract(_index(self.key_starts, after), _index(self.key_starts, b))
        return _scalar.subtract(keys, _scalar.subtract(_index(self.starts, after), _index(self.starts, b)))

    def result(self, tensor):
        return self.packed(tensor, self.spec.q, self.starts, self.row_lengths)

    def key_result(self, tensor):
        return tensor if self.spec.block_table is not None else self.packed(tensor, self.spec.k, self.key_starts, self.key_lengths)

    def of_row(self, result, b, h, i):
        return element(result, (h, _scalar.add(_index(self.starts, b), i)))

    def packed(self, tensor, like, starts, lengths):
        total = lift(like.sizes[0], INTEGER)
        heads = (tensor.type.shape[1], tensor.sizes[1])
        if tensor.ndim == 4:
            region = _coordinates("bhtc", lambda b, h, t, c: (_scalar.add(_index(starts, b), t), h, c))
            return _rename("accumulate", tensor, region, (None, heads[0], tensor.type.shape[3]),
                           (total, heads[1], tensor.sizes[3]), lengths, injective=True)
        region = _coordinates("bht", lambda b, h, t: (h, _scalar.add(_index(starts, b), t)))
        return _rename("accumulate", tensor, region, (heads[0], None), (heads[1], total), lengths, injective=True)


LAYOUTS = {"bhtd": _Plain, "bthd": _HeadsInner, "thd": _Packed}
