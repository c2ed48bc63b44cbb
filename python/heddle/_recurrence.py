"""`heddle.recur` and `heddle.recur_step` on arrays: each is a `heddle.Spec` of the function that _recur.py builds, made for
the options of a call."""

import inspect
from typing import Any, NamedTuple

from . import _arrays, _recur_checks
from ._captures import Fingerprint, RuntimeScalar
from ._heddle import Memo
from ._recur import RecurSpec, build
from ._spec import Spec, current_trace
from ._tensor import Tensor

_compiled = {}  # options and types -> what a Spec has compiled
_memos = {}     # options -> Memo of _Known


class _Known(NamedTuple):
    """What a call like one before needs: its arrays have types, sizes and strides that were checked."""

    entry: Any
    allocate: Any       # workspace
    captures: tuple     # the numbers of the functions' arrays and numbers in the order of the entry's arguments
    results: tuple      # (shape, element type) of each
    checks_gate: bool   # it is on a CPU, where what it holds is looked at in every call


def recur(q, k, v, *, gate=None, feature_map=None, normalizer="none", beta=None, initial_state=None,
          return_final_state=False, cu_seqlens=None, scale=None, chunk_size=None, layout="bhtd", out=None, at=None, segments=None,
          return_mass=False):
    """A gated recurrence: S_t = exp(gate_t) S_{t-1} + f(k_t) v_t^T, o_t = scale * f(q_t)^T S_t, of every head.

    It is compiled in chunks: within a chunk products of tiles with the decay between its tokens, from chunk to chunk a state
    that stays with the block that computes it, so that time and memory grow with T alone. Sums are float32, gates are
    summed in float32 from the start of a chunk, and no factor is ever above 1.

    Args:
        q, k, v: arrays as in `heddle.attend`, of one type and one length. Head sizes are multiples of 8 up to 512, that of v
            may differ. Heads of k, v and gate divide the largest number of heads.
        gate: logarithms of decays, at most 0, of any float type: (H,), one per head; (B, H, T), one per token, or (B, T, H)
            and (total, H) where the layout has positions first; with a last dimension of the width of the features, one
            per token and channel. -inf forgets all that was before the token.
        feature_map: f(x) -> features, of a traced array (B, H, T, D) in whatever layout: NumPy's operators, `@` with arrays
            of the closure ((D, F) or (H, D, F)), heddle.exp and its kin, heddle.softmax, heddle.concat. Or a pair of
            such, of q and of k. None: q and k themselves.
        normalizer: "none", or "sum": rows are divided by f(q_t)^T z_t with z_t = exp(gate_t) z_{t-1} + f(k_t), which makes
            a weighted mean of features that are not negative (a warning says, once for each compiled function, if they are not
            known to be; an attribute `positive_products = True` of a feature map says that its products are positive all the
            same). scale then cancels, and is left out.
        beta: refused; the delta rule is not compiled yet.
        initial_state: float32 (B, H, F, E) with the heads of the result and features by channels of v: what S is before the
            first token (of each sequence). With normalizer "sum" a pair of that and z, (B, H, F).
        return_final_state: also return the state after the last token: S, or the pair (S, z) with normalizer "sum".
        cu_seqlens: int32 of B + 1 elements, for layout "thd": where packed sequences start and the last ends. Each has
            states of its own.
        scale: default 1 / sqrt(F).
        chunk_size: tokens of a chunk, a power of two from 16 to 256 (None: what suits the machine). It changes rounding only.
        layout: "bhtd", "bthd" or "thd", of q, k, v, gate and the result.
        out: an array to write the result to.
        at: which token's state a row reads: f(i) -> token, of positions (in the sequence), which must never fall as i grows;
            below 0 the initial state, beyond the last token the final one. "end": all rows read the final state, which is a sum over
            all tokens. Without it row t reads after token t. With it q may have another length than k and v.
        segments: int32 (B, T): a token whose number differs from that of the token before it forgets what was before. Not for "thd".
        return_mass: with normalizer "sum", also return f(q_t)^T z_t, float32 (B, H, T). Not for "thd".

    Returns:
        The result, of q's type and layout with v's head size, or a tuple of it, the mass and the final state, as far as asked for.

    Gates on a CPU are checked not to be positive. Raises what `heddle.attend` raises. Inside of a `heddle.Spec` everything
    may be a traced array, whose sizes are checked at each call.
    """
    if beta is not None:
        raise NotImplementedError("expected beta=None: the delta rule (what the state says of k is taken out of v first) is not "
                                  "compiled yet, got beta")
    given = _recur_checks.Call(q, k, v, gate, normalizer, initial_state, return_final_state, cu_seqlens, chunk_size, layout, out, at,
                               segments, return_mass)
    if type(q) is Tensor:
        return _traced(given, maps_of(feature_map, given), scale)
    return _results(_call(given, feature_map, scale, (out,)), given)


def recur_step(q, k, v, state, *, gate=None, feature_map=None, normalizer="none", scale=None, out=None, out_state=None):
    """One token of a recurrence, for decoding: `recur` for T = 1, by a kernel that goes over the state once.

    Args:
        q, k, v: (B, H, D), (B, Hk, D) and (B, Hv, E), of NumPy or PyTorch.
        state: S, float32 (B, H, F, E), or a pair (S, z) with normalizer "sum"; what `recur` returns.
        gate: (H,), (B, H) or (B, H, F).
        out: an array (B, H, E) to write the result to.
        out_state: what to write the next state to, in the form of `state`; it may be `state` itself.
        The rest is as in `recur`.

    Returns:
        (result, next state): `out` and `out_state` where they are given.
    """
    for name, array in (("q", q), ("k", k), ("v", v)):
        if not _arrays.is_array(array) or len(array.shape) != 3:
            raise ValueError(f"expected {name} of rank 3 (batch, heads, channels), got {getattr(array, 'shape', type(array).__name__)}")
    if gate is not None and len(gate.shape) > 1:
        gate = _one_token(gate)
    given = _recur_checks.Call(_one_token(q), _one_token(k), _one_token(v), gate, normalizer, state, True, None, None, "bhtd", None)
    good = _arrays.is_array(out) and len(out.shape) == 3  # what else is given is new to a memo, and refused by the checks
    outs = (_one_token(out) if good else out, *_arrays_of(out_state))
    first, *states = _call(given, feature_map, scale, outs, step=(out, out_state))
    return first[:, :, 0] if out is None else out, states[0] if len(states) == 1 else tuple(states)


def _arrays_of(state):
    """An array, or a pair of them, as a tuple."""
    return () if state is None else tuple(state) if isinstance(state, (tuple, list)) else (state,)


def _call(given, feature_map, scale, outs, step=None):
    """The results of a recurrence on arrays, written to those of `outs` that are not None. `step`: what the caller of recur_step
    gave for its results, where there is one token."""
    functions, leaves = None, ()
    if feature_map is not None or given.at is not None:
        found = Fingerprint(shapes=True)
        functions, leaves = (found.key(given.at, root=True), found.key(feature_map, root=not isinstance(feature_map, (tuple, list)))), found.leaves
    states = _arrays_of(given.initial_state)
    arrays = (given.q, given.k, given.v, given.gate, given.cu_seqlens, given.segments, *states)
    values = [*arrays, scale, *(leaf.value if type(leaf) is RuntimeScalar else leaf for leaf in leaves), *outs]
    options = (given.layout, given.normalizer, given.return_final_state, given.return_mass, given.chunk_size, functions, len(states),
               step is not None, tuple(value is None for value in (*arrays, scale, *outs)))
    try:
        memo = _memos.get(options)
    except TypeError:
        memo = None  # the checks say which option it is
    known = None if memo is None else memo.find(values)
    if known is None:
        return _first_call(given, feature_map, scale, outs, step, options, values, leaves)
    if known.checks_gate:
        _recur_checks.logarithms(given.gate)
    arguments = [array for array in arrays if array is not None]
    if scale is not None:
        arguments.append(float(scale))
    if leaves:
        start = len(arrays) + 1
        arguments += [values[start + number] for number in known.captures]
    results = [_arrays.empty_like(given.q, *result) if out is None else out
               for result, out in zip(known.results, (*outs, *[None] * (len(known.results) - len(outs))))]
    known.entry((*arguments, *results), None, known.allocate, None)
    return results


def _first_call(given, feature_map, scale, outs, step, options, values, leaves):
    """Check a call, compile it if need be, run it, and remember it."""
    maps = maps_of(feature_map, given)
    shape = _recur_checks.call(given, maps)
    if step is not None:
        _recur_checks.step_outputs(given, shape, *step)
    spec, arguments = spec_of(given, maps, scale, step is not None)
    compiled, found = spec._program()
    results = compiled.run(arguments, found, [*outs, *[None] * (len(compiled.results) - len(outs))], None)
    where = _arrays.device(given.q)
    captures = [next((n for n, leaf in enumerate(leaves) if leaf is taken), None) for taken in compiled._leaves(found)]
    if where[0] == "cpu" and given.cu_seqlens is not None or None in captures:
        return results  # what arrays on a CPU hold is checked in every call; arrays made while tracing are nobody's
    allocate = None if where[0] == "cpu" else _arrays.workspace_allocator(given.q)
    known = _Known(compiled.entries[where], allocate, tuple(captures), tuple((tuple(x.shape), _arrays.element(x)) for x in results),
                   given.gate is not None and where[0] == "cpu")
    _memos.setdefault(options, Memo()).remember(values, known)
    return results


def maps_of(feature_map, given):
    """The maps of q and k."""
    _recur_checks.options(given)
    maps = tuple(feature_map) if isinstance(feature_map, (tuple, list)) else (feature_map, feature_map)
    _recur_checks.feature_maps(maps)
    return maps


def _one_token(array):
    """(b, h, ..) as (b, h, 1, ..), the same memory."""
    return array[:, :, None]


def _type(name, array, layout, one_token):
    """An array's type: channels are part of it, and the number of tokens if it is 1 for good."""
    rank = len(array.shape)
    channels = {"cu_seqlens": 0, "segments": 0, "state": 2, "gate": int(rank == len(layout))}.get(name, 1)
    known = set(range(rank - channels, rank)) | ({2} if one_token and name in ("q", "k", "v", "gate") else set())
    return "x".join([*(str(extent) if axis in known else "?" for axis, extent in enumerate(array.shape)), _arrays.element(array)])


def spec_of(given, maps, scale, one_token=False):
    """(the heddle.Spec for these options and types, what it takes)."""
    named = {"q": given.q, "k": given.k, "v": given.v, "gate": given.gate, "cu_seqlens": given.cu_seqlens,
             "segments": given.segments, **dict(zip(("state", "mass"), given.states()))}
    named = {name: array for name, array in named.items() if array is not None}
    types = {name: _type(name, array, given.layout, one_token) for name, array in named.items()}
    if scale is not None:
        named["scale"], types["scale"] = float(scale), "f32"
    names, (query_map, key_map), normalizer, layout = tuple(named), maps, given.normalizer, given.layout
    at, mass, final, result_type = given.at, given.return_mass, given.return_final_state, given.result_type

    def recurrence(*values):
        known = dict(zip(names, values))
        initial = tuple(known[name] for name in ("state", "mass") if name in known)
        return build(RecurSpec(known["q"], known["k"], known["v"], layout, known.get("gate"), (query_map, key_map),
                               known.get("scale"), normalizer, initial, final, known.get("cu_seqlens"), at, known.get("segments"), mass,
                               result_type))

    recurrence.__name__ = "recur"
    recurrence.__signature__ = inspect.Signature([inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names])
    spec = Spec(recurrence, types)
    if given.chunk_size is not None:
        spec._schedule = f"chunk={given.chunk_size}"
    spec._compiled = _compiled.setdefault((tuple(types.items()), normalizer, layout, mass, final, result_type, given.chunk_size), {})
    return spec, list(named.values())


def _results(results, given):
    """The result, or it, the mass and the state (with its mass, if it has one)."""
    count = 1 + given.return_mass
    states = tuple(results[count:])
    found = (*results[:count], *([states[0] if len(states) == 1 else states] if given.return_final_state else []))
    return found[0] if len(found) == 1 else found


def _traced(given, maps, scale):
    """recur inside of a heddle.Spec: adds to the function that is being traced."""
    if given.out is not None:
        raise ValueError("expected no out= inside of a heddle.Spec, got one")
    if given.chunk_size is not None:
        raise ValueError("expected no chunk_size inside of a heddle.Spec (its compile and save take a schedule), got one")
    trace = current_trace()

    def tensor(value, name):
        return None if value is None else trace.tensor(value, name)

    q, k, v = (tensor(getattr(given, name), name) for name in ("q", "k", "v"))
    states = tuple(tensor(state, name) for state, name in zip(given.states(), ("state", "mass")))
    *maps, at = trace.captures.bind(*maps, given.at)
    results = build(RecurSpec(q, k, v, given.layout, tensor(given.gate, "gate"), tuple(maps),
                              None if scale is None else trace.number(scale, "scale"), given.normalizer, states,
                              given.return_final_state, tensor(given.cu_seqlens, "cu_seqlens"), at, tensor(given.segments, "segments"),
                              given.return_mass))
    return _results(results, given)
