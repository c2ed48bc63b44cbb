"""heddle.Spec on arrays: results against NumPy, outputs, captures that change, verification."""
import numpy as np
import pytest

import heddle
import layouts
import oracle

GENERATOR = np.random.default_rng(3)
SHAPE = (2, 4, 37, 64)
Q, K, V, X = (layouts.random(GENERATOR, SHAPE, "f32") for _ in range(4))
WIDE = "?x?x?x64xf32"


def attend(q, k, v, seen=True):
    return oracle.attend(q, k, v, np.broadcast_to(seen, (37, 37)), scale=1 / 8)[0]


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x.astype(np.float64)))


def test_a_gate_after_attention():
    @heddle.spec
    def gated(q, k, v, gate):
        return heddle.attend(q, k, v, causal=True) * heddle.sigmoid(gate)

    out = np.full(SHAPE, np.nan, np.float32)
    assert gated(Q, K, V, X, out=out) is out
    oracle.check(attend(Q, K, V, oracle.visible(37, 37, True)) * sigmoid(X), out, "f32")


def test_rotary_embedding_before_attention():
    angles = np.arange(37)[:, None] / 100.0 ** (np.arange(32) / 32)
    cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

    def rotate(x, concat):
        low, high = x[..., :32], x[..., 32:]
        return concat([low * cos - high * sin, high * cos + low * sin])

    @heddle.spec
    def rotary(q, k, v):
        return heddle.attend(rotate(q, heddle.concat), rotate(k, heddle.concat), v, causal=True, return_lse=True)

    o, lse = rotary(Q, K, V)
    numpy_concat = lambda parts: np.concatenate(parts, axis=-1)
    expected, log_sum = oracle.attend(rotate(Q.astype(float), numpy_concat), rotate(K.astype(float), numpy_concat), V,
                                      oracle.visible(37, 37, True), scale=1 / 8)
    oracle.check(expected, o, "f32")
    oracle.check(log_sum, lse, "f32")


def test_feature_map_and_norm_without_attention():
    weight = layouts.random(GENERATOR, (64, 48), "f32")
    gain = layouts.random(GENERATOR, (48,), "f32")

    @heddle.spec(x=WIDE)
    def feature(x):
        y = x @ weight
        return y / heddle.sqrt((y * y).mean(keepdims=True) + 1e-6) * gain

    y = X.astype(np.float64) @ weight.astype(np.float64)
    expected = y / np.sqrt((y * y).mean(-1, keepdims=True) + 1e-6) * gain
    oracle.check(expected, feature(X), "f32")


def test_captures_are_those_of_the_call():
    table = layouts.random(GENERATOR, (64,), "f32")
    offset = heddle.scalar(1.0)

    @heddle.spec
    def shifted(x):
        return x * table + offset

    oracle.check(X * table + 1.0, shifted(X), "f32")
    offset.value = -2.5
    table *= 3.0
    oracle.check(X * table - 2.5, shifted(X), "f32")


def test_scalars_are_run_time_arguments():
    @heddle.spec
    def banded(q, k, v, width):
        return heddle.attend(q, k, v, mask_mod=lambda b, h, i, j: (j <= i) & (j > i - width))

    i, j = np.ogrid[:37, :37]
    for width in (1, 9, 100):
        oracle.check(attend(Q, K, V, (j <= i) & (j > i - width)), banded(Q, K, V, width), "f32")


@pytest.mark.parametrize("element", layouts.DTYPES)
def test_verify_compares_with_the_reference(element):
    wide = WIDE.replace("f32", element)

    @heddle.spec(q=wide, k=wide, v=wide)
    def spec(q, k, v):
        return heddle.attend(q, k, v, causal=True, return_lse=True)

    report = spec.verify()
    assert report, str(report)
    assert len(report.comparisons) == 24


@pytest.mark.parametrize("arguments, error, message", [
    ((Q, K), TypeError, "expected 3 arguments (q, k, v), got 2"),
    ((Q, K, V[..., :32]), ValueError, "expected v of type tensor<?x?x?x64xf32>, got shape (2, 4, 37, 32)"),
    ((Q, K, V.astype(np.float16)), TypeError, "expected v of type tensor<?x?x?x64xf32>, got float16"),
    ((Q, K, 1.0), TypeError, "expected an array as v, got float"),
])
def test_refused_arguments(arguments, error, message):
    @heddle.spec(q=WIDE, k=WIDE, v=WIDE)
    def spec(q, k, v):
        return heddle.attend(q, k, v)

    with pytest.raises(error) as caught:
        spec(*arguments)
    assert message in str(caught.value)
