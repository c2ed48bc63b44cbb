"""One compiled attend: its arguments, its program, and its entry on each device that it has run on."""

from typing import Any, NamedTuple

from . import _arrays, _compiler
from ._attend import AttendSpec, build
from ._captures import CapturedArray, Captures
from ._graph import Program, TensorType
from ._normalizer import Normalizer, TracedNormalizer, check_name
from ._scalar import FLOAT, INTEGER, Scalar
from ._softmax import FUNCTIONS, with_sinks
from ._statistics import Wanted, composed, functions_of
from ._tensor import parameter


class Call(NamedTuple):
    """The arguments of heddle.attend; see there."""

    q: Any
    k: Any
    v: Any
    score_mod: Any
    mask_mod: Any
    causal: Any
    left: Any           # bounds of the window; while tracing, left is the window itself
    right: Any
    cu_seqlens_q: Any
    cu_seqlens_k: Any
    lengths: Any        # kv_lengths or cache_seqlens
    lengths_name: str
    block_table: Any
    sink: Any
    normalizer: Any
    layout: str
    return_lse: bool
    page_size: Any
    num_splits: Any
    lag: Any
    stats: tuple = ()   # statistics, resolved


def diagonal(causal):
    """What AttendSpec calls a value of `causal`."""
    if causal is True or causal is False:
        return "bottom-right" if causal else "none"
    if causal in ("top-left", "bottom-right"):
        return causal
    raise ValueError(f"expected causal=True, False or \"top-left\", got {causal!r}")


class Plan:
    """The program of a call, whatever the sizes of its arrays. `group`: how many heads of q are the rows of one."""

    def __init__(self, given, group=1):
        self.element, self.entries = _arrays.element(given.q), {}
        self.schedule = f"splits={given.num_splits}" if given.num_splits else None
        self.packed, paged = given.layout == "thd", given.block_table is not None
        captures = Captures()
        # Arrays (b, t, h, d) are descriptors with two dimensions exchanged; packed ones are found from an array.
        order = "thd" if self.packed else "bhtd"

        def array(name, width, pool):
            shape = [None] * (3 if self.packed and not pool else 4)
            if pool:
                shape[1 if self.packed else 2] = given.k.shape[2 if given.layout == "bhtd" else 1]
            return parameter(TensorType((*shape[:-1], width), self.element), name)

        def queries(width):
            shape = (None, None, group, width)
            return parameter(TensorType(shape, self.element), "q") if group > 1 else array("q", width, False)

        width, value_width = given.q.shape[-1], given.v.shape[-1]
        spec = AttendSpec(queries(width), array("k", width, paged), array("v", value_width, paged),
                          Scalar(None, FLOAT, hint="scale"), order, diagonal(given.causal), lag=given.lag and float(given.lag),
                          group=group, wanted=Wanted(given.stats, return_lse=given.return_lse, lag=given.lag))
        parameters = [spec.q, spec.k, spec.v]

        def optional(name, value, type):
            if value is None:
                return None
            made = parameter(type, name) if isinstance(type, TensorType) else Scalar(None, type, hint=name)
            parameters.append(made)
            return made

        integers = TensorType((None,), "i32")
        spec.cu_seqlens_q = optional("cu_seqlens_q", given.cu_seqlens_q, integers)
        spec.cu_seqlens_k = optional("cu_seqlens_k", given.cu_seqlens_k, integers)
        spec.kv_lengths = optional(given.lengths_name, given.lengths, integers)
        spec.block_table = optional("block_table", given.block_table, TensorType((None, None), "i32"))
        sinks = optional("sink", given.sink, TensorType((None,), "f32"))
        parameters.append(spec.scale)
        spec.left = optional("left", given.left, INTEGER)
        spec.right = optional("right", given.right, INTEGER)
        spec.score_mod, spec.mask_mod = captures.bind(given.score_mod, given.mask_mod)
        use_normalizer(spec, given.normalizer, sinks, captures)
        out, stats = build(spec)
        self.results = given_names(given)
        results = (out, *(stats[name] for name in self.results))
        parameters += captures.parameters
        self.captures = captures
        # The name tells it where only the pack is there: `heddle explain`.
        name = "attend_heads_as_rows" if group > 1 else "attend"
        self.program = Program(name, tuple(parameters), (), results, tuple(spec.symbols))
        self.names = [p.hint for p in parameters] + ["out", *self.results]
        kinds = {FLOAT: "f", INTEGER: "i"}
        self.kinds = "".join(kinds.get(p.type, "t") if isinstance(p.type, str) else "t" for p in parameters) + "t" * len(results)
        inner = [0, 2, 1, 3]
        exchanged = () if given.layout != "bthd" else ("k", "v") if group > 1 else ("q", "k", "v", "out")
        self.orders = [inner if n in exchanged else [] for n in self.names]

    def check_captures(self, leaves, names, shapes):
        """An array that a position indexes has an element for every value of the position."""
        extents = {"b": shapes.batch, "h": shapes.heads}
        if not self.packed:  # the lengths of packed sequences may be known on the device only
            extents.update(i=shapes.query_length, j=shapes.key_length)
        for stand_in in self.captures.arrays:
            number = self.captures.number_of(stand_in.value)
            leaf = leaves[number]
            for positions in stand_in.uses:
                for axis, position in enumerate(positions):
                    needed = extents.get(position.hint)
                    if needed is not None and leaf.shape[axis] < needed:
                        raise ValueError(f"expected {names[number]} to have {needed} elements along axis {axis}, which "
                                         f"{position.hint} indexes, got {leaf.shape[axis]}")

    def entry_on(self, device):
        """The entry for a (kind, index) of device; its plan is compiled, or from the cache, at its first use."""
        entry = self.entries.get(device)
        if entry is None:
            entry = self.entries[device] = _compiler.entry(self.program, _compiler.target_for(*device), self.schedule,
                                                           self.kinds, self.names, self.orders)
        return entry

    @staticmethod
    def allocator(like, device):
        """A function that gives workspace on a device by the library that `like` is from; None on a CPU."""
        return None if device[0] == "cpu" else _arrays.workspace_allocator(like)


def given_names(given):
    """The statistics that a call gets, by name, each once."""
    return tuple(dict.fromkeys(["lse"] * given.return_lse + [statistic.name for statistic in given.stats]))


def use_normalizer(spec, normalizer, sinks, captures):
    """Set the normalizer of a spec: one of the prelude, or one that the module has to define."""
    spec.captures = captures
    if not isinstance(normalizer, Normalizer):
        check_name(normalizer)
    of_rows = spec.wanted.of_rows()
    if isinstance(normalizer, Normalizer) or of_rows or (sinks is not None and spec.group > 1):
        base = with_sinks(CapturedArray(sinks)) if sinks is not None else FUNCTIONS.get(normalizer, normalizer) if isinstance(
            normalizer, str) else normalizer
        # In the order in which a call looks for captures.
        captures.bind(*(function for function in base.functions if function), *(
            function for statistic in spec.wanted.stats for function in functions_of(statistic) if function))
        traced = TracedNormalizer(composed(base, of_rows), captures, spec.meant, () if sinks is None else (sinks,))
        spec.wanted.base = base
        spec.normalizer, spec.normalizer_arguments = traced.name, tuple(traced.parameters)
        spec.symbols.append((traced.name, traced.text))
        return
    spec.normalizer, spec.wanted.base = normalizer, FUNCTIONS.get(normalizer)
    if sinks is not None:
        spec.normalizer, spec.normalizer_arguments = "softmax_sink", (sinks,)
