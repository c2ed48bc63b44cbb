"""References that lag behind the running maximum: `heddle.attend(.., lag=n)`, on a CPU against float64."""
import numpy as np
import pytest

import heddle


def reference(q, k, v, causal=False, sink=None):
    """(output, log-sum-exp) in float64."""
    q, k, v = (np.asarray(x, np.float64) for x in (q, k, v))
    scores = np.einsum("bhid,bhjd->bhij", q, k) / np.sqrt(q.shape[-1])
    if causal:
        rows, keys = scores.shape[-2:]
        scores = np.where(np.arange(keys) <= np.arange(rows)[:, None] + keys - rows, scores, -np.inf)
    top = np.maximum(scores.max(-1, keepdims=True), -1e30)
    weights = np.exp(scores - top)
    total = weights.sum(-1, keepdims=True)
    if sink is not None:
        total = total + np.exp(np.asarray(sink, np.float64)[None, :, None, None] - top)
    return weights / np.where(total == 0, 1, total) @ v, (top + np.log(total))[..., 0]


def arrays(seed, rows, keys, width=32, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((2, 2, count, width)).astype(dtype) for count in (rows, keys, keys)]


def grown(k, most):
    """Keys whose scores grow from block to block, so that maxima rise again and again."""
    return k * np.linspace(0.1, most, k.shape[2], dtype=np.float32)[:, None]


@pytest.mark.parametrize("lag", [0.5, 8, 15])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("most", [1, 6, 40])
def test_growing_maxima(lag, causal, most):
    q, k, v = arrays(most, 150, 700)
    k = grown(k, most)
    poisoned = np.full_like(q, np.nan)
    out, lse = heddle.attend(q, k, v, causal=causal, lag=lag, return_lse=True, out=poisoned)
    expected, logarithm = reference(q, k, v, causal)
    np.testing.assert_allclose(out, expected, atol=2e-5 * max(1, most / 4), rtol=1e-4)
    np.testing.assert_allclose(lse, logarithm, atol=1e-4, rtol=1e-5)


def test_maxima_that_stay_below_the_bound_keep_the_first():
    """Steps of less than the bound: sums are relative to the first block's maximum, thousands of weights above 1."""
    q, k, v = np.ones((1, 1, 64, 32), np.float32), np.ones((1, 1, 4096, 32), np.float32), arrays(3, 1, 4096)[2][:1, :1]
    k *= (np.arange(4096, dtype=np.float32) / 4096)[:, None]  # scores from 0 to 5.6: 2^8 is a difference of 5.5
    out, lse = heddle.attend(q, k, v, lag=8, return_lse=True)
    expected, logarithm = reference(q, k, v)
    np.testing.assert_allclose(out, expected, atol=2e-6, rtol=1e-5)
    np.testing.assert_allclose(lse, logarithm, rtol=1e-6)


def test_nothing_overflows():
    """Scores of thousands, and rows that see nothing until late, or never."""
    q, k, v = arrays(4, 200, 600)
    q *= 300
    mask = lambda b, h, i, j: (j >= 400) & (i != 7)
    out = heddle.attend(q, k, v, lag=15, mask_mod=mask)
    expected, _ = reference(q, k[:, :, 400:], v[:, :, 400:])
    expected[:, :, 7] = 0
    assert np.isfinite(out).all()
    np.testing.assert_allclose(out, expected, atol=2e-4)


def test_scores_of_minus_infinity():
    q, k, v = arrays(5, 100, 500)
    score = lambda s, b, h, i, j: heddle.where(j % 3 == i % 3, s, -float("inf"))
    out = heddle.attend(q, k, v, lag=8, score_mod=score)
    np.testing.assert_allclose(out, heddle.attend(q, k, v, score_mod=score), atol=2e-6)


def test_with_a_sink_and_divided_keys():
    q, k, v = arrays(6, 5, 2000)
    k, sink = grown(k, 8), np.array([0.5, 20], np.float32)
    expected, _ = reference(q, k, v, sink=sink)
    for splits in (1, 3):
        np.testing.assert_allclose(heddle.attend(q, k, v, sink=sink, lag=8, num_splits=splits), expected, atol=1e-4)


def test_half_precision():
    """Weights of up to 2^15 are finite in f16."""
    q, k, v = arrays(7, 130, 700, dtype=np.float16)
    k = grown(k.astype(np.float32), 4).astype(np.float16)
    expected, _ = reference(q, k, v)
    out = heddle.attend(q, k, v, lag=15)
    assert np.abs(out - expected).max() < 2e-2


def test_a_normalizer_of_ones_own():
    sharp = heddle.Normalizer(reference=lambda s: s, rescale=lambda old, new: heddle.exp(2 * (old - new)),
                              weight=lambda s, m: (heddle.exp(2 * (s - m)), heddle.exp(2 * (s - m))), finish=lambda m, l: 1 / l)
    q, k, v = arrays(8, 100, 600)
    k = grown(k, 5)
    expected, _ = reference(2 * q, k, v)
    np.testing.assert_allclose(heddle.attend(q, k, v, normalizer=sharp, lag=8), expected, atol=5e-5)


def test_it_is_in_the_text():
    @heddle.spec(q="?x?x?x64xbf16", k="?x?x?x64xbf16", v="?x?x?x64xbf16")
    def lagging(q, k, v):
        return heddle.attend(q, k, v, lag=8)
    assert "{lag = 8.000000e+00 : f32}" in lagging.text or "{lag = 8.0 : f32}" in lagging.text


@pytest.mark.parametrize("lag", [0, -1, 16, True, "8", float("nan")])
def test_other_lags_are_refused(lag):
    with pytest.raises(ValueError, match="expected lag above 0 and at most 15"):
        heddle.attend(*arrays(9, 8, 8), lag=lag)
