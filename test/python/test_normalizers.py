"""Normalizers of a user's own: defined in this file alone, under names that are drawn at random."""
import random
import string

import numpy as np
import pytest

import heddle
import oracle

GENERATOR = np.random.default_rng(11)
Q, K, V = (GENERATOR.standard_normal((2, 4, rows, 32)).astype(np.float32) for rows in (45, 83, 83))
SCALE = 0.3


def random_name():
    return "".join(random.choices(string.ascii_lowercase, k=12))


def scores():
    return np.einsum("bhic,bhjc->bhij", Q.astype(np.float64), K.astype(np.float64)) * SCALE


def power_law(name):
    """w = 1 / (1 + s^2), divided by its sum: no reference, one sum."""
    return heddle.Normalizer(weight=lambda s: (1.0 / (1.0 + s * s),) * 2, finish=lambda total: 1.0 / total, name=name)


def signed(name):
    return heddle.Normalizer(reference=heddle.abs, rescale=lambda old, new: heddle.exp(old - new),
                             weight=lambda s, m: (heddle.where(s < 0, -1.0, 1.0) * heddle.exp(heddle.abs(s) - m),
                                                  heddle.exp(heddle.abs(s) - m)),
                             finish=lambda m, total: (1.0 / total, m + heddle.log(total)), stats=["lse"], name=name)


def two_sums(name):
    """Scores standardized in their row: two sums of values and three plain ones; the gain is captured, per head."""
    gain = np.linspace(0.5, 2.0, 4).astype(np.float32)

    def finish(count, total, squares, b, h, q_idx):
        mean = total / count
        deviation = heddle.sqrt(squares / count - mean * mean + 1e-3)
        return gain[h] / deviation, -mean * gain[h] / deviation

    return heddle.Normalizer(weight=lambda s: (s, 1.0, 1.0, s, s * s), finish=finish, weights=2, name=name)


def expected_weights(which, s, seen):
    if which is power_law:
        w = np.where(seen, 1.0 / (1.0 + s * s), 0.0)
        return w / w.sum(-1, keepdims=True)
    if which is signed:
        return oracle.weights("signed", s, seen)[0]
    count = seen.sum(-1, keepdims=True)
    mean = np.where(seen, s, 0.0).sum(-1, keepdims=True) / count
    variance = np.where(seen, s * s, 0.0).sum(-1, keepdims=True) / count - mean * mean
    gain = np.linspace(0.5, 2.0, 4)[None, :, None, None]
    return np.where(seen, gain * (s - mean) / np.sqrt(variance + 1e-3), 0.0)


@pytest.mark.parametrize("make", [power_law, signed, two_sums])
def test_a_normalizer_that_only_this_file_knows(make):
    normalizer = make(random_name())
    got = heddle.attend(Q, K, V, scale=SCALE, causal=True, normalizer=normalizer)
    w = expected_weights(make, scores(), np.broadcast_to(oracle.visible(45, 83, causal=True), (2, 4, 45, 83)))
    expected = np.einsum("bhij,bhje->bhie", w, V.astype(np.float64))
    assert oracle.error(expected, got) < 3e-5


def test_a_name_changes_nothing_that_runs():
    first, second = (heddle.attend(Q, K, V, normalizer=power_law(random_name())) for _ in range(2))
    assert np.array_equal(first, second)


def test_a_generated_name_is_that_of_the_meaning():
    def text(constant):
        made = heddle.Normalizer(weight=lambda s: s * constant)

        @heddle.spec(x="?x?x?x16xf32")
        def spec(x):
            return heddle.attend(x, x, x, normalizer=made)
        return spec.text

    assert text(2.0) == text(2.0)
    assert text(2.0).split()[1] != text(3.0).split()[1]


def test_softmax_by_any_other_name_is_the_same_kernel():
    def softmax(name):
        return heddle.Normalizer(reference=lambda s: s, rescale=lambda old, new: heddle.exp(old - new),
                                 weight=lambda s, m: (heddle.exp(s - m),) * 2,
                                 finish=lambda m, total: (1.0 / total, m + heddle.log(total)), stats=["lse"], name=name)

    mine, lse = heddle.attend(Q, K, V, normalizer=softmax(random_name()), return_lse=True)
    theirs, expected = heddle.attend(Q, K, V, return_lse=True)
    assert np.array_equal(mine, theirs) and np.array_equal(lse, expected)


def test_a_normalizer_of_a_spec_reads_traced_arrays():
    """Arguments of the spec, and what is computed from them: they become the normalizer's own arguments."""
    generator = np.random.default_rng(2)
    q, k, v = (generator.standard_normal((2, 3, 40, 16), np.float32) for _ in range(3))
    gain, table = generator.random((3,), np.float32) + 0.5, generator.standard_normal((2, 3, 40), np.float32)

    @heddle.spec
    def gated(q, k, v, i, table):  # `i` is also a position's name
        twice, gain = table * 2.0, i
        made = heddle.Normalizer(weight=lambda s, b, h, i, j: (s * gain[h], heddle.exp(twice[b, h, j])),
                                 finish=lambda total, b, h, i: 1.0 / (total + table[b, h, i] * table[b, h, i]))
        return heddle.attend(q, k, v, normalizer=made)

    weights = (q.astype(float) @ k.swapaxes(2, 3)) / 4 * gain[:, None, None]
    expected = weights @ v / (np.exp(2 * table.astype(float)).sum(-1)[..., None, None] + table[..., None] ** 2)
    oracle.check(expected, gated(q, k, v, gain, table), "f32")


@pytest.mark.parametrize("own", [False, True])
def test_a_function_may_be_called_as_its_normalizer_is(own):
    """Both are symbols of one module."""
    @heddle.spec
    def softmax(q, k, v):
        return heddle.attend(q, k, v, scale=SCALE, normalizer=power_law("softmax_") if own else "softmax")
    weights = 1 / (1 + scores() ** 2) if own else np.exp(scores())
    expected = weights / weights.sum(-1, keepdims=True) @ V
    assert np.abs(softmax(Q, K, V) - expected).max() < 1e-5
