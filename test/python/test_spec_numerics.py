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


def test_sizes_that_do_not_go_together():
    """Before anything runs: the kernels would read beyond what is shorter."""
    @heddle.spec(q=WIDE, k=WIDE, v=WIDE)
    def spec(q, k, v):
        return heddle.attend(q, k, v)

    @heddle.spec(q="?x?x64xf32", k="?x?x64xf32", v="?x?x64xf32", starts="?xi32", others="?xi32")
    def packed(q, k, v, starts, others):
        return heddle.attend(q, k, v, layout="thd", cu_seqlens_q=starts, cu_seqlens_k=others)

    @heddle.spec(q=WIDE, k="?x?x8x64xf32", v="?x?x8x64xf32", table="?x?xi32", lengths="?xi32", sink="?xf32")
    def paged(q, k, v, table, lengths, sink):
        return heddle.attend(q, k, v, block_table=table, cache_seqlens=lengths, sink=sink)

    one, pool, ints = Q[0].swapaxes(0, 1), np.ones((6, 2, 8, 64), np.float32), lambda *shape: np.zeros(shape, np.int32)
    sinks = np.zeros(4, np.float32)
    for call, arguments, message in (
            (spec, (Q, K, V[:, :, :30]), "expected k and v of one length, got 37 (k) and 30 (v)"),
            (spec, (Q, K[:, :3], V), "expected heads of q that are a multiple of those of k, got 4 (q) and 3 (k)"),
            (spec, (Q, K, V[:, :0]), "expected heads of q that are a multiple of those of v, got 4 (q) and 0 (v)"),
            (spec, (Q[:1], K, V), "expected a batch of k of that of q, or 1, got 1 (q) and 2 (k)"),
            (packed, (one, one, one, ints(3), ints(4)), "expected cu_seqlens_k of as many elements as cu_seqlens_q, got 3"),
            (paged, (Q, pool, pool, ints(1, 2), ints(2), sinks), "expected block_table with one entry for each sequence, got 2 (q) and 1"),
            (paged, (Q, pool, pool, ints(2, 2), ints(3), sinks), "expected cache_seqlens with one entry for each sequence, got 2 (q) and 3"),
            (paged, (Q, pool, pool[:5], ints(2, 2), ints(2), sinks), "expected k and v of one number of pages, got 6 (k) and 5 (v)"),
            (paged, (Q, pool, pool, ints(2, 2), ints(2), sinks[:3]), "expected sink with one element for each head of q, got 4 (q) and 3")):
        with pytest.raises(ValueError) as caught:
            call(*arguments)
        assert message in str(caught.value)
    assert paged(Q, pool, pool, ints(2, 2), ints(2), sinks).shape == SHAPE
