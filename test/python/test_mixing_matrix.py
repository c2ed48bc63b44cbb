"""heddle.mixing_matrix on a CPU against the definition in float64: M[i, j] = exp(g_(j+1) + .. + g_i) f(q_i) . f(k_j) for j <= i."""
import numpy as np
import pytest

import heddle
from recur_oracle import difference, logarithms, spread, wide

B, H, T, D = 2, 4, 75, 16
SHAPES = {"none": None, "head": (H,), "token": (B, 2, T), "channel": (B, H, T, D)}


def definition(q, k, gate, divide=False, scale=D**-0.5, segments=None):
    q, k = wide(q, H), wide(k, H)
    g = np.broadcast_to(0.0 if gate is None else spread(gate, H), (B, H, T, D))
    m = np.zeros((B, H, T, T))
    for j in range(T):
        left = np.ones((B, H, D))  # what remains of token j
        for i in range(j, T):
            if i > j:
                left = left * np.exp(g[:, :, i]) * (1 if segments is None else (segments[:, i] == segments[:, i - 1])[:, None, None])
            m[:, :, i, j] = (q[:, :, i] * left * k[:, :, j]).sum(-1)
    return m / m.sum(-1, keepdims=True) if divide else m * scale


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("rows, columns", [(None, None), ((20, 61), (7, 20)), ((40, 41), None), ((0, 10), (50, 75)), ((5, 5), (3, 3))])
def test_blocks(kind, rows, columns):
    generator = np.random.default_rng(len(kind))
    q, k = generator.standard_normal((B, H, T, D), np.float32), generator.standard_normal((B, 2, T, D), np.float32)
    gate = None if SHAPES[kind] is None else logarithms(generator, SHAPES[kind], "usual")
    got = heddle.mixing_matrix(q, k, gate=gate, rows=rows, columns=columns)
    expected = definition(q, k, gate)[:, :, slice(*rows or (None,)), slice(*columns or (None,))]
    assert got.dtype == np.float32 and difference(got, expected) < 1e-5


def test_it_is_what_a_recurrence_multiplies_by():
    """In 16 bits, with features, a sum normalizer and segments, heads inner."""
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(1)
    q, k, v = (torch.from_numpy(generator.standard_normal((B, T, H, D), np.float32)).to(torch.bfloat16) for _ in range(3))
    gate = torch.from_numpy(logarithms(generator, (B, T, H), "weak"))
    segments = torch.from_numpy((generator.random((B, T)) < 0.1).cumsum(1).astype(np.int32))
    options = dict(gate=gate, feature_map=heddle.exp, normalizer="sum", segments=segments, layout="bthd")
    m = heddle.mixing_matrix(q, k, **options)
    f = lambda x: np.exp(x.double().numpy().swapaxes(1, 2))
    expected = definition(f(q), f(k), gate.numpy().swapaxes(1, 2), divide=True, segments=segments.numpy())
    assert m.dtype == torch.float32 and difference(m, expected) < 1e-2 and difference(m.sum(-1), np.ones((B, H, T))) < 1e-2
    out = m.double() @ v.double().transpose(1, 2)
    assert difference(heddle.recur(q, k, v, **options).double(), out.transpose(1, 2)) < 1e-2


@pytest.mark.parametrize("arguments, message", [
    (dict(rows=(0, T + 1)), "expected rows as (first, end) inside of 0 to 75, got (0, 76)"), (dict(columns=5), "expected columns as (first, end)"),
    (dict(layout="thd"), "expected layout"), (dict(gate=np.zeros((B, H, T + 1), np.float32)), "expected gate as long as q, of 75 tokens"),
    (dict(normalizer="softmax"), "expected normalizer=")])
def test_refusals(arguments, message):
    x = np.zeros((B, H, T, D), np.float32)
    with pytest.raises(ValueError) as raised:
        heddle.mixing_matrix(x, x, **arguments)
    assert message in str(raised.value)
