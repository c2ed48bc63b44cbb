"""The checks of the arguments of `heddle.recur`: everything that can be known before a kernel starts."""

from typing import Any, NamedTuple

from . import _arrays
from ._checks import RANKS, contiguous, offsets, written
from ._tensor import Tensor


class Call(NamedTuple):
    """The arguments of heddle.recur; see there."""

    q: Any
    k: Any
    v: Any
    gate: Any
    normalizer: Any
    initial_state: Any
    return_final_state: Any
    cu_seqlens: Any
    chunk_size: Any
    layout: Any
    out: Any
    at: Any = None
    segments: Any = None
    return_mass: Any = False
    result_type: Any = None  # an element type; None: q's

    def states(self):
        """The initial state and its mass, as a tuple of none, one or two."""
        return () if self.initial_state is None else self.parts(self.initial_state)

    def parts(self, state):
        """A state and, with a normalizer, its mass, as a tuple."""
        states = tuple(state) if isinstance(state, (tuple, list)) else (state,)
        expected = 2 if self.normalizer == "sum" else 1
        if len(states) != expected:
            raise ValueError(f"expected {'a pair of a state and its mass' if expected == 2 else 'one state'} for normalizer="
                             f"{self.normalizer!r}, got {len(states)}")
        return states


def options(given):
    """Options that do not fit each other."""
    if given.layout not in RANKS:
        raise ValueError(f"expected layout \"bhtd\", \"bthd\" or \"thd\", got {given.layout!r}")
    if given.normalizer not in ("none", "sum"):
        raise ValueError(f"expected normalizer=\"none\" or \"sum\", got {given.normalizer!r}")
    for name in ("return_final_state", "return_mass"):
        if getattr(given, name) is not True and getattr(given, name) is not False:
            raise ValueError(f"expected {name}=True or False, got {getattr(given, name)!r}")
    if given.return_mass and given.normalizer != "sum":
        raise ValueError(f"expected normalizer=\"sum\" where the sums of weights are returned, got {given.normalizer!r}")
    if given.return_mass and given.layout == "thd":
        raise ValueError("expected return_mass for layouts \"bhtd\" and \"bthd\", got \"thd\"")
    if given.at is not None and not (isinstance(given.at, str) and given.at == "end") and not callable(given.at):
        raise ValueError(f"expected a function of a row, \"end\" or None as at, got {given.at!r}")
    if given.segments is not None and given.layout == "thd":
        raise ValueError("expected no segments for layout \"thd\" (cu_seqlens say where sequences start), got some")
    if (given.layout == "thd") != (given.cu_seqlens is not None):
        raise ValueError(f"expected cu_seqlens for layout \"thd\" and for no other, got {'none' if given.cu_seqlens is None else 'one'} "
                         f"for {given.layout!r}")
    size = given.chunk_size
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or not 16 <= size <= 256 or size & (size - 1)):
        raise ValueError(f"expected chunk_size to be a power of two from 16 to 256, got {size!r}")


def feature_maps(maps):
    if len(maps) != 2 or not all(function is None or callable(function) for function in maps):
        raise TypeError(f"expected a function or a pair of functions as feature_map, got {maps!r}")


def call(given, maps):
    """The arrays of one call fit each other; returns the shape of the result."""
    rank, states = RANKS[given.layout], given.states()
    named = [("q", given.q), ("k", given.k), ("v", given.v), ("gate", given.gate), *zip(("initial_state", "its mass"), states)]
    for name, value in named:
        if value is not None and (not _arrays.is_array(value) or isinstance(value, Tensor)):
            raise TypeError(f"expected an array as {name}, got {type(value).__name__}")
    q, k, v = given.q, given.k, given.v
    for name, value in named[:3]:
        if _arrays.element(value) not in _arrays.FLOATS:
            raise TypeError(f"expected {name} of float32, float16 or bfloat16, got {value.dtype}")
        if value.dtype != q.dtype:
            raise TypeError(f"expected q, k and v of one type, got {q.dtype} and {value.dtype}")
        if len(value.shape) != rank:
            raise ValueError(f"expected {name} of rank {rank} for layout {given.layout!r}, got shape {tuple(value.shape)}")
        contiguous(name, value)
    heads_at, tokens_at = {"bhtd": (1, 2), "bthd": (2, 1), "thd": (1, 0)}[given.layout]
    tokens, heads = (q if given.at is None else k).shape[tokens_at], max(x.shape[heads_at] for x in (q, k, v))
    batch = len(given.cu_seqlens) - 1 if given.layout == "thd" else q.shape[0]
    width = q.shape[-1]
    for name, value in named[:3]:
        if value.shape[tokens_at] != tokens and (given.at is None or name != "q"):
            raise ValueError(f"expected q, k and v of one length, got {tokens} and {value.shape[tokens_at]}")
        if not value.shape[heads_at] or heads % value.shape[heads_at]:
            raise ValueError(f"expected heads of {name} that divide {heads}, got {value.shape[heads_at]}")
        if given.layout != "thd" and value.shape[0] not in (batch, 1):
            raise ValueError(f"expected a batch of {name} of {batch} (as q) or 1, got {value.shape[0]}")
        if (maps == (None, None) or name == "v") and (value.shape[-1] % 8 or not 8 <= value.shape[-1] <= 512):
            raise ValueError(f"expected a head size of {name} that is a multiple of 8 from 8 to 512, got {value.shape[-1]}")
    if k.shape[-1] != width and maps == (None, None):
        raise ValueError(f"expected q and k of one head size, got {width} and {k.shape[-1]}")
    if given.cu_seqlens is not None:
        offsets("cu_seqlens", given.cu_seqlens, None, tokens)
    if given.segments is not None:
        _segments(given.segments, batch, tokens)
    if given.gate is not None:
        _gate(given.gate, given.layout, (batch, heads, tokens), heads_at, tokens_at)
    for name, state, ndim in zip(("initial_state", "its mass"), states, (4, 3)):
        if len(state.shape) != ndim or _arrays.element(state) != "f32":
            raise ValueError(f"expected {name} of float32 and rank {ndim}, got {state.dtype} of shape {tuple(state.shape)}")
        if state.shape[0] not in (batch, 1) or not state.shape[1] or heads % state.shape[1] or \
                (ndim == 4 and state.shape[3] != v.shape[-1]):
            raise ValueError(f"expected {name} of shape ({batch}, {heads}, width of the features"
                             f"{f', {v.shape[-1]}' if ndim == 4 else ''}), got {tuple(state.shape)}")
        contiguous(name, state)
    shape = list(q.shape)
    shape[heads_at], shape[-1] = heads, v.shape[-1]
    if given.out is not None:
        written("out", given.out, tuple(shape), given.result_type or _arrays.element(q))
    return tuple(shape)


def step_outputs(given, shape, out, out_state):
    """What one token is written to; returns the states of it, None where a new one is wanted."""
    batch, heads, _, width = shape
    if out is not None:
        written("out", out, (batch, heads, width), _arrays.element(given.q))
    if out_state is None:
        return ()
    states, features = given.parts(out_state), given.states()[0].shape[2]
    for name, array, sizes in zip(("out_state", "the mass of out_state"), states, ((batch, heads, features, width), (batch, heads, features))):
        written(name, array, sizes, "f32")
    return states


def _segments(segments, batch, tokens):
    if not _arrays.is_array(segments) or isinstance(segments, Tensor):
        raise TypeError(f"expected an array as segments, got {type(segments).__name__}")
    shape = tuple(segments.shape)
    if _arrays.element(segments) != "i32" or len(shape) != 2 or shape[0] not in (batch, 1) or shape[1] != tokens:
        raise ValueError(f"expected segments of int32 and shape ({batch}, {tokens}), got {segments.dtype} of shape {shape}")
    contiguous("segments", segments)


def _gate(gate, layout, extents, heads_at, tokens_at):
    batch, heads, tokens = extents
    rank = len(gate.shape)
    if _arrays.element(gate) not in _arrays.FLOATS:
        raise TypeError(f"expected a gate of float32, float16 or bfloat16, got {gate.dtype}")
    expected = {"bhtd": "(H,), (B, H, T) or (B, H, T, F)", "bthd": "(H,), (B, T, H) or (B, T, H, F)", "thd": "(H,), (T, H) or (T, H, F)"}
    ranks = (1, 2, 3) if layout == "thd" else (1, 3, 4)
    good = rank in ranks
    if good:
        count = gate.shape[0] if rank == 1 else gate.shape[heads_at]
        good = count and heads % count == 0 and (rank == 1 or gate.shape[tokens_at] == tokens)
        good = good and (rank == 1 or layout == "thd" or gate.shape[0] in (batch, 1))
    if not good:
        raise ValueError(f"expected a gate of shape {expected[layout]} with B = {batch}, H = {heads} (or a divisor) and T = {tokens}, "
                         f"got {tuple(gate.shape)}")
    contiguous("gate", gate)
    if _arrays.device(gate)[0] == "cpu":
        logarithms(gate)


def logarithms(gate):
    """A gate on a CPU is never positive."""
    if all(gate.shape):
        most = float(gate.max())
        if not most <= 0:
            raise ValueError(f"expected a gate of logarithms that are at most 0, got {most}")
