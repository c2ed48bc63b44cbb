"""heddle.recur and heddle.recur_step on a CPU against float64 NumPy."""
import warnings
import zlib

import numpy as np
import pytest

import heddle
from recur_oracle import GATES, KINDS, difference, logarithms, recurrence, spread, wide

ml_dtypes = pytest.importorskip("ml_dtypes")
TOLERANCE = {"float32": 1e-5, "float16": 2e-3, "bfloat16": 1e-2}


def array(generator, shape, dtype="float32"):
    return generator.standard_normal(shape, np.float32).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


def poisoned(shape, dtype):
    return np.full(shape, np.nan, dtype)


@pytest.mark.parametrize("kind, strength", KINDS)
@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_every_gate(kind, dtype, strength):
    generator = np.random.default_rng(zlib.crc32(f"{kind} {dtype} {strength}".encode()))
    b, h, t, d, e = 2, 4, 150, 32, 48
    q, k, v = array(generator, (b, h, t, d), dtype), array(generator, (b, 2, t, d), dtype), array(generator, (b, 1, t, e), dtype)
    gate = None if GATES[kind] is None else logarithms(generator, GATES[kind](b, 2, t, d), strength)
    state = array(generator, (b, h, d, e))
    out = poisoned((b, h, t, e), q.dtype)
    got, final = heddle.recur(q, k, v, gate=gate, initial_state=state, return_final_state=True, out=out)
    assert got is out
    expected, s, _ = recurrence(wide(q, h), wide(k, h), wide(v, h), spread(gate, h), state, scale=d**-0.5)
    assert difference(got, expected) < TOLERANCE[dtype]
    assert difference(final, s) < TOLERANCE[dtype]


@pytest.mark.parametrize("kind", list(GATES))
@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_chunks_change_nothing(kind, size):
    generator = np.random.default_rng(size)
    b, h, t, d = 1, 2, 100, 16
    q, k, v = (array(generator, (b, h, t, d)) for _ in range(3))
    gate = None if GATES[kind] is None else logarithms(generator, GATES[kind](b, h, t, d), "usual")
    got = heddle.recur(q, k, v, gate=gate, chunk_size=size, scale=0.5)
    assert difference(got, recurrence(*(wide(x, h) for x in (q, k, v)), spread(gate, h), scale=0.5)[0]) < 1e-5


def test_sum_normalizer_and_feature_map():
    generator = np.random.default_rng(3)
    b, h, t, d, e = 2, 2, 90, 24, 32
    q, k, v = array(generator, (b, h, t, d)), array(generator, (b, h, t, d)), array(generator, (b, h, t, e))
    gate = logarithms(generator, (b, h, t), "usual")
    features = lambda x: heddle.where(x > 0, x + 1, heddle.exp(x))
    plain = lambda x: np.where(x > 0, x + 1, np.exp(np.minimum(x, 0))).astype(np.float64)
    state, mass = np.abs(array(generator, (b, h, d, e))), np.abs(array(generator, (b, h, d)))
    got, (s, z) = heddle.recur(q, k, v, gate=gate, feature_map=features, normalizer="sum", initial_state=(state, mass),
                               return_final_state=True)
    expected = recurrence(plain(q), plain(k), v.astype(float), spread(gate, h), state, mass, divide=True)
    for one, other in zip((got, s, z), expected):
        assert difference(one, other) < 1e-5


def test_learned_features_of_each_head():
    """Concatenated softmaxes of a linear map per head, of q and of k."""
    generator = np.random.default_rng(4)
    b, h, t, d, f, e = 1, 4, 70, 32, 16, 32
    q, k, v = array(generator, (b, h, t, d)), array(generator, (b, h, t, d)), array(generator, (b, h, t, e))
    maps = [array(generator, (h, d, f)) / 4 for _ in range(2)]

    def features(w):
        def apply(x):
            y = x @ w
            return heddle.concat([heddle.softmax(y), heddle.softmax(-y)])
        return apply

    def plain(x, w):
        y = np.einsum("bhtc,hcf->bhtf", x.astype(float), w.astype(float))
        parts = [np.exp(s - s.max(-1, keepdims=True)) for s in (y, -y)]
        return np.concatenate([p / p.sum(-1, keepdims=True) for p in parts], -1)

    got = heddle.recur(q, k, v, feature_map=tuple(features(w) for w in maps), normalizer="sum")
    expected = recurrence(plain(q, maps[0]), plain(k, maps[1]), v.astype(float), divide=True)[0]
    assert difference(got, expected) < 1e-5


@pytest.mark.parametrize("kind", list(GATES))
def test_layouts_and_packed_sequences(kind):
    generator = np.random.default_rng(5)
    b, h, t, d, e = 2, 4, 80, 32, 16
    q, k, v = array(generator, (b, t, h, d)), array(generator, (b, t, 2, d)), array(generator, (b, t, h, e))
    shape = None if GATES[kind] is None else GATES[kind](b, h, t, d)
    gate = None if shape is None else logarithms(generator, shape if len(shape) == 1 else (b, t, h, *shape[3:]), "usual")
    swapped = None if gate is None else gate if gate.ndim == 1 else np.moveaxis(gate, 1, 2)
    got = heddle.recur(q, k, v, gate=gate, layout="bthd")
    expected = recurrence(*(wide(np.moveaxis(x, 1, 2), h) for x in (q, k, v)), spread(swapped, h), scale=d**-0.5)[0]
    assert difference(got, np.moveaxis(expected, 1, 2)) < 1e-5

    offsets = np.array([0, 30, 30, 97, b * t - 3], np.int32)
    flat = [x.reshape(b * t, *x.shape[2:]) for x in (q, k, v)]
    flat_gate = None if gate is None else gate if gate.ndim == 1 else gate.reshape(b * t, *gate.shape[2:])
    state = array(generator, (4, h, d, e))
    got, final = heddle.recur(*flat, gate=flat_gate, layout="thd", cu_seqlens=offsets, initial_state=state, return_final_state=True)
    for n, (start, end) in enumerate(zip(offsets, offsets[1:])):
        own = [wide(np.moveaxis(x[start:end], 0, 1)[None], h) for x in flat]
        own_gate = flat_gate if flat_gate is None or flat_gate.ndim == 1 else np.moveaxis(flat_gate[start:end], 0, 1)[None]
        expected, s, _ = recurrence(*own, spread(own_gate, h), state[n:n + 1], scale=d**-0.5)
        assert difference(final[n], s[0]) < 1e-5
        if end > start:
            assert difference(got[start:end], np.moveaxis(expected[0], 0, 1)) < 1e-5


@pytest.mark.parametrize("normalizer", ["none", "sum"])
@pytest.mark.parametrize("kind", list(GATES))
def test_tokens_one_by_one_are_the_whole(kind, normalizer):
    generator = np.random.default_rng(6)
    b, h, t, d, e = 2, 4, 20, 32, 48
    q, k, v = array(generator, (b, h, t, d)), array(generator, (b, 2, t, d)), array(generator, (b, 2, t, e))
    gate = None if GATES[kind] is None else logarithms(generator, GATES[kind](b, h, t, d), "usual")
    options = dict(feature_map=heddle.exp, normalizer=normalizer)
    whole, last = heddle.recur(q, k, v, gate=gate, return_final_state=True, **options)
    state = np.zeros((b, h, d, e), np.float32)
    state = (state, np.zeros((b, h, d), np.float32)) if normalizer == "sum" else state
    rows = []
    for n in range(t):
        own = gate if gate is None or gate.ndim == 1 else np.ascontiguousarray(gate[:, :, n])
        row, state = heddle.recur_step(q[:, :, n], k[:, :, n], v[:, :, n], state, gate=own, out_state=state, **options)
        rows.append(row)
    assert difference(np.stack(rows, 2), whole) < 1e-5
    for one, other in zip(state if normalizer == "sum" else (state,), last if normalizer == "sum" else (last,)):
        assert difference(one, other) < 1e-5


def test_reset_by_a_gate():
    """-inf forgets all that was before its token."""
    generator = np.random.default_rng(7)
    q, k, v = (array(generator, (1, 1, 40, 16)) for _ in range(3))
    gate = logarithms(generator, (1, 1, 40), "weak")
    gate[0, 0, [5, 6, 31]] = -np.inf
    got = heddle.recur(q, k, v, gate=gate)
    assert difference(got, recurrence(q, k, v, spread(gate, 1), scale=0.25)[0]) < 1e-5


@pytest.mark.parametrize("layout", ["bhtd", "bthd", "thd"])
@pytest.mark.parametrize("at, place", [("end", lambda i: i * 0 + 10**6), (lambda i: i - 9, lambda i: i - 9), (lambda i: i // 16 * 16 - 1, lambda i: i // 16 * 16 - 1)])
def test_rows_that_read_other_tokens(at, place, layout):
    """More rows than tokens, with their mass; of packed sequences, each of its own tokens."""
    generator = np.random.default_rng(11)
    b, h, rows, t, d = 2, 2, 90, 70, 16
    q, k, v = (np.abs(array(generator, (b, h, n, d))) for n in (rows if layout != "thd" else t, t, t))
    gate = logarithms(generator, (b, h, t), "usual")
    state, mass = np.abs(array(generator, (b, h, d, d))), np.abs(array(generator, (b, h, d)))
    options = dict(at=at, normalizer="sum", feature_map=lambda x: x, return_mass=layout != "thd", return_final_state=True, initial_state=(state, mass), layout=layout)
    order = {"bhtd": lambda x: x, "bthd": lambda x: np.moveaxis(x, 1, 2), "thd": lambda x: np.concatenate(np.moveaxis(x, 1, 2))}[layout]
    if layout == "thd":
        options["cu_seqlens"] = np.array([0, t, 2 * t], np.int32)
    got, *masses, (s, z) = heddle.recur(*(np.ascontiguousarray(order(x)) for x in (q, k, v)), gate=np.ascontiguousarray(order(gate)), **options)
    wanted, last, last_mass = recurrence(q, k, v, spread(gate, h), state, mass, divide=True, at=place(np.arange(q.shape[2])))
    assert difference(got, order(wanted)) < 1e-5 and difference(s, last) < 1e-5 and difference(z, last_mass) < 1e-5
    weights = recurrence(q, k, np.ones((b, h, t, 1)), spread(gate, h), mass[..., None], at=place(np.arange(q.shape[2])))[0][..., 0]
    assert layout == "thd" or difference(masses[0], weights) < 1e-5


@pytest.mark.parametrize("layout", ["bhtd", "bthd"])
def test_segments_forget(layout):
    generator = np.random.default_rng(12)
    q, k, v = (array(generator, (2, 2, 100, 16)) for _ in range(3))
    ids = (generator.random((2, 100)) < 0.1).cumsum(1).astype(np.int32)
    order = lambda x: x if layout == "bhtd" else np.ascontiguousarray(np.moveaxis(x, 1, 2))
    got, mass = heddle.recur(*map(order, (q, k, v)), segments=ids, layout=layout, normalizer="sum", feature_map=heddle.exp, return_mass=True)
    begins = np.concatenate([np.zeros((2, 1), bool), ids[:, 1:] != ids[:, :-1]], 1)
    fq, fk = np.exp(q.astype(float)), np.exp(k.astype(float))
    assert difference(got, order(recurrence(fq, fk, v.astype(float), divide=True, begins=begins)[0])) < 1e-5
    assert difference(mass, recurrence(fq, fk, np.ones((2, 2, 100, 1)), begins=begins)[0][..., 0]) < 1e-5


def test_wide_states_are_divided():
    generator = np.random.default_rng(8)
    q, k, v = array(generator, (1, 1, 70, 256)), array(generator, (1, 1, 70, 256)), array(generator, (1, 1, 70, 320))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got, (s, z) = heddle.recur(np.abs(q), np.abs(k), v, normalizer="sum", return_final_state=True)
    expected = recurrence(np.abs(q).astype(float), np.abs(k).astype(float), v.astype(float), divide=True)
    for one, other in zip((got, s, z), expected):
        assert difference(one, other) < 1e-5


@pytest.mark.parametrize("arguments, message", [
    (dict(beta=1.0), "expected beta=None"),
    (dict(normalizer="softmax"), "expected normalizer=\"none\" or \"sum\", got 'softmax'"),
    (dict(layout="thd"), "expected cu_seqlens for layout \"thd\""),
    (dict(chunk_size=48), "expected chunk_size to be a power of two from 16 to 256, got 48"),
    (dict(gate=np.ones((2,), np.float32)), "expected a gate of logarithms that are at most 0, got 1.0"),
    (dict(gate=np.zeros((3,), np.float32)), "expected a gate of shape"),
    (dict(gate=np.zeros((1, 2, 9), np.float32)), "expected a gate of shape"),
    (dict(initial_state=np.zeros((1, 2, 16, 16), np.float64)), "expected initial_state of float32"),
    (dict(initial_state=np.zeros((1, 2, 16, 8), np.float32)), "expected initial_state of shape"),
    (dict(normalizer="sum", feature_map=heddle.exp, initial_state=np.zeros((1, 2, 16, 16), np.float32)), "expected a pair of a state and its mass"),
    (dict(feature_map=lambda x: x.sum()), "expected a feature_map that returns an array of rank 4"),
    (dict(out=np.zeros((1, 2, 8, 16), np.float32)), "expected out of shape"),
    (dict(return_mass=True), "expected normalizer=\"sum\" where the sums of weights are returned, got 'none'"),
    (dict(return_mass=True, normalizer="sum", layout="thd", cu_seqlens=np.array([0, 1], np.int32)), "expected return_mass for layouts"),
    (dict(at="start"), "expected a function of a row, \"end\" or None as at, got 'start'"),
    (dict(at=lambda i: 0.5), "expected an at function to return an integer, got 0.5"),
    (dict(at=lambda i: 9 - i), "expected rows that read at positions that never fall"),
    (dict(segments=np.zeros((1, 9), np.int32)), "expected segments of int32 and shape (1, 10), got int32 of shape (1, 9)"),
    (dict(segments=np.zeros((1, 10), np.int64)), "expected segments of int32"),
])
def test_refusals(arguments, message):
    x = np.zeros((1, 2, 10, 16), np.float32)
    with pytest.raises((ValueError, TypeError, NotImplementedError, heddle.TraceError, heddle.CompileError)) as raised:
        heddle.recur(x, x, x, **arguments)
    assert message in str(raised.value)


def test_a_query_has_fewer_heads_than_values():
    generator = np.random.default_rng(9)
    q, k, v = (array(generator, (2, heads, 40, 16)) for heads in (1, 2, 4))
    gate = logarithms(generator, (2, 2, 40), "usual")
    got, final = heddle.recur(q, k, v, gate=gate, return_final_state=True)
    expected, s, _ = recurrence(*(wide(x, 4) for x in (q, k, v)), spread(gate, 4), scale=0.25)
    assert difference(got, expected) < 1e-5 and difference(final, s) < 1e-5
    swapped = [np.moveaxis(x, 1, 2).copy() for x in (q, k, v)]
    assert difference(heddle.recur(*swapped, gate=np.moveaxis(gate, 1, 2).copy(), layout="bthd"), np.moveaxis(expected, 1, 2)) < 1e-5


SIZES = dict(q=(2, 4, 20, 16), k=(2, 2, 20, 16), v=(2, 4, 20, 24), gate=(2, 4, 20), state=(2, 4, 16, 24), mass=(2, 4, 16))


def in_a_spec(sizes, cu_seqlens=None):
    """A recurrence of zeros inside of a heddle.Spec that knows the sizes of channels alone."""
    def recurrence(q, k, v, gate, state, mass, starts):
        packed = {} if cu_seqlens is None else {"cu_seqlens": starts, "layout": "thd"}
        return heddle.recur(q, k, v, gate=gate, initial_state=(state, mass), normalizer="sum", feature_map=heddle.exp,
                            return_final_state=True, **packed)[0]

    known = {name: 2 if name == "state" else int(name != "gate" or len(sizes[name]) == len(sizes["q"])) for name in sizes}
    types = {name: "x".join(["?"] * (len(size) - known[name]) + [*map(str, size[len(size) - known[name]:]), "f32"]) for name, size in sizes.items()}
    spec = heddle.Spec(recurrence, {**types, "starts": "?xi32"})
    return spec(*(np.zeros(size, np.float32) for size in sizes.values()), np.array(cu_seqlens or [0], np.int32))


@pytest.mark.parametrize("sizes, message", [
    (dict(q=(2, 4, 9, 16)), "expected k as long as q, got 9 (q) and 20 (k)"),
    (dict(v=(2, 4, 19, 24)), "expected v as long as q, got 20 (q) and 19 (v)"),
    (dict(gate=(2, 4, 5)), "expected gate as long as q, got 20 (q) and 5 (gate)"),
    (dict(k=(2, 3, 20, 16)), "expected heads of k that divide the largest number of heads of q, k and v, got 4 (q)"),
    (dict(q=(2, 3, 20, 16)), "expected heads of q that divide"),
    (dict(gate=(3,)), "expected heads of gate that divide"),
    (dict(gate=(2, 0, 20)), "expected heads of gate that divide"),
    (dict(state=(2, 8, 16, 24)), "expected heads of initial_state that divide"),
    (dict(mass=(2, 3, 16)), "expected heads of its mass that divide"),
    (dict(k=(3, 2, 20, 16)), "expected a batch of k of that of q, or 1, got 2 (q) and 3 (k)"),
    (dict(gate=(4, 4, 20)), "expected a batch of gate of that of q, or 1"),
    (dict(state=(3, 4, 16, 24)), "expected a batch of initial_state of that of q, or 1"),
    (dict(state=(2, 4, 8, 24)), "expected initial_state with as many rows as the features are wide, got 16 (features) and 8"),
    (dict(state=(2, 4, 16, 16)), "expected initial_state with as many channels as v, got 24 (v) and 16"),
    (dict(mass=(2, 4, 24)), "expected its mass with as many rows as the features are wide"),
    (dict(gate=(2, 4, 20, 8)), "expected gate with as many channels as features, got 16 (features) and 8"),
    (dict(gate=(4, 20)), "expected gate of rank 1 or 3 or 4 for layout bhtd"),
    (dict(state=(2, 16, 24)), "expected initial_state of rank 4"),
])
def test_sizes_that_disagree_in_a_spec(sizes, message):
    with pytest.raises((ValueError, heddle.TraceError)) as raised:
        in_a_spec({**SIZES, **sizes})
    assert message in str(raised.value)


def test_sizes_that_agree_in_a_spec():
    assert in_a_spec(SIZES).shape == in_a_spec({**SIZES, "k": (1, 1, 20, 16), "state": (1, 2, 16, 24), "gate": (4,)}).shape == (2, 4, 20, 24)


@pytest.mark.parametrize("count, tokens, message", [
    (3, 20, "expected a batch of initial_state of that of cu_seqlens, less one, or 1, got 2 (cu_seqlens, less one) and 3"),
    (2, 30, "expected gate as long as q, got 20 (q) and 30 (gate)"), (2, 20, None)])
def test_sizes_of_packed_sequences_in_a_spec(count, tokens, message):
    sizes = dict(q=(20, 4, 16), k=(20, 2, 16), v=(20, 4, 24), gate=(tokens, 4), state=(count, 4, 16, 24), mass=(count, 4, 16))
    if message is None:
        assert in_a_spec(sizes, [0, 5, 20]).shape == (20, 4, 24)
    else:
        with pytest.raises(ValueError) as raised:
            in_a_spec(sizes, [0, 5, 20])
        assert message in str(raised.value)


def one_token(normalizer="none"):
    """(the arguments of a step, poisoned arrays for its result and states)."""
    generator = np.random.default_rng(10)
    q, k, v = array(generator, (2, 4, 16)), array(generator, (2, 2, 16)), array(generator, (2, 2, 24))
    state, out = np.abs(array(generator, (2, 4, 16, 24))), poisoned((2, 4, 24), np.float32)
    if normalizer == "none":
        return (q, k, v, state), out, poisoned(state.shape, np.float32)
    return (q, k, v, (state, np.abs(array(generator, (2, 4, 16))))), out, (poisoned(state.shape, np.float32), poisoned((2, 4, 16), np.float32))


@pytest.mark.parametrize("normalizer", ["none", "sum"])
def test_a_step_writes_what_it_is_given(normalizer):
    given, out, out_state = one_token(normalizer)
    options = dict(normalizer=normalizer, feature_map=heddle.exp)
    expected, states = heddle.recur_step(*given, **options)
    got, after = heddle.recur_step(*given, out=out, out_state=out_state, **options)
    assert got is out and np.array_equal(out, expected)
    for written, new, own in zip(*((x,) if normalizer == "none" else x for x in (after, states, out_state))):
        assert written is own and np.array_equal(own, new)
    out.fill(np.nan)
    assert heddle.recur_step(*given, out=out, **options)[0] is out and np.array_equal(out, expected)


def read_only(x):
    x.flags.writeable = False
    return x


@pytest.mark.parametrize("normalizer, outputs, message", [
    ("none", dict(out=read_only(np.zeros((2, 4, 24), np.float32))), "expected out to be writeable, got a read-only array"),
    ("none", dict(out=np.zeros((2, 4, 1, 24), np.float32)), "expected out of shape (2, 4, 24), got (2, 4, 1, 24)"),
    ("none", dict(out=np.zeros((2, 2, 24), np.float32)), "expected out of shape (2, 4, 24), got (2, 2, 24)"),
    ("none", dict(out=np.zeros((2, 4, 24))), "expected out of float32, got float64"),
    ("none", dict(out=[0.0]), "expected an array as out, got list"),
    ("none", dict(out=np.zeros((2, 4, 48), np.float32)[..., ::2]), "expected out with a contiguous last dimension"),
    ("none", dict(out_state=read_only(np.zeros((2, 4, 16, 24), np.float32))), "expected out_state to be writeable"),
    ("none", dict(out_state=np.zeros((2, 4, 24, 16), np.float32)), "expected out_state of shape (2, 4, 16, 24), got (2, 4, 24, 16)"),
    ("none", dict(out_state=np.zeros((2, 4, 16, 24), np.float16)), "expected out_state of float32, got float16"),
    ("sum", dict(out_state=np.zeros((2, 4, 16, 24), np.float32)), "expected a pair of a state and its mass"),
    ("sum", dict(out_state=(np.zeros((2, 4, 16, 24), np.float32), np.zeros((2, 4, 24), np.float32))), "expected the mass of out_state of shape"),
])
def test_a_step_refuses_what_it_cannot_write(normalizer, outputs, message):
    given, _, _ = one_token(normalizer)
    with pytest.raises((ValueError, TypeError)) as raised:
        heddle.recur_step(*given, normalizer=normalizer, feature_map=heddle.exp, **outputs)
    assert message in str(raised.value)


ONES = np.ones((8, 8), np.float32)
NEVER_NEGATIVE = [heddle.exp, heddle.sigmoid, heddle.softmax, abs, lambda x: x * x, lambda x: heddle.where(x > 0, x + 1, heddle.exp(x)),
                  lambda x: heddle.where(x <= 0.0, heddle.exp(x), x * 2), lambda x: heddle.maximum(x, 0) ** 2, lambda x: heddle.exp(x @ ONES),
                  lambda x: heddle.concat([heddle.exp(x), heddle.exp(-x)])[..., :8], lambda x: heddle.exp(x) / (1 + x.max(keepdims=True) ** 2),
                  lambda x: heddle.sqrt(abs(x)) + heddle.minimum(abs(x), 1.0) + abs(x).sum(keepdims=True)]
PERHAPS_NEGATIVE = [None, lambda x: x, lambda x: x - 1, lambda x: heddle.exp(x) - 1, heddle.tanh, lambda x: x @ ONES, lambda x: -abs(x),
                    lambda x: heddle.concat([heddle.exp(x), x]), lambda x: heddle.where(x > 0, x - 1, heddle.exp(x)), heddle.feature_maps.cos_sin,
                    lambda x: heddle.where(x > -1, x, heddle.exp(x)), lambda x: x ** 3, lambda x: heddle.exp(x) + x.sum(keepdims=True)]


def trace(feature_map):
    types = dict.fromkeys("qkv", "?x?x?x8xf32")
    return heddle.Spec(lambda q, k, v: heddle.recur(q, k, v, feature_map=feature_map, normalizer="sum"), types).text


@pytest.mark.parametrize("feature_map", PERHAPS_NEGATIVE)
def test_warns_of_weights_that_may_be_negative(feature_map):
    with pytest.warns(UserWarning, match="may be 0 or negative as q may be: " + ("there is no feature_map" if feature_map is None else "its feature_map")) as found:
        trace(feature_map)
    assert len(found) == 2 and "as k may be" in str(found[1].message) and found[0].filename.endswith(".py")
    if feature_map is PERHAPS_NEGATIVE[1]:
        assert found[0].filename == __file__  # where the map is


@pytest.mark.parametrize("feature_map", [*NEVER_NEGATIVE, heddle.feature_maps.taylor])
def test_knows_weights_that_are_not_negative(feature_map):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace(feature_map)


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_a_known_call_is_not_checked_again(monkeypatch, library):
    """What it reads from outside, and a gate on a CPU, are looked at all the same."""
    convert = (lambda x: x) if library == "numpy" else pytest.importorskip("torch").from_numpy
    from heddle import _recur_checks
    generator = np.random.default_rng(13)
    q, k, v = (convert(array(generator, (1, 2, 20, 16))) for _ in range(3))
    gate, w, factor = convert(logarithms(generator, (1, 2, 20), "usual")), convert(array(generator, (16, 16)) / 4), heddle.scalar(2)
    options = dict(gate=gate, feature_map=lambda x: heddle.exp(x @ w) * factor, at=lambda i: i - factor, return_final_state=True)
    step = dict(gate=gate[:, :, 0], feature_map=heddle.exp, normalizer="sum")
    first, state = heddle.recur(q, k, v, **options)
    token, pair = heddle.recur_step(q[:, :, 0], k[:, :, 0], v[:, :, 0], (state, abs(state[..., 0])), **step)
    monkeypatch.setattr(_recur_checks, "call", None)
    again, last = heddle.recur(q, k, v, **options)
    assert difference(again, first) == difference(last, state) == 0
    again, after = heddle.recur_step(q[:, :, 0], k[:, :, 0], v[:, :, 0], (state, abs(state[..., 0])), **step)
    assert difference(again, token) == difference(after[0], pair[0]) == difference(after[1], pair[1]) == 0
    w[:], factor.value = -w, 5
    f = lambda x: 5 * np.exp(np.asarray(x, float) @ np.asarray(w, float))
    expected = recurrence(f(q), f(k), np.asarray(v, float), spread(np.asarray(gate), 2), scale=0.25, at=np.arange(20) - 5)[0]
    assert difference(heddle.recur(q, k, v, **options)[0], expected) < 1e-5
    for other in (q[:, :, :5], q[:, :1]):
        with pytest.raises(TypeError):  # what is new is checked: there is nothing to do it with
            heddle.recur(other, other, other, **options)
    gate[0, 0, 3] = 1.0
    with pytest.raises(ValueError, match="expected a gate of logarithms that are at most 0, got 1.0"):
        heddle.recur(q, k, v, **options)
