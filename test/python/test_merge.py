"""heddle.merge: a window of softmax and a recurrence in one spec, joined in every way, on a CPU against float64 NumPy."""
import numpy as np
import pytest

import heddle
from recur_oracle import difference, recurrence, wide

B, H, HK, T, D, F, WIDTH = 2, 4, 2, 150, 32, 16, 64


class Given:
    def __init__(self, seed=0):
        generator = np.random.default_rng(seed)
        self.q, self.k, self.v = (generator.standard_normal((B, n, T, D), np.float32) for n in (H, HK, HK))
        self.gate = -np.log1p(np.exp(generator.standard_normal((B, 1, T)).astype(np.float32) - 2))
        self.wq, self.wk = (generator.standard_normal((n, D, F), np.float32) / 6 for n in (H, HK))
        self.sinks, self.alpha = (generator.standard_normal(H).astype(np.float32) for _ in range(2))

    def features(self):
        """Of q and of k, for Heddle."""
        def with_weights(w):
            def apply(x):
                y = x @ w
                return heddle.concat([heddle.exp(y), heddle.exp(-y)])
            return apply
        return with_weights(self.wq), with_weights(self.wk)

    def plain(self, x, w):
        y = np.einsum("bhtc,hcf->bhtf", x.astype(float), w.astype(float))
        return np.concatenate([np.exp(y), np.exp(-y)], -1)

    def kernel_weights(self):
        """Of every row and token, without and with the gate, (b, h, t, t), by features, where j <= i."""
        fq, fk = self.plain(self.q, self.wq), wide(self.plain(self.k, self.wk), H)
        i, j = np.ogrid[:T, :T]
        product = np.where(j <= i, np.einsum("bhic,bhjc->bhij", fq, fk), 0)
        sums = self.gate.astype(float).cumsum(-1)
        return product, product * np.exp(np.minimum(sums[..., :, None] - sums[..., None, :], 0))

    def scores(self):
        """exp of the scores in the window."""
        s = np.einsum("bhic,bhjc->bhij", self.q.astype(float), wide(self.k, H)) / np.sqrt(D)
        i, j = np.ogrid[:T, :T]
        return np.where((j <= i) & (j > i - WIDTH), np.exp(s), 0)

    def mean(self, weights, sinks=0.0):
        return weights @ wide(self.v, H) / (weights.sum(-1, keepdims=True) + sinks)


def check(spec, given, expected):
    """In kernels of their own, and with the window inside of the recurrence's."""
    for schedule in (None, "together=always"):
        spec = heddle.Spec(spec.function)
        spec._schedule = schedule
        assert difference(spec(given.q, given.k, given.v, given.gate), expected) < 1e-5, schedule


def test_a_gated_sum_of_each_head():
    """Lizard, both branches normalized: an anchored window and a gated recurrence, which overlap."""
    given = Given()
    maps, sinks, alpha = given.features(), given.sinks, given.alpha

    @heddle.spec
    def gated_sum(q, k, v, gate):
        near = heddle.attend(q, k, v, causal=True, window=(WIDTH - 1, 0), sink=sinks)
        far = heddle.recur(q, k, v, gate=gate, feature_map=maps, normalizer="sum")
        return heddle.merge(far, near, weights=lambda b, h, i: (1.0, alpha[h]))

    near = given.mean(given.scores(), np.exp(sinks.astype(float))[:, None, None])
    check(gated_sum, given, given.mean(given.kernel_weights()[1]) + alpha.astype(float)[:, None, None] * near)


@pytest.mark.parametrize("name", ["lse", "mass"])
def test_one_denominator(name):
    """Lizard's joint reading; by logarithms, and by the sums themselves."""
    given = Given(1)
    maps = given.features()

    @heddle.spec
    def joint(q, k, v, gate):
        near, lse = heddle.attend(q, k, v, causal=True, window=(WIDTH - 1, 0), return_lse=True)
        far, mass = heddle.recur(q, k, v, gate=gate, feature_map=maps, normalizer="sum", return_mass=True)
        by = heddle.by_lse(heddle.log(mass), lse) if name == "lse" else heddle.by_mass(mass, heddle.exp(lse))
        return heddle.merge(far, near, weights=by)

    check(joint, given, given.mean(given.kernel_weights()[1] + given.scores()))


def test_a_window_and_what_lies_behind_it():
    """As in LoLCATs each token is in one of them, and the window's part has a weight (its row maximum is not taken out)."""
    given = Given(2)
    maps = given.features()

    @heddle.spec
    def partition(q, k, v, gate):
        near, lse = heddle.attend(q, k, v, causal=True, window=(WIDTH - 1, 0), return_lse=True)
        far, mass = heddle.recur(q, k, v, at=lambda i: i - WIDTH, feature_map=maps, normalizer="sum", return_mass=True)
        far = heddle.where(mass[..., None] > 0, far, 0.0)  # rows that have nothing behind their window
        return heddle.merge(near, far, weights=heddle.by_mass(0.1 * heddle.exp(lse), mass))

    i, j = np.ogrid[:T, :T]
    behind = np.where(j <= i - WIDTH, given.kernel_weights()[0], 0)
    check(partition, given, given.mean(0.1 * given.scores() + behind))


def test_attends_of_two_parts_of_the_keys():
    """By log-sum-exp; rows that see nothing in one part, or in none, in 16 bits."""
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 2, 40, 32, generator=generator).to(torch.bfloat16) for _ in range(3))

    @heddle.spec
    def parts(q, k, v):
        one, other = (heddle.attend(q, k, v, mask_mod=mask, return_lse=True) for mask in (
            lambda b, h, i, j: (j < 7) & (i > 3), lambda b, h, i, j: (j >= 7) & (j < i - 10)))
        return heddle.merge(one[0], other[0], weights=heddle.by_lse(one[1], other[1]), dtype="f32")

    got = parts(q, k, v)
    assert got.dtype == torch.float32 and not bool(got[:, :, :4].any())
    i, j = torch.arange(40)[:, None], torch.arange(40)
    seen = ((j < 7) & (i > 3)) | ((j >= 7) & (j < i - 10))
    s = (q.double() @ k.double().transpose(-1, -2) / 32**0.5).masked_fill(~seen, -torch.inf)
    assert difference(got, (torch.softmax(s, -1).nan_to_num(0.0) @ v.double())) < 1e-2


@pytest.mark.parametrize("merged, message", [
    (lambda x, y: heddle.merge(weights=lambda b, h, i: ()), "to merge, got none"),
    (lambda x, y: heddle.merge(x, 1.0, weights=lambda b, h, i: (1.0, 1.0)), "expected traced arrays (B, H, T, E) to merge, got"),
    (lambda x, y: heddle.merge(x, x[..., :8], weights=lambda b, h, i: (1.0, 1.0)), "expected parts of the same rows and channels"),
    (lambda x, y: heddle.merge(x, x, weights=lambda b, h, i: 1.0), "one number for each of 2 parts, got 1"),
    (lambda x, y: heddle.merge(x, x, weights=(1.0, 1.0)), "expected a function of (b, h, i) as weights, got tuple"),
    (lambda x, y: heddle.merge(x, y, weights=lambda b, h, i: (1.0, 1.0)), "expected parts of one length to merge, got 5 (the first) and 6 (another)"),
    (lambda x, y: heddle.merge(x, x, weights=lambda b, h, i: (1.0, 1.0), dtype="f64"), "expected f32, f16 or bf16, got f64"),
])
def test_refusals(merged, message):
    x = np.zeros((1, 2, 5, 16), np.float32)
    with pytest.raises((heddle.TraceError, ValueError)) as raised:
        heddle.Spec(merged)(x, np.zeros((1, 2, 6, 16), np.float32))
    assert message in str(raised.value)


def test_only_inside_of_a_spec():
    with pytest.raises(heddle.TraceError, match="only inside of a heddle.Spec function"):
        heddle.merge(1, weights=None)
