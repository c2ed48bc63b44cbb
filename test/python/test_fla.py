"""heddle.fla against float64 NumPy: decays, layouts, states, packed sequences, and returns as their users expect them."""
import inspect

import numpy as np
import pytest

import heddle
from heddle import fla
from recur_oracle import difference, logarithms, recurrence, spread, wide

B, T, H, K, V = 2, 70, 4, 32, 48
LAYER = dict(layer_idx=1, num_layers=4)


def heads_first(x):
    return x if x is None or x.ndim == 1 else np.moveaxis(x, 1, 2)


def decay(name):
    """What a mechanism's gate is, of H heads, from its definition."""
    h = np.arange(H)
    return {"retention": lambda: np.log(1 - 2.0 ** (-5 - h)), "lightning_attn": lambda: -8 / H * (1 - 1 / 4) * h}[name]()


def options(name, generator, lead=(B, T)):
    """(what an entry takes beside q, k, v; the gate that it means)."""
    if name == "linear_attn":
        return {"normalize": False}, None
    if name == "simple_gla":
        gate = logarithms(generator, (*lead, H), "usual")
        return {"g": gate}, gate
    if name == "gla":
        gate = logarithms(generator, (*lead, H, K), "usual")
        return {"g": gate}, gate
    return (LAYER if name == "lightning_attn" else {}), decay(name)


def entry(form, name):
    found = getattr(fla, f"{form}_{name}")
    if (form, name) == ("fused_recurrent", "gla"):
        return lambda *arrays, g, **more: found(*arrays, gk=g, **more)
    return found


def inputs(generator, lead=(B, T), key_heads=H):
    return tuple(generator.standard_normal((*lead, n, d)).astype(np.float32) for n, d in ((H, K), (key_heads, K), (H, V)))


def expected(q, k, v, gate, state=None, **more):
    """As the entries lay things out."""
    q, k, v = (wide(heads_first(x), H) for x in (q, k, v))
    o, s, z = recurrence(q, k, v, spread(heads_first(gate), H), state, **{"scale": K**-0.5, **more})
    return np.moveaxis(o, 1, 2), s, z


FORMS, NAMES = ("chunk", "fused_recurrent"), ("linear_attn", "retention", "lightning_attn", "simple_gla", "gla")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_whole_packed_and_one_token(name, form, library):
    convert = (lambda x: x) if library == "numpy" else pytest.importorskip("torch").from_numpy
    given = lambda values: {key: convert(x) if isinstance(x, np.ndarray) else x for key, x in values.items()}
    generator = np.random.default_rng(len(name))
    q, k, v = inputs(generator, key_heads=2)
    more, gate = options(name, generator)
    call = entry(form, name)
    o, state = call(*map(convert, (q, k, v)), **given(more))
    assert state is None and difference(o, expected(q, k, v, gate)[0]) < 1e-5
    first = generator.standard_normal((B, H, K, V)).astype(np.float32)
    o, state = call(*map(convert, (q, k, v)), initial_state=convert(first), output_final_state=True, scale=0.3, **given(more))
    wanted = expected(q, k, v, gate, first, scale=0.3)
    assert type(state) is type(convert(first)) and difference(o, wanted[0]) < 1e-5 and difference(state, wanted[1]) < 1e-5

    # Sequences of 30, 0 and 97 tokens in a batch of 1.
    offsets = np.array([0, 30, 30, 127])
    q, k, v = inputs(generator, (1, 127))
    more, gate = options(name, generator, (1, 127))
    first = generator.standard_normal((3, H, K, V)).astype(np.float32)
    o, state = call(*map(convert, (q, k, v)), initial_state=convert(first), output_final_state=True, cu_seqlens=convert(offsets), **given(more))
    for n, (start, end) in enumerate(zip(offsets, offsets[1:])):
        part = lambda x: x if x is None or x.ndim == 1 else x[:, start:end]
        wanted = expected(*map(part, (q, k, v, gate)), first[n:n + 1])
        assert difference(state[n:n + 1], wanted[1]) < 1e-5 and (start == end or difference(o[:, start:end], wanted[0]) < 1e-5)

    # A token after a state.
    q, k, v = inputs(generator, (B, 1))
    more, gate = options(name, generator, (B, 1))
    first = generator.standard_normal((B, H, K, V)).astype(np.float32)
    o, state = call(*map(convert, (q, k, v)), initial_state=convert(first), output_final_state=True, **given(more))
    wanted = expected(q, k, v, gate, first)
    assert difference(o, wanted[0]) < 1e-5 and difference(state, wanted[1]) < 1e-5


@pytest.mark.parametrize("form", FORMS)
def test_normalized_rows(form):
    generator = np.random.default_rng(1)
    q, k, v = inputs(generator)
    q, k, call = np.abs(q), np.abs(k), entry(form, "linear_attn")
    o, (s, z) = call(q, k, v, output_final_state=True, normalize=True)
    wanted = expected(q, k, v, None, divide=True)
    assert difference(o, wanted[0]) < 1e-5 and difference(s, wanted[1]) < 1e-5 and difference(z, wanted[2][:, None]) < 1e-5
    more = inputs(generator)
    o, _ = call(np.abs(more[0]), np.abs(more[1]), more[2], initial_state=(s, z), normalize=True)
    wanted = expected(np.abs(more[0]), np.abs(more[1]), more[2], None, wanted[1], mass=wanted[2], divide=True)
    assert difference(o, wanted[0]) < 1e-5
    o, _ = call(q, k, v, initial_state=s, normalize=True)
    assert difference(o, expected(q, k, v, None, s, divide=True)[0]) < 1e-5


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("name", NAMES)
def test_from_the_last_token_to_the_first(name, library):
    convert = (lambda x: x) if library == "numpy" else pytest.importorskip("torch").from_numpy
    generator = np.random.default_rng(2)
    offsets = np.array([0, 30, 70])
    q, k, v = inputs(generator, (1, T))
    more, gate = options(name, generator, (1, T))
    first = generator.standard_normal((2, H, K, V)).astype(np.float32)
    back = lambda x: x if x is None or x.ndim == 1 else x[:, ::-1]
    more = {key: convert(x) if isinstance(x, np.ndarray) else x for key, x in more.items()}
    arrays, call = [convert(x) for x in (q, k, v)], entry("fused_recurrent", name)
    o, state = call(*arrays, initial_state=convert(first[:1]), output_final_state=True, reverse=True, **more)
    wanted = expected(*map(back, (q, k, v, gate)), first[:1])
    assert difference(o, back(wanted[0])) < 1e-5 and difference(state, wanted[1]) < 1e-5
    o, state = call(*arrays, initial_state=convert(first), output_final_state=True, reverse=True, cu_seqlens=convert(offsets), **more)
    for n, (start, end) in enumerate(zip(offsets, offsets[1:])):
        part = lambda x: x if x is None or x.ndim == 1 else back(x[:, start:end])
        wanted = expected(*map(part, (q, k, v, gate)), first[n:n + 1])
        assert difference(o[:, start:end], back(wanted[0])) < 1e-5 and difference(state[n:n + 1], wanted[1]) < 1e-5


@pytest.mark.parametrize("call", [fla.chunk_simple_gla, fla.fused_recurrent_simple_gla])
@pytest.mark.parametrize("tokens", [1, T])
def test_states_with_values_first(call, tokens):
    generator = np.random.default_rng(3)
    q, k, v = inputs(generator, (B, tokens))
    first, gamma = generator.standard_normal((B, H, V, K)).astype(np.float32), -np.arange(H, dtype=np.float32)
    o, state = call(q, k, v, g_gamma=gamma, initial_state=first, output_final_state=True, state_v_first=True)
    wanted = expected(q, k, v, gamma, first.swapaxes(2, 3))
    assert difference(o, wanted[0]) < 1e-5 and difference(state, wanted[1].swapaxes(2, 3)) < 1e-5


def test_signatures():
    """Positional arguments and defaults of flash-linear-attention 0.5.2, compared with its sources by hand."""
    scale, states, packed = ["scale=None"], ["initial_state=None", "output_final_state=False"], ["cu_seqlens=None"]
    reverse, values_first, both = ["reverse=False"], ["state_v_first=False"], ["cu_seqlens=None", "cu_seqlens_cpu=None"]
    wanted = {
        "chunk_linear_attn": [*scale, *states, "normalize=True", *packed], "chunk_retention": [*scale, *states, *packed],
        "chunk_lightning_attn": ["layer_idx", "num_layers", *scale, *states, *packed],
        "chunk_simple_gla": ["g=None", "g_gamma=None", *scale, *states, *values_first, *both], "chunk_gla": ["g", *scale, *states, *values_first, *both],
        "fused_recurrent_linear_attn": [*scale, *states, *reverse, "normalize=False", *packed],
        "fused_recurrent_retention": [*scale, *states, *reverse, *values_first, *packed],
        "fused_recurrent_lightning_attn": ["layer_idx", "num_layers", *scale, *states, *reverse, *packed],
        "fused_recurrent_simple_gla": ["g=None", "g_gamma=None", *scale, *states, *reverse, *values_first, *packed],
        "fused_recurrent_gla": ["gk=None", "gv=None", *scale, *states, *reverse, *values_first, *packed],
    }
    for name, more in wanted.items():
        parameters = inspect.signature(getattr(fla, name)).parameters.values()
        assert [str(p) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD] == ["q", "k", "v", *more], name
    assert set(wanted) == {name for name in dir(fla) if name.startswith(("chunk_", "fused_recurrent_"))}


@pytest.mark.parametrize("name, arguments, message", [
    ("chunk_simple_gla", dict(g=np.zeros((B, T, H), np.float32), g_gamma=np.zeros(H, np.float32)), "expected g or g_gamma, got both"),
    ("chunk_simple_gla", dict(g=np.zeros((B, H, T), np.float32)), "expected a gate of shape"),
    ("chunk_simple_gla", dict(g=np.zeros((B, T, H, K), np.float32)), "expected g of shape (B, T, H)"),
    ("chunk_simple_gla", dict(g_gamma=np.ones(H, np.float32)), "expected a gate of logarithms that are at most 0, got 1.0"),
    ("chunk_gla", dict(g=np.zeros((B, T, H, V), np.float32)), "channels"),
    ("fused_recurrent_gla", dict(gv=np.zeros((B, T, H, V), np.float32)), "expected no gv"),
    ("chunk_retention", dict(cu_seqlens=np.array([0, T])), "expected a batch of 1 that holds all sequences"),
    ("chunk_retention", dict(initial_state=np.zeros((1, H, K, V))), "expected initial_state of float32"),
    ("chunk_linear_attn", dict(initial_state=(np.zeros((B, H, K, V), np.float32), np.zeros((B, H, K), np.float32))), "expected z of shape (N, 1, H, K)"),
    ("chunk_linear_attn", dict(normalize=False, initial_state=(np.zeros((B, H, K, V), np.float32),) * 2), "expected one state"),
    ("chunk_retention", dict(chunk_size=48), "expected chunk_size to be a power of two"),
])
def test_refusals(name, arguments, message):
    x = np.zeros((B, T, H, K), np.float32)
    with pytest.raises((ValueError, TypeError, NotImplementedError, heddle.TraceError)) as raised:
        getattr(fla, name)(x, x, np.zeros((B, T, H, V), np.float32), **arguments)
    assert message in str(raised.value)
