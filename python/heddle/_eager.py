"""`heddle.attend` on arrays: arguments are checked, a compiled function is found or made, and run."""

import math
import numbers

from . import _arrays, _checks, _compiler
from ._attend import AttendSpec, build
from ._captures import Captures, Fingerprint, RuntimeScalar
from ._graph import Program, TensorType
from ._normalizer import Normalizer, TracedNormalizer, check_name
from ._scalar import FLOAT, INTEGER, Scalar
from ._tensor import Tensor, parameter

_plans = {}
_NO_LEAVES = ()


def attend(q, k, v, *, score_mod=None, mask_mod=None, causal=False, window=None, cu_seqlens_q=None, cu_seqlens_k=None,
           kv_lengths=None, sink=None, scale=None, normalizer="softmax", layout="bhtd", return_lse=False, out=None):
    """Attention: o[b, h, i] = sum_j w[b, h, i, j] v[b, h, j] over the keys j that row i sees.

    The first call with a new combination of functions, element type and head size compiles; lengths, batch, heads,
    strides, windows, the scale, captured arrays and run-time scalars are arguments of what was compiled.

    Args:
        q, k, v: arrays of float32, float16 or bfloat16 (one type), on a CPU or a CUDA device: NumPy (with ml_dtypes),
            PyTorch, or whatever speaks DLPack. Any strides with a contiguous last dimension; nothing is copied. Head
            sizes are multiples of 8 up to 512, that of v may differ. The heads of q are a multiple of those of k and v.
        score_mod: f(score, b, h, q_idx, kv_idx) -> score, of numbers. `score` is scaled; -inf means not visible.
        mask_mod: f(b, h, q_idx, kv_idx) -> condition: whether row q_idx sees key kv_idx.
        causal: True, j <= i + len_k - len_q (bottom-right aligned); "top-left", j <= i; or False.
        window: (left, right), -1 for unbounded: i' - left <= j <= i' + right, with i' on the diagonal of `causal`
            (bottom-right where causal is False).
        cu_seqlens_q: int32 of B + 1 elements, for layout "thd": sequence b is rows cu_seqlens_q[b] to
            cu_seqlens_q[b + 1]. Positions in score_mod, mask_mod, causal and window are those inside the sequence.
        cu_seqlens_k: the same for keys; default: cu_seqlens_q.
        kv_lengths: int32 of B elements: the keys of b from kv_lengths[b] on do not exist. Not for "thd".
        sink: float32 of one element per head of q: exp(sink[h]) is added to the denominator of "softmax".
        scale: what q.k is multiplied by; default 1 / sqrt(head size of q).
        normalizer: "softmax", "softmax_plus_one" (denominator 1 + sum exp s), "sigmoid" (1 / (1 + exp(-s)), no
            denominator), "relu", "relu2" (no denominator), "linear" (s / sum s), "signed" (sign(s) exp|s| / sum exp|s|),
            "none" (s itself), or a heddle.Normalizer.
        layout: "bhtd", "bthd" or "thd" (packed): the order of the dimensions of q, k, v and the result.
        return_lse: also return the natural logarithm of the denominator, float32 (B, H, T), or (H, total) for "thd".
        out: an array to write the result to.

    Returns:
        The result, of q's type and layout with v's head size, or (result, lse). A row that sees nothing is 0, its lse -inf.

    Raises:
        ValueError, TypeError: an argument, before anything is written. heddle.TraceError: a function that cannot be
        traced, with its line. heddle.CompileError: the compiler's diagnostics. NotImplementedError: an input requires a
        gradient (there is no backward yet). heddle.RunError: the runtime's or the driver's refusal.
    """
    if type(q) is Tensor:
        return _attend_traced(q, k, v, score_mod, mask_mod, causal, window, cu_seqlens_q, cu_seqlens_k, kv_lengths, sink, scale,
                              normalizer, layout, return_lse, out)
    left, right = (None, None) if window is None else _bounds(window, causal)
    if score_mod is None and mask_mod is None and type(normalizer) is str:
        mods, leaves, names = normalizer, _NO_LEAVES, _NO_LEAVES
    else:
        found = Fingerprint()
        mods = (found.key(score_mod, root=True), found.key(mask_mod, root=True),
                normalizer.key(found) if isinstance(normalizer, Normalizer) else normalizer)
        leaves, names = found.leaves, found.names
    try:
        width, value_width = q.shape[-1], v.shape[-1]
        key = (q.dtype, width, value_width, layout, causal, left is None, right is None, cu_seqlens_q is None,
               cu_seqlens_k is None, kv_lengths is None, sink is None, return_lse, mods)
        plan = _plans.get(key)
    except (AttributeError, IndexError, TypeError):
        plan = None  # the checks say what is wrong
    if plan is None:
        _checks.arrays(q, k, v)
        plan = _plans[key] = _Plan(q, v, score_mod, mask_mod, causal, left, right, cu_seqlens_q, cu_seqlens_k, kv_lengths, sink,
                                   normalizer, layout, return_lse)
    shapes = _checks.call(q, k, v, layout, cu_seqlens_q, cu_seqlens_k, kv_lengths, sink, out)
    if leaves:
        plan.check_captures(leaves, names, shapes)
    if scale is None:
        scale = 1.0 / math.sqrt(width)

    values = [q, k, v]
    if cu_seqlens_q is not None:
        values.append(cu_seqlens_q)
        if cu_seqlens_k is not None:
            values.append(cu_seqlens_k)
    elif kv_lengths is not None:
        values.append(kv_lengths)
    if sink is not None:
        values.append(sink)
    values.append(scale)
    if left is not None:
        values.append(left)
    if right is not None:
        values.append(right)
    for leaf in leaves:
        values.append(leaf.value if type(leaf) is RuntimeScalar else leaf)
    result = _arrays.empty_like(q, shapes.result, plan.element) if out is None else out
    values.append(result)
    if return_lse:
        lse = _arrays.empty_like(q, shapes.lse, "f32")
        values.append(lse)
    if shapes.rows:
        plan.run(q, tuple(values))
    return (result, lse) if return_lse else result


def _bounds(window, causal):
    """(left, right) of a window, None for unbounded. `causal` bounds the right side by itself."""
    if not (isinstance(window, (tuple, list)) and len(window) == 2):
        raise ValueError(f"expected window=(left, right), got {window!r}")
    bounds = []
    for name, bound in zip(("left", "right"), window):
        value = bound.value if isinstance(bound, RuntimeScalar) else bound
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < -1:
            raise ValueError(f"expected an integer of -1 or more as the {name} bound of window, got {value!r}")
        bounds.append(None if value == -1 else int(value))
    return bounds[0], None if causal else bounds[1]


def _diagonal(causal):
    if causal is True or causal is False:
        return "bottom-right" if causal else "none"
    if causal in ("top-left", "bottom-right"):
        return causal
    raise ValueError(f"expected causal=True, False or \"top-left\", got {causal!r}")


class _Plan:
    """One compiled attend: its program, and its entry on each device that it has run on."""

    def __init__(self, q, v, score_mod, mask_mod, causal, left, right, cu_seqlens_q, cu_seqlens_k, kv_lengths, sink, normalizer,
                 layout, return_lse):
        _checks.options(layout, normalizer, sink, return_lse, cu_seqlens_q, cu_seqlens_k, kv_lengths)
        self.element, self.entries = _arrays.element(q), {}
        captures = Captures()
        rank = 3 if layout == "thd" else 4

        def array(name, width):
            return parameter(TensorType((None,) * (rank - 1) + (width,), self.element), name)

        spec = AttendSpec(array("q", q.shape[-1]), array("k", q.shape[-1]), array("v", v.shape[-1]),
                          Scalar(None, FLOAT, hint="scale"), "thd" if layout == "thd" else "bhtd", _diagonal(causal),
                          return_lse=return_lse)
        parameters = [spec.q, spec.k, spec.v]

        def optional(name, given, type):
            if given is None:
                return None
            made = parameter(type, name) if isinstance(type, TensorType) else Scalar(None, type, hint=name)
            parameters.append(made)
            return made

        lengths = TensorType((None,), "i32")
        spec.cu_seqlens_q = optional("cu_seqlens_q", cu_seqlens_q, lengths)
        spec.cu_seqlens_k = optional("cu_seqlens_k", cu_seqlens_k, lengths)
        spec.kv_lengths = optional("kv_lengths", kv_lengths, lengths)
        sinks = optional("sink", sink, TensorType((None,), "f32"))
        parameters.append(spec.scale)
        spec.left = optional("left", left, INTEGER)
        spec.right = optional("right", right, INTEGER)
        spec.score_mod, spec.mask_mod = captures.bind(score_mod, mask_mod)
        symbols = _use_normalizer(spec, normalizer, sinks, captures)
        results = build(spec)
        parameters += captures.parameters
        self.captures = captures
        self.program = Program("attend", tuple(parameters), (), results, symbols)
        self.names = [p.hint for p in parameters] + ["out", "lse"][:len(results)]
        kinds = {FLOAT: "f", INTEGER: "i"}
        self.kinds = "".join(kinds.get(p.type, "t") if isinstance(p.type, str) else "t" for p in parameters) + "t" * len(results)
        inner = [0, 2, 1, 3]
        self.orders = [inner if layout == "bthd" and n in ("q", "k", "v", "out") else [] for n in self.names]
        self.packed = layout == "thd"

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
                    needed = extents.get(position.hint) if position.node is None else None
                    if needed is not None and leaf.shape[axis] < needed:
                        raise ValueError(f"expected {names[number]} to have {needed} elements along axis {axis}, which "
                                         f"{position.hint} indexes, got {leaf.shape[axis]}")

    def entry(self, device, index):
        pack = _compiler.load(self.program, _compiler.target_for(device, index))
        return pack.entry("attend", self.kinds, self.names, self.orders)

    def run(self, q, values):
        where = _arrays.device(q)
        entry = self.entries.get(where)
        if entry is None:
            entry = self.entries[where] = self.entry(*where)
        if where[0] == "cpu":
            entry(values)
        else:
            entry(values, None, lambda size: _arrays.workspace_like(q, size))


def _use_normalizer(spec, normalizer, sinks, captures):
    """Set the normalizer of a spec; returns the definitions that the module needs."""
    if isinstance(normalizer, Normalizer):
        traced = TracedNormalizer(normalizer, captures)
        spec.normalizer, spec.normalizer_arguments = traced.name, tuple(traced.parameters)
        return ((traced.name, traced.text),)
    check_name(normalizer)
    spec.normalizer = normalizer
    if sinks is not None:
        spec.normalizer, spec.normalizer_arguments = "softmax_sink", (sinks,)
    return ()


def _attend_traced(q, k, v, score_mod, mask_mod, causal, window, cu_seqlens_q, cu_seqlens_k, kv_lengths, sink, scale, normalizer,
                   layout, return_lse, out):
    """attend inside of a heddle.Spec: adds to the function that is being traced."""
    from ._spec import current_trace
    if out is not None:
        raise ValueError("expected no out= inside of a heddle.Spec, got one")
    _checks.options(layout, normalizer, sink, return_lse, cu_seqlens_q, cu_seqlens_k, kv_lengths)
    trace = current_trace()
    left, right = (None, None) if window is None else _traced_bounds(window, causal, trace)
    spec = AttendSpec(*(trace.tensor(x, n) for x, n in ((q, "q"), (k, "k"), (v, "v"))),
                      1.0 / math.sqrt(q.type.shape[-1]) if scale is None else trace.number(scale, "scale"), layout,
                      _diagonal(causal), left, right, return_lse=return_lse)
    for name, given in (("cu_seqlens_q", cu_seqlens_q), ("cu_seqlens_k", cu_seqlens_k), ("kv_lengths", kv_lengths)):
        setattr(spec, name, None if given is None else trace.tensor(given, name))
    spec.score_mod, spec.mask_mod = trace.captures.bind(score_mod, mask_mod)
    sinks = None if sink is None else trace.tensor(sink, "sink")
    for name, define in _use_normalizer(spec, normalizer, sinks, trace.captures):
        trace.symbols[name] = define
    results = build(spec)
    return results if return_lse else results[0]


def _traced_bounds(window, causal, trace):
    """Bounds that may be traced or run-time scalars, which are never -1."""
    plain = [0 if isinstance(bound, (Scalar, RuntimeScalar)) else bound for bound in window]
    left, right = _bounds(plain, causal)
    given = [trace.number(bound, name) if isinstance(bound, (Scalar, RuntimeScalar)) else known
             for bound, known, name in zip(window, (left, right), ("left", "right"))]
    return given[0], None if causal else given[1]
