"""`heddle.attend` on arrays: a compiled function is found or made after its arguments are checked, and run.

A call like one before (the same options; arrays of the same types, sizes and strides) is known by its `_heddle.Memo`:
nothing is checked again but what the arrays hold.
"""

import math
import numbers
from typing import Any, NamedTuple

from . import _arrays, _checks, _statistics
from ._attend import AttendSpec, build
from ._captures import Fingerprint, RuntimeScalar
from ._heddle import Memo
from ._normalizer import Normalizer
from ._plan import Call, Plan, diagonal, given_names, use_normalizer
from ._relations import of_attend
from ._scalar import Scalar
from ._tensor import Tensor

_plans = {}  # (options, element type, widths, page) -> Plan
_memos = {}  # options -> Memo of _Known
_NO_LEAVES = ()


class _Known(NamedTuple):
    """What a call needs that has been made before."""

    entry: Any      # None: there is nothing to compute
    allocate: Any   # workspace
    scale: float    # the default
    shapes: _checks.Shapes
    element: str
    rows: Any       # None, or (batch, heads of k, heads of q for each): q's heads are read as rows
    results: tuple  # (name, whether it is of keys) of each statistic


def attend(q, k, v, *, score_mod=None, mask_mod=None, causal=False, window=None, cu_seqlens_q=None, cu_seqlens_k=None,
           kv_lengths=None, sink=None, scale=None, normalizer="softmax", layout="bhtd", return_lse=False, out=None,
           block_table=None, page_size=None, cache_seqlens=None, num_splits=None, deterministic=True, status=None,
           lag=None, return_max=False, stats=()):
    """Attention: o[b, h, i] = sum_j w[b, h, i, j] v[b, h, j] over the keys j that row i sees.

    The first call with a new combination of functions, element type and head size compiles; lengths, batch, heads,
    strides, windows, the scale, captured arrays and run-time scalars are arguments of what was compiled. It compiles the
    kernels that it needs: those for few rows of many keys (split among the machine), or on a GPU for arrays that are not
    aligned to 16 bytes, come with the first call that needs them.

    Where sequences have one query each (decoding) and g heads of q share a head of k and v, those g heads are read as g rows
    of one head, so that keys and values are read once, not g times; g is then compiled in. This changes no result, no
    position and no memory: functions still see head h and query 0. It happens to NumPy's and PyTorch's arrays in layouts
    "bhtd" and "bthd"; `heddle explain` calls such an entry attend_heads_as_rows.

    Args:
        q, k, v: arrays of float32, float16 or bfloat16 (one type), on a CPU or a CUDA device: NumPy (with ml_dtypes),
            PyTorch, or whatever speaks DLPack. Any strides with a contiguous last dimension; nothing is copied. Head
            sizes are multiples of 8 up to 512, that of v may differ. The heads of q are a multiple of those of k and v.
        score_mod: f(score, b, h, q_idx, kv_idx) -> score, of numbers. `score` is scaled; -inf means not visible.
            Of 16-bit q, its tanh is an approximation on GPUs (relative error 2^-11).
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
        block_table: int32 (B, pages of a sequence), for a paged cache: k and v are pools of pages, (pages, heads, rows of a
            page, channels) for layout "bhtd" and (pages, rows of a page, heads, channels) for "bthd" and "thd", and key t
            of sequence b is row t % page_size of page block_table[b, t // page_size]. Positions in score_mod, mask_mod,
            causal and window are those in the sequence. An entry that no row sees (beyond cache_seqlens, outside of the
            window or the mask) may be -1. Any other outside of the pool is an error on a CPU; on a device it means the pool's
            first page (below 0) or last one. With "thd", q is packed by cu_seqlens_q and the keys are those of the pages.
        page_size: the rows of a page; default: what k has. It is compiled in, the number of pages is not.
        cache_seqlens: int32 of B elements: how many keys of a cache, paged or not, exist; another name of kv_lengths.
        num_splits: into how many shares the keys are divided, each of its own block, and merged in a fixed order; 0 or
            None: as many as the machine has room for; 1: none.
        deterministic: True: equal calls give equal bits. False allows another order of sums; every kernel of today is
            deterministic.
        lag: None: the reference of a row (softmax: its running maximum) is exact. A number n above 0, up to 15 (8 is a good
            one): it is raised only when it would otherwise make a weight larger than 2^n, and warps whose rows all keep theirs
            neither rescale what they have summed up nor exchange maxima. Weights and their sums relative to it are up to 2^n
            instead of up to 1, rounded as finely relative to their size and divided by the same reference in the end: results
            differ by rounding, and nothing overflows. Faster where maxima settle early; no faster where they grow with
            every step. Means nothing for a normalizer without a reference.
        status: a heddle.Status, which receives what the kernels say of values that they found on the device.
        return_max: inside of a heddle.Spec, also return the largest score of each row (of "signed", of their magnitudes), float32 (B, H, T),
            behind lse where both are asked for; -inf for a row that sees nothing. For normalizers with a reference.
        stats: names of statistics of the weights ("lse", "max", "entropy", "mean_score", "score_variance", "collision", "mean_position",
            "count", "colsum"), and objects of heddle.statistics, which says what each is: rows' are float32 (B, H, T), or
            (H, total) for "thd", columns' (B, H, keys). Also returned, as a dict by name.

    Returns:
        The result, of q's type and layout with v's head size; or (result, lse), (result, stats) or (result, lse, stats). A row that sees
        nothing is 0, its lse -inf.

    Lengths, offsets and page numbers in arrays on a CPU are checked before the call. On a device they are not read back:
    a kernel clamps what lies outside of its array and raises a status word, which `status` tells and HEDDLE_CHECK=1 (or
    heddle.set_check) turns into a ValueError.

    Raises:
        ValueError, TypeError: an argument, before anything is written. heddle.TraceError: a function that cannot be
        traced, with its line. heddle.CompileError: the compiler's diagnostics. NotImplementedError: an input requires a
        gradient (there is no backward yet). heddle.RunError: the runtime's or the driver's refusal.
    """
    if type(q) is Tensor:
        return _attend_traced(Call(q, k, v, score_mod, mask_mod, causal, window, None, cu_seqlens_q, cu_seqlens_k,
                                   *_lengths(kv_lengths, cache_seqlens), block_table, sink, normalizer, layout, return_lse,
                                   page_size, num_splits, lag, _statistics.resolve(stats)), scale, out, status, return_max)
    if return_max:
        raise NotImplementedError("expected return_max=True inside of a heddle.Spec only, got it on arrays")
    left, right = (None, None) if window is None else _bounds(window, causal)
    if stats != ():
        stats = _statistics.resolve(stats)
    if score_mod is None and mask_mod is None and type(normalizer) is str and stats == ():
        mods, leaves, names = normalizer, _NO_LEAVES, _NO_LEAVES
    else:
        found = Fingerprint()
        mods = (found.key(score_mod, root=True), found.key(mask_mod, root=True),
                normalizer.key(found) if isinstance(normalizer, Normalizer) else normalizer,
                tuple(_statistics.key(statistic, found) for statistic in stats))
        leaves, names = found.leaves, found.names
    lengths = kv_lengths if cache_seqlens is None else cache_seqlens

    values = [q, k, v]
    for array in (cu_seqlens_q, cu_seqlens_k, lengths, block_table, sink):
        if array is not None:
            values.append(array)
    at_scale = len(values)
    values.append(scale)
    if left is not None:
        values.append(left)
    if right is not None:
        values.append(right)
    for leaf in leaves:
        values.append(leaf.value if type(leaf) is RuntimeScalar else leaf)
    if out is not None:
        values.append(out)

    options = (layout, causal, left is None, right is None, cu_seqlens_q is None, cu_seqlens_k is None, lengths is None,
               block_table is None, sink is None, return_lse, page_size, num_splits, lag, deterministic, mods, out is None,
               kv_lengths is None, _arrays.has_views(q) and (out is None or _arrays.has_views(out)))
    try:
        memo = _memos.get(options)
    except TypeError:
        memo = None  # the checks say which option it is
    known = None if memo is None else memo.find(values)
    if known is None:
        known = _prepare(Call(q, k, v, score_mod, mask_mod, causal, left, right, cu_seqlens_q, cu_seqlens_k,
                              *_lengths(kv_lengths, cache_seqlens), block_table, sink, normalizer, layout, return_lse,
                              page_size, num_splits, lag, stats), deterministic, options, values, leaves, names, out)
    if scale is None:
        values[at_scale] = known.scale
    if out is None:
        out = _arrays.empty_like(q, known.shapes.result, known.element)
        values.append(out)
    results = {name: _arrays.empty_like(q, known.shapes.columns if is_of_keys else known.shapes.lse, "f32")
               for name, is_of_keys in known.results}
    values.extend(results.values())
    if known.rows is not None:
        _read_heads_as_rows(values, known.rows, len(results))
    if known.entry is not None:
        known.entry(values, None, known.allocate, status)
    elif status is not None:
        status.reset()
    if stats == ():
        return (out, results["lse"]) if return_lse else out
    by_name = {statistic.name: results[statistic.name] for statistic in stats}
    return (out, results["lse"], by_name) if return_lse else (out, by_name)


def _prepare(given, deterministic, options, values, leaves, names, out):
    """Check a call, find or make its plan, and remember it."""
    _checks.arrays(given.q, given.k, given.v)
    if deterministic is not True and deterministic is not False:
        raise ValueError(f"expected deterministic=True or False, got {deterministic!r}")
    _checks.options(given)
    page = None if given.block_table is None else _checks.page_of(given.k, given.layout)
    shapes = _checks.call(given, out)
    # What looks at scores again does it by the heads of q.
    group = shapes.group if options[-1] and not _statistics.Wanted(given.stats).look_again() else 1
    key = (options, given.q.dtype, given.q.shape[-1], given.v.shape[-1], page, group)
    plan = _plans.get(key)
    if plan is None:
        plan = _plans[key] = Plan(given, group)
    if leaves:
        plan.check_captures(leaves, names, shapes)
    device = _arrays.device(given.q)
    of_keys = {statistic.name for statistic in given.stats if _statistics.is_of_keys(statistic)}
    known = _Known(plan.entry_on(device) if shapes.rows or of_keys else None, plan.allocator(given.q, device),
                   1.0 / math.sqrt(given.q.shape[-1]), shapes, plan.element,
                   (shapes.batch, shapes.heads // group, group) if shapes.rows and group > 1 else None,
                   tuple((name, name in of_keys) for name in given_names(given)))
    # What arrays on a CPU hold is checked in every call.
    checked = (given.cu_seqlens_q, given.cu_seqlens_k, given.lengths, given.block_table)
    if device[0] != "cpu" or all(array is None for array in checked):
        _memos.setdefault(options, Memo()).remember(values, known)
    return known


def _read_heads_as_rows(values, rows, statistics):
    """The arrays of a call whose plan has q's heads as rows: views of q, of the result and of its statistics, which are the last."""
    at_out = len(values) - 1 - statistics
    for at in (0, at_out):
        values[at] = _arrays.split_heads(values[at], (*rows, values[at].shape[-1]))
    for at in range(at_out + 1, len(values)):
        values[at] = _arrays.split_heads(values[at], rows)


def _lengths(kv_lengths, cache_seqlens):
    """(lengths, the name that the caller gave them)."""
    if cache_seqlens is None:
        return kv_lengths, "kv_lengths"
    if kv_lengths is not None:
        raise ValueError("expected kv_lengths or cache_seqlens (they mean the same), got both")
    return cache_seqlens, "cache_seqlens"


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


def _attend_traced(given, scale, out, status, return_max):
    """attend inside of a heddle.Spec: adds to the function that is being traced."""
    from ._spec import current_trace
    for name, value in (("out", out), ("status", status)):
        if value is not None:
            raise ValueError(f"expected no {name}= inside of a heddle.Spec, got one")
    if return_max and given.lag is not None:
        raise ValueError(f"expected no lag where the largest scores are returned, got {given.lag!r}")
    if given.num_splits is not None:
        raise ValueError("expected no num_splits inside of a heddle.Spec (its compile and save take a schedule), got one")
    _checks.options(given)
    trace = current_trace()
    left, right = (None, None) if given.left is None else _traced_bounds(given.left, given.causal, trace)
    arrays = [trace.tensor(getattr(given, name), name) for name in ("q", "k", "v")]
    spec = AttendSpec(*arrays, 1.0 / math.sqrt(arrays[0].type.shape[-1]) if scale is None else trace.number(scale, "scale"),
                      given.layout, diagonal(given.causal), left, right, lag=given.lag and float(given.lag),
                      wanted=_statistics.Wanted(given.stats, None, given.return_lse, return_max, given.lag))
    for name, array in (("cu_seqlens_q", given.cu_seqlens_q), ("cu_seqlens_k", given.cu_seqlens_k),
                        ("kv_lengths", given.lengths), ("block_table", given.block_table)):
        setattr(spec, name, None if array is None else trace.tensor(array, name))
    if given.page_size is not None and given.page_size != _checks.page_of(spec.k.type, given.layout):
        raise ValueError(f"expected k of type with pages of page_size={given.page_size!r}, got {spec.k.type}")
    spec.score_mod, spec.mask_mod = trace.captures.bind(given.score_mod, given.mask_mod)
    sinks = None if given.sink is None else trace.tensor(given.sink, "sink")
    use_normalizer(spec, given.normalizer, sinks, trace.captures)
    trace.relations += of_attend(spec, sinks)
    out, results = build(spec)
    trace.symbols.update(spec.symbols)
    plain = [results[name] for name, wanted in (("lse", given.return_lse), ("max", return_max)) if wanted]
    by_name = [{statistic.name: results[statistic.name] for statistic in given.stats}] if given.stats else []
    return (out, *plain, *by_name) if plain or by_name else out


def _traced_bounds(window, causal, trace):
    """Bounds that may be traced or run-time scalars, which are never -1."""
    plain = [0 if isinstance(bound, (Scalar, RuntimeScalar)) else bound for bound in window]
    left, right = _bounds(plain, causal)
    given = [trace.number(bound, name) if isinstance(bound, (Scalar, RuntimeScalar)) else known
             for bound, known, name in zip(window, (left, right), ("left", "right"))]
    return given[0], None if causal else given[1]
