"""Array code in front of an operator: heddle.feature_maps.polynomial, heddle.gates, heddle.convolutions, against NumPy in float64."""
import math

import numpy as np
import pytest

import heddle
from heddle import convolutions, feature_maps, gates


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def close(got, expected, tolerance=1e-6):
    return np.linalg.norm(got - expected) <= tolerance * np.linalg.norm(expected)


@pytest.mark.parametrize("coefficients", [(1.0, 1.0, 0.5), (0.25, 0.0, 2.0), (1.0, 3.0)])
def test_polynomial_features(coefficients):
    q, k = drawn(1, 2, 30, 8), drawn(1, 2, 30, 8, seed=1)
    f, g = heddle.spec(lambda q, k: tuple(feature_maps.polynomial(8, coefficients)(x) for x in (q, k)))(q, k)
    assert f.shape[3] == (48 if len(coefficients) == 3 else 16)
    s = q.astype(float) @ k.swapaxes(-1, -2)
    assert close(f @ g.swapaxes(-1, -2), sum(c * s ** n for n, c in enumerate(coefficients)))


def test_causal_convolution():
    x, w = drawn(2, 3, 150, 8), drawn(3, 4, 8, seed=1)
    padded = np.concatenate([np.zeros((2, 3, 3, 8)), x], 2)
    wanted = sum(padded[:, :, n:n + 150] * w[:, n:n + 1] for n in range(4))
    assert close(heddle.spec(lambda x: convolutions.causal(x, w))(x), wanted)
    assert close(heddle.spec(lambda x: convolutions.causal(x, w[0]))(x)[:, 0], wanted[:, 0])


def test_convolution_over_a_grid():
    x, w = drawn(2, 1, 5 * 7, 8), drawn(3, 3, 8, seed=1)
    padded = np.pad(x.reshape(2, 1, 5, 7, 8), ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)))
    wanted = sum(padded[:, :, n:n + 5, m:m + 7] * w[n, m].astype(float) for n in range(3) for m in range(3))
    assert close(heddle.spec(lambda x: convolutions.grid(x, w, 5, 7))(x), wanted.reshape(x.shape))


def test_gates():
    x, a = np.concatenate([drawn(1, 2, 30), np.full((1, 2, 2), 200, np.float32), np.full((1, 2, 2), -200, np.float32)], 2), drawn(2, seed=1)
    soft, sigmoid, rate = heddle.spec(lambda x: (gates.softplus(x), gates.sigmoid(x), gates.rate(x, a)))(x)
    wide = x.astype(float)
    assert close(soft, np.logaddexp(0, wide)) and close(sigmoid, -np.logaddexp(0, -wide)) and (sigmoid[..., -2:] == -200).all()
    assert close(rate, -np.logaddexp(0, wide) * np.exp(a[:, None].astype(float)))


def test_sums_as_results():
    x = drawn(2, 3, 70, 24)
    found = heddle.spec(lambda x: (x.sum(), x.max() * 2.0, x.sum(keepdims=True), x[0, 0].sum()))(x)
    for got, wanted in zip(found, (x.sum(-1), x.max(-1) * 2, x.sum(-1, keepdims=True), x[0, 0].sum(-1))):
        assert got.shape == wanted.shape and close(got, wanted)


def test_sums_that_a_score_reads_for_each_key():
    q, k, v = (drawn(1, 2, 150, 16, seed=n) for n in range(3))

    @heddle.spec
    def distances(q, k, v):
        sizes = (k * k).sum() * 0.5
        return heddle.attend(q, k, v, scale=1.0, score_mod=lambda s, b, h, i, j: s - sizes[b, h, j])
    away = ((q[:, :, :, None].astype(float) - k[:, :, None]) ** 2).sum(-1)
    weights = np.exp(-0.5 * (away - away.min(-1, keepdims=True)))
    assert close(distances(q, k, v), weights / weights.sum(-1, keepdims=True) @ v)


def test_largest_score_of_each_row():
    q, k, v = (drawn(1, 2, 100, 16, seed=n) for n in range(3))
    s = q.astype(float) @ k.swapaxes(-1, -2) / 4
    i, j = np.ogrid[:100, :100]
    for causal, seen in ((True, j <= i), (False, j >= 0)):
        made = heddle.spec(lambda q, k, v: heddle.attend(q, k, v, causal=causal, return_lse=True, return_max=True))(q, k, v)
        wanted = np.where(seen, s, -np.inf).max(-1)
        assert len(made) == 3 and abs(made[2] - wanted).max() < 1e-5
        assert abs(np.exp(made[1] - made[2]) - np.where(seen, np.exp(s - wanted[..., None]), 0).sum(-1)).max() < 1e-3
    with pytest.raises(NotImplementedError, match="inside of a heddle.Spec only"):
        heddle.attend(q, k, v, return_max=True)


@pytest.mark.parametrize("width, tokens", [(32, 40), (64, 64), (64, 130)])
def test_rows_are_reduced_on_their_own_and_reused(width, tokens):
    """Reductions lie along the rows of a tile, however many columns the result would have; a term that does not differ
    along them counts as often as they are long."""
    q, k, v = (drawn(2, 3, tokens, width, seed=n) for n in range(3))

    @heddle.spec
    def reduced(q, k, v):
        o = heddle.attend(q, k, v)
        m = o.max(-1)
        return m, o - m[..., None], o.sum(-1) * 2, (v * 0 + v.max(-1)[..., None]).sum(-1)
    s = q.astype(float) @ k.swapaxes(-1, -2) / width ** 0.5
    p = np.exp(s - s.max(-1, keepdims=True))
    o = p / p.sum(-1, keepdims=True) @ v
    for got, wanted in zip(reduced(q, k, v), (o.max(-1), o - o.max(-1, keepdims=True), 2 * o.sum(-1), width * v.max(-1))):
        assert close(got, wanted, 1e-5)


@pytest.mark.parametrize("steps", [-70, -3, 5])
def test_a_view_that_moves_beyond_its_source_reads_the_nearest(steps):
    x = drawn(2, 3, 64, 16)
    nearest = x[:, :, np.clip(np.arange(64) + steps, 0, 63)]
    assert (heddle.spec(lambda x: heddle.view(x, x.shape, lambda b, h, t, c: (b, h, t + steps, c)))(x) == nearest).all()


def test_kernels_of_one_block():
    """No size is open, and every dimension of the grid is 1."""
    rows = dict(q="1x1x1x32xf32", k="1x1x40x32xf32", v="1x1x40x32xf32", w="40x8xf32")
    q, k, v, w = drawn(1, 1, 1, 32), drawn(1, 1, 40, 32, seed=1), drawn(1, 1, 40, 32, seed=2), drawn(40, 8, seed=3)
    o, l = heddle.spec(**rows)(lambda q, k, v, w: (heddle.attend(q, k, v), heddle.attend(k, k, v, return_lse=True)[1] @ w))(q, k, v, w)
    p = np.exp(q.astype(float) @ k.swapaxes(-1, -2) / 32 ** 0.5)
    assert close(o, p @ v / p.sum(-1, keepdims=True))
    assert close(l, np.log(np.exp(k.astype(float) @ k.swapaxes(-1, -2) / 32 ** 0.5).sum(-1)) @ w)


def test_sizes_that_do_not_fit_are_refused_before_anything_runs():
    add = heddle.spec(lambda x, y: x + y)
    assert (add(x := drawn(1, 2, 30, 8), y := drawn(1, 2, 30, 8, seed=1)) == x + y).all()
    with pytest.raises(ValueError, match="expected dimension 2 of y to equal dimension 2 of x, got 31 and 30"):
        add(x, drawn(1, 2, 31, 8))


def test_angles_and_error_functions():
    """Also with zeros of both signs, whose angles C says, and where the error function is nearly linear."""
    y, x = (drawn(1, 2, 40, 16, seed=n) * np.exp(4 * drawn(1, 2, 40, 16, seed=n + 2)) for n in range(2))
    zeros = np.array([0.0, -0.0, 1.0, -1.0], np.float32)
    y[0, 0, 0], x[0, 0, 0] = np.repeat(zeros, 4), np.tile(zeros, 4)
    angles, errors = heddle.spec(lambda y, x: (heddle.atan2(y, x), heddle.erf(x)))(y, x)
    np.testing.assert_allclose(angles, np.arctan2(y, x), rtol=3e-7)
    assert (np.signbit(angles) == np.signbit(y)).all()
    np.testing.assert_allclose(errors, np.vectorize(math.erf)(x.astype(float)), rtol=1e-6)


def test_powers_of_negative_numbers():
    """Whole exponents that are numbers, or of an array; others have no value there."""
    x, y = drawn(1, 2, 40, 16), np.round(drawn(1, 2, 40, 16, seed=1) * 3)
    x[0, 0, 0, :4], y[0, 0, 0, :4] = (0.0, -2.0, 0.0, -0.5), (0.0, 0.0, 3.0, 0.5)
    by_array, ninth, cube = heddle.spec(lambda x, y: (x ** y, x ** 9, x ** 3.0))(x, y)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(by_array, x.astype(float) ** y, rtol=1e-5)
    np.testing.assert_allclose(ninth, x.astype(float) ** 9, rtol=1e-5)
    np.testing.assert_allclose(cube, x.astype(float) ** 3, rtol=1e-6)
