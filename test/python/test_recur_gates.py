"""Gates of recurrences where they are hardest: products over a chunk that no number format holds, decays near 1, resets at every token, complex
decays; and what is not a gate, or not a state. On a CPU, against loops over tokens in float64."""
import numpy as np
import pytest

import heddle
from heddle import gates
from recur_oracle import GATES, difference, recurrence, spread

BF16 = pytest.importorskip("ml_dtypes").bfloat16
T = 150  # no multiple of a chunk
PRODUCTS = {"1e-15": 1e-15, "1e-40": 1e-40, "near 1": 1 - 1e-4, "1": 1.0}  # of the decays of 64 tokens


def inputs(seed, b=2, h=2, t=T, d=16, dtype=np.float32):
    generator = np.random.default_rng(seed)
    return generator, *(generator.standard_normal((b, h, t, d)).astype(dtype) for _ in range(3))


@pytest.mark.parametrize("chunk", [16, 64, 128, None])
@pytest.mark.parametrize("kind", ["head", "token", "channel"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_over_a_chunk(name, kind, chunk):
    """Decays of one size, so that the sums at the end of a chunk are as they are named; and as uneven ones."""
    generator, q, k, v = inputs(len(name))
    state = generator.standard_normal((2, 2, 16, 16)).astype(np.float32)
    for uneven in (1.0, generator.uniform(0, 2, GATES[kind](2, 2, T, 16))):
        gate = (np.log(PRODUCTS[name]) / 64 * uneven * np.ones(GATES[kind](2, 2, T, 16))).astype(np.float32)
        got, final = heddle.recur(q, k, v, gate=gate, chunk_size=chunk, initial_state=state, return_final_state=True, scale=1.0)
        wanted, last, _ = recurrence(q, k, v, spread(gate, 2), state)
        assert difference(got, wanted) < 1e-5 and difference(final, last) < 1e-5
        # Far rows alone, in which the first state is what underflows.
        assert difference(got[:, :, -1], wanted[:, :, -1]) < 1e-5


@pytest.mark.parametrize("kind", ["head", "token", "channel"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_over_a_chunk_of_16_bits(name, kind):
    generator, q, k, v = inputs(7, d=32, dtype=BF16)
    gate = (np.log(PRODUCTS[name]) / 64 * generator.uniform(0, 2, GATES[kind](2, 2, T, 32))).astype(np.float32)
    q, k, v, gate = (x.astype(np.float64) for x in (q, k, v, gate.astype(BF16)))
    got = heddle.recur(*(x.astype(BF16) for x in (q, k, v)), gate=gate.astype(BF16), scale=1.0)
    assert difference(got, recurrence(q, k, v, spread(gate, 2))[0]) < 1e-2


@pytest.mark.parametrize("chunk", [16, 64])
@pytest.mark.parametrize("how", ["token", "channel", "segments"])
def test_a_reset_at_every_position(how, chunk):
    """Sequence n forgets at token n."""
    t = 70
    generator, q, k, v = inputs(3, b=t, h=1, t=t)
    state, begins = generator.standard_normal((t, 1, 16, 16)).astype(np.float32), np.eye(t, dtype=bool)
    options = dict(chunk_size=chunk, initial_state=state, return_final_state=True, scale=1.0)
    if how == "segments":  # the first token has none before it
        options["segments"], begins[0] = begins.cumsum(1).astype(np.int32), False
        wanted, last, _ = recurrence(q, k, v, None, state, begins=begins)
    else:
        gate = -np.abs(generator.standard_normal(GATES[how](t, 1, t, 16))).astype(np.float32) / 8
        gate[np.arange(t), 0, np.arange(t)] = -np.inf
        options["gate"] = gate
        wanted, last, _ = recurrence(q, k, v, spread(gate, 1), state)
    got, final = heddle.recur(q, k, v, **options)
    assert max(difference(one, other) for one, other in zip(got, wanted)) < 1e-5
    assert max(difference(one, other) for one, other in zip(final, last)) < 1e-5


def test_a_bonus_of_the_current_token_is_one_merge():
    """o_t = q_t (S_{t-1} + diag(u) k_t v_t^T), as in RWKV: the state before the token, and the token by a weight of its own."""
    generator, q, k, v = inputs(4)
    u, gate = generator.standard_normal((2, 16)).astype(np.float32), -np.abs(generator.standard_normal((2, 2, T))).astype(np.float32)

    @heddle.spec
    def bonus(q, k, v, gate, u):
        own = (q * u[:, None] * k).sum(-1)
        far = heddle.recur(q, k, v, gate=gate, at=lambda t: t - 1, scale=1.0)
        return heddle.merge(far, v, weights=lambda b, h, i: (1.0, own[b, h, i]))
    wanted = recurrence(q, k, v, spread(gate, 2), at=np.arange(T) - 1)[0]
    wanted = wanted + (q.astype(float) * u[:, None] * k).sum(-1, keepdims=True) * v
    assert difference(bonus(q, k, v, gate, u), wanted) < 1e-5


def complex_loop(q, k, v, gate, theta, state):
    """(Re(q S), S) in complex numbers, token by token; gate and theta broadcast to (b, h, t, c)."""
    rows = []
    for t in range(q.shape[2]):
        decay = np.exp(gate[:, :, min(t, gate.shape[2] - 1)] + 1j * theta[:, :, t])
        state = state * decay[..., None] + k[:, :, t, :, None] * v[:, :, t, None]
        rows.append((q[:, :, t, :, None] * state).sum(2).real)
    return np.stack(rows, 2), state


def turning(gate, angle):
    """The spec for a gate's type and an angle's."""
    def function(q, k, v, gate, angle, state):
        q, k, gate = gates.complex_decay(q, k, gate, angle)
        return heddle.recur(q, k, v, gate=gate, initial_state=state, return_final_state=True, scale=1.0)
    row = "?x?x?x16xf32"
    return heddle.Spec(function, dict(q=row, k=row, v=row, gate=gate, angle=angle, state="?x?x32x16xf32"))


@pytest.mark.parametrize("strength", [1 / 16, 20.0])
@pytest.mark.parametrize("kind, per_channel", [("head", False), ("token", False), ("token", True), ("channel", True)])
def test_complex_decays(kind, per_channel, strength):
    """From a state, to a state, and one token after another behind it."""
    generator, q, k, v = inputs(5)
    gate = -np.abs(generator.standard_normal(GATES[kind](2, 2, T, 16))) * strength
    theta = generator.uniform(-np.pi, np.pi, (2, 2, T, 16 if per_channel else 1))
    first = generator.standard_normal((2, 2, 16, 16)) + 1j * generator.standard_normal((2, 2, 16, 16))
    wanted, last = complex_loop(q, k, v, spread(gate, 2), theta, first)
    angle = (theta.cumsum(2) % (2 * np.pi)).astype(np.float32)
    angle = angle if per_channel else angle[..., 0]
    halves = np.concatenate([first.real, -first.imag], 2).astype(np.float32)  # S_t = exp(i angle_t) (U - i L), and angle_0 is 0
    spec = turning({"head": "?xf32", "token": "?x?x?xf32", "channel": "?x?x?x16xf32"}[kind], "?x?x?x16xf32" if per_channel else "?x?x?xf32")
    got, state = spec(q, k, v, gate.astype(np.float32), angle, halves)
    assert difference(got, wanted) < 1e-5
    turn = np.exp(1j * (angle[:, :, -1] if per_channel else angle[:, :, -1:]))[..., None]
    upper, lower = np.split(state.astype(float), 2, 2)
    assert abs(turn * (upper - 1j * lower) - last).max() < 1e-4
    cut = lambda x, some: np.ascontiguousarray(x[:, :, some])
    part = lambda x, some: x if x.ndim == 1 else cut(x, some)
    rows, state, single = [], halves, gate.astype(np.float32)
    for some in (slice(0, T - 3), *(slice(t, t + 1) for t in range(T - 3, T))):
        row, state = spec(*(cut(x, some) for x in (q, k, v)), part(single, some), cut(angle, some), state)
        rows.append(row)
    assert difference(np.concatenate(rows, 2), wanted) < 1e-5


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, T), (2, 2, T + 1), (1, 2, T, 8), (3, 2, T), (2, 3, T), (2, T, 2), (2, 2, T, 16, 1)])
def test_what_is_not_a_gates_shape(shape):
    _, q, k, v = inputs(6)
    with pytest.raises((ValueError, heddle.TraceError), match="expected.* gate"):
        heddle.recur(q, k, v, gate=np.zeros(shape, np.float32))
    if len(shape) > 2 and shape[2] == T:
        with pytest.raises((ValueError, heddle.TraceError), match="expected.* gate"):
            heddle.recur_step(q[:, :, 0], k[:, :, 0], v[:, :, 0], np.zeros((2, 2, 16, 16), np.float32), gate=np.zeros(shape, np.float32)[:, :, 0])


@pytest.mark.parametrize("value", [1e-3, np.inf, np.nan])
@pytest.mark.parametrize("kind", ["head", "token", "channel"])
def test_a_gate_is_never_positive(kind, value):
    _, q, k, v = inputs(6)
    gate = np.full(GATES[kind](2, 2, T, 16), -0.5, np.float32)
    gate.flat[-1] = value
    with pytest.raises(ValueError, match="expected a gate of logarithms that are at most 0, got (0.001|inf|nan)"):
        heddle.recur(q, k, v, gate=gate)
    last = gate if kind == "head" else gate[:, :, -1]
    with pytest.raises(ValueError, match="expected a gate of logarithms that are at most 0"):
        heddle.recur_step(q[:, :, 0], k[:, :, 0], v[:, :, 0], np.zeros((2, 2, 16, 16), np.float32), gate=last)


@pytest.mark.parametrize("gate", [np.zeros((2, 2, T), np.float64), np.zeros((2, 2, T), np.int32), [0.0, 0.0]])
def test_what_is_not_a_gates_type(gate):
    _, q, k, v = inputs(6)
    with pytest.raises((TypeError, ValueError), match="expected"):
        heddle.recur(q, k, v, gate=gate)


@pytest.mark.parametrize("shape, dtype, message", [
    ((2, 2, 16, 16), np.float64, "float32"), ((2, 2, 16, 16), np.float16, "float32"), ((2, 2, 16, 24), np.float32, "shape"), ((3, 2, 16, 16), np.float32, "shape"),
    ((2, 3, 16, 16), np.float32, "shape"), ((2, 2, 16), np.float32, "rank 4"), ((2, 2, 24, 16), np.float32, "16"),
])
def test_what_is_not_a_state(shape, dtype, message):
    _, q, k, v = inputs(6)
    state = np.zeros(shape, dtype)
    for call in (lambda: heddle.recur(q, k, v, initial_state=state), lambda: heddle.recur_step(q[:, :, 0], k[:, :, 0], v[:, :, 0], state)):
        with pytest.raises((ValueError, TypeError, heddle.TraceError, heddle.CompileError), match=f"expected.*{message}"):
            call()
