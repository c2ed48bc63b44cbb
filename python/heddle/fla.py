"""Entries that have the names, arguments, layouts and returns of flash-linear-attention's operators, so that an import is all that
changes: `from heddle.fla import chunk_gla`. Each is a call of `heddle.recur`, or for one token with a state of `heddle.recur_step`.

Arrays are NumPy's or PyTorch's: q and k (B, T, H, K), v (B, T, H, V), gates (B, T, H) or (B, T, H, K), and with `cu_seqlens` a batch of
1 that holds sequences one after another. Heads of q, k, v and gates divide the largest number of heads. States are float32, (N, H, K, V)
for N sequences. Every entry returns (o, final_state), the latter None unless `output_final_state`.

All of them give the same bits for the same tokens whether they are called chunk or fused_recurrent. What differs from the originals: there
is no backward yet; gates must not be positive; `gv`, gates of the channels of v, are refused; `normalize` divides by the sum of weights
itself, without 1e-10 added; `reverse` and `state_v_first` copy arrays of PyTorch.
"""

import math
import sys

from . import _arrays, feature_maps
from ._recurrence import recur, recur_step
from ._tensor import Tensor

_decays = {}  # (numbers, library, device) -> the array that holds them


def chunk_linear_attn(q, k, v, scale=None, initial_state=None, output_final_state=False, normalize=True, cu_seqlens=None, *,
                      chunk_size=None):
    """Linear attention without a gate. `normalize`: rows are divided by the sum of their weights; states are then pairs of S and
    z, (N, 1, H, K), the sum of keys."""
    return _run(q, k, v, None, scale, initial_state, output_final_state, cu_seqlens, normalize=normalize, chunk_size=chunk_size)


def fused_recurrent_linear_attn(q, k, v, scale=None, initial_state=None, output_final_state=False, reverse=False, normalize=False,
                                cu_seqlens=None):
    """As `chunk_linear_attn`. `reverse`: from the last token to the first."""
    return _run(q, k, v, None, scale, initial_state, output_final_state, cu_seqlens, reverse=reverse, normalize=normalize)


def chunk_retention(q, k, v, scale=None, initial_state=None, output_final_state=False, cu_seqlens=None, *, chunk_size=None):
    """A decay of 1 - 2^(-5 - h) for head h."""
    return _run(q, k, v, _retention(q), scale, initial_state, output_final_state, cu_seqlens, chunk_size=chunk_size)


def fused_recurrent_retention(q, k, v, scale=None, initial_state=None, output_final_state=False, reverse=False, state_v_first=False,
                              cu_seqlens=None):
    """As `chunk_retention`. `reverse`: from the last token to the first. `state_v_first`: states are (N, H, V, K)."""
    return _run(q, k, v, _retention(q), scale, initial_state, output_final_state, cu_seqlens, reverse, state_v_first)


def chunk_lightning_attn(q, k, v, layer_idx, num_layers, scale=None, initial_state=None, output_final_state=False, cu_seqlens=None, *,
                         chunk_size=None):
    """A decay of exp(-8 h / H (1 - layer_idx / num_layers)) for head h of H."""
    return _run(q, k, v, _lightning(q, layer_idx, num_layers), scale, initial_state, output_final_state, cu_seqlens, chunk_size=chunk_size)


def fused_recurrent_lightning_attn(q, k, v, layer_idx, num_layers, scale=None, initial_state=None, output_final_state=False,
                                   reverse=False, cu_seqlens=None):
    """As `chunk_lightning_attn`. `reverse`: from the last token to the first."""
    return _run(q, k, v, _lightning(q, layer_idx, num_layers), scale, initial_state, output_final_state, cu_seqlens, reverse)


def chunk_simple_gla(q, k, v, g=None, g_gamma=None, scale=None, initial_state=None, output_final_state=False, state_v_first=False,
                     cu_seqlens=None, cu_seqlens_cpu=None, *, chunk_size=None):
    """A gate of every token, `g` (B, T, H), or of every head, `g_gamma` (H,): logarithms. `state_v_first`: states are (N, H, V, K)."""
    return _run(q, k, v, _one_of(g, g_gamma), scale, initial_state, output_final_state, cu_seqlens, False, state_v_first,
                chunk_size=chunk_size)


def fused_recurrent_simple_gla(q, k, v, g=None, g_gamma=None, scale=None, initial_state=None, output_final_state=False,
                               reverse=False, state_v_first=False, cu_seqlens=None):
    """As `chunk_simple_gla`. `reverse`: from the last token to the first."""
    return _run(q, k, v, _one_of(g, g_gamma), scale, initial_state, output_final_state, cu_seqlens, reverse, state_v_first)


def chunk_gla(q, k, v, g, scale=None, initial_state=None, output_final_state=False, state_v_first=False, cu_seqlens=None,
              cu_seqlens_cpu=None):
    """A gate of every token and channel of k, `g` (B, T, H, K): logarithms. `state_v_first`: states are (N, H, V, K)."""
    return _run(q, k, v, g, scale, initial_state, output_final_state, cu_seqlens, False, state_v_first)


def fused_recurrent_gla(q, k, v, gk=None, gv=None, scale=None, initial_state=None, output_final_state=False, reverse=False,
                        state_v_first=False, cu_seqlens=None):
    """As `chunk_gla`, whose `g` is `gk`. `reverse`: from the last token to the first."""
    if gv is not None:
        raise NotImplementedError("expected no gv (a recurrence of Heddle decays by channels of k, not of v), got one")
    return _run(q, k, v, gk, scale, initial_state, output_final_state, cu_seqlens, reverse, state_v_first)


def _run(q, k, v, gate, scale, initial_state, output_final_state, cu_seqlens, reverse=False, state_v_first=False, normalize=False,
         chunk_size=None):
    _check(q, k, v, gate, initial_state, cu_seqlens)
    states = None if initial_state is None else _to_states(initial_state, state_v_first, normalize)
    options = {"scale": None if normalize else scale, "normalizer": "sum" if normalize else "none"}
    if normalize:
        options["feature_map"] = feature_maps.as_it_is  # q and k are features already

    if states is not None and q.shape[1] == 1 and cu_seqlens is None:
        token = None if gate is None else gate if len(gate.shape) == 1 else gate[:, 0]
        o, final = recur_step(q[:, 0], k[:, 0], v[:, 0], states if normalize else states[0], gate=token, **options)
        o = o[:, None]
    else:
        tokens = [q, k, v] + ([gate] if gate is not None and len(gate.shape) > 1 else [])
        if reverse:
            tokens = [_reversed(x, 1) for x in tokens]
        if cu_seqlens is not None:
            tokens = [x[0] for x in tokens]
            cu_seqlens = _offsets(cu_seqlens)
            if reverse:
                cu_seqlens = q.shape[1] - _reversed(cu_seqlens, 0)
                states = states and tuple(_reversed(x, 0) for x in states)
        if len(tokens) == 4:
            gate = tokens[3]
        results = recur(*tokens[:3], gate=gate, initial_state=states if normalize or states is None else states[0],
                        return_final_state=output_final_state, cu_seqlens=cu_seqlens, chunk_size=chunk_size,
                        layout="bthd" if cu_seqlens is None else "thd", **options)
        o, final = results if output_final_state else (results, None)
        if cu_seqlens is not None:
            o = o[None]
            if reverse and final is not None:
                final = tuple(_reversed(x, 0) for x in final) if normalize else _reversed(final, 0)
        if reverse:
            o = _reversed(o, 1)
    if not output_final_state:
        return o, None
    if normalize:
        return o, (final[0], final[1][:, None])
    return o, _swapped(final) if state_v_first else final


def _check(q, k, v, gate, initial_state, cu_seqlens):
    given = (("q", q), ("k", k), ("v", v), ("a gate", gate))
    for name, array in given:
        if isinstance(array, Tensor):
            raise TypeError("expected arrays (inside of a heddle.Spec, heddle.recur takes traced ones), got a traced array")
        if array is not None and not _arrays.has_views(array):
            raise TypeError(f"expected an array of NumPy or PyTorch as {name}, got {type(array).__name__}")
    for name, array in given[:3]:
        if len(array.shape) != 4:
            raise ValueError(f"expected {name} of shape (B, T, H, channels), got {tuple(array.shape)}")
    if cu_seqlens is not None and q.shape[0] != 1:
        raise ValueError(f"expected a batch of 1 that holds all sequences where cu_seqlens are given, got {q.shape[0]}")
    if isinstance(initial_state, (tuple, list)) and len(initial_state) != 2:
        raise ValueError(f"expected initial_state to be S or (S, z), got {len(initial_state)} arrays")


def _to_states(initial_state, state_v_first, normalize):
    """(S,) or (S, z) as heddle.recur takes them."""
    pair = isinstance(initial_state, (tuple, list))
    if not normalize:
        if pair:
            raise ValueError("expected one state where rows are not normalized, got a pair")
        return (_swapped(initial_state) if state_v_first else initial_state,)
    if pair:
        state, mass = initial_state
        if len(mass.shape) != 4 or mass.shape[1] != 1:
            raise ValueError(f"expected z of shape (N, 1, H, K), got {tuple(mass.shape)}")
        return state, mass[:, 0]
    mass = _arrays.empty_like(initial_state, tuple(initial_state.shape[:3]), "f32")
    mass[...] = 0.0
    return initial_state, mass


def _swapped(state):
    """(N, H, K, V) as (N, H, V, K) and back, in new memory."""
    swapped = state.swapaxes(2, 3)
    return swapped.copy() if _arrays.library(state) == "numpy" else swapped.contiguous()


def _reversed(x, axis):
    """From the last to the first along an axis: a view, or PyTorch's copy."""
    if _arrays.library(x) == "torch":
        return x.flip(axis)
    return x[tuple(slice(None, None, -1) if n == axis else slice(None) for n in range(x.ndim))]


def _offsets(cu_seqlens):
    dtype = _arrays.dtype_of(cu_seqlens, "int32")
    return cu_seqlens.astype(dtype) if _arrays.library(cu_seqlens) == "numpy" else cu_seqlens.to(dtype)


def _one_of(g, g_gamma):
    if g is not None and g_gamma is not None:
        raise ValueError("expected g or g_gamma, got both")
    if g_gamma is not None and len(g_gamma.shape) != 1:
        raise ValueError(f"expected g_gamma of shape (H,), got {tuple(g_gamma.shape)}")
    if g is not None and len(g.shape) != 3:
        raise ValueError(f"expected g of shape (B, T, H), got {tuple(g.shape)}")
    return g if g is not None else g_gamma


def _retention(q):
    return _of_heads(q, tuple(math.log1p(-2.0 ** (-5 - h)) for h in range(q.shape[2])))


def _lightning(q, layer_idx, num_layers):
    heads = q.shape[2]
    return _of_heads(q, tuple(-8.0 / heads * (1.0 - layer_idx / num_layers) * h for h in range(heads)))


def _of_heads(q, numbers):
    """A number of each head, where q is. Made once, so that calls copy nothing to a device."""
    library = _arrays.library(q)
    key = numbers, library, _arrays.device(q)
    made = _decays.get(key)
    if made is None:
        if library == "torch":
            torch = sys.modules["torch"]
            made = torch.tensor(numbers, dtype=torch.float32, device=q.device)
        else:
            import numpy
            made = numpy.array(numbers, numpy.float32)
        _decays[key] = made
    return made
