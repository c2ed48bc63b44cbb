"""heddle.feature_maps in recurrences on a CPU, against float64 NumPy: what each weighs a token with."""
import numpy as np
import pytest

import heddle
from heddle import feature_maps as maps
from recur_oracle import difference, recurrence, wide

B, H, T, D, E = 1, 2, 60, 16, 24
GENERATOR = np.random.default_rng(0)
SHARED, OF_HEADS = (GENERATOR.standard_normal(shape, np.float32) / 4 for shape in ((D, 32), (H, D, 32)))
BIAS, BIAS_OF_HEADS = (GENERATOR.standard_normal(shape, np.float32) / 4 for shape in ((32,), (H, 32)))


def soft(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def linear(x, w, bias=0.0):
    return np.einsum("bhtc,hcf->bhtf", x, np.broadcast_to(w.astype(float), (H, *w.shape[-2:]))) + bias


def focused(x, p):
    r = np.maximum(x, 0)
    return r**p * np.linalg.norm(r, axis=-1, keepdims=True) / np.linalg.norm(r**p, axis=-1, keepdims=True)


def half(x):
    return (x * x).sum(-1, keepdims=True) / 2


def both(x):
    return np.concatenate([np.cos(x), np.sin(x)], -1)


def outer(x):
    """1, x and all products of channels, by their definition."""
    x = x / D**0.25
    return np.concatenate([np.ones_like(x[..., :1]), x, (x[..., :, None] * x[..., None, :]).reshape(*x.shape[:-1], D * D) / 2**0.5], -1)


CASES = {
    "exp": (maps.exp, np.exp), "relu": (maps.relu, lambda x: np.maximum(x, 0)),
    "elu_plus_one": (maps.elu_plus_one, lambda x: np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))),
    "softmax": (maps.softmax, soft), "cos_sin": (maps.cos_sin, both),
    "power_norm": (maps.power_norm(3), lambda x: focused(x, 3)), "power_norm_of_a_float": (maps.power_norm(1.5), lambda x: focused(x, 1.5)),
    "learned": (maps.learned(SHARED), lambda x: linear(x, SHARED)),
    "learned_of_heads": (maps.learned(OF_HEADS, maps.exp, BIAS), lambda x: np.exp(linear(x, OF_HEADS, BIAS))),
    "hedgehog": (maps.learned(OF_HEADS, maps.mirrored(maps.exp), BIAS_OF_HEADS),
                 lambda x: np.concatenate([np.exp(s * linear(x, OF_HEADS, BIAS_OF_HEADS[:, None])) for s in (1, -1)], -1)),
    "lolcats": (maps.learned(OF_HEADS, maps.clamped(maps.mirrored(maps.softmax))),
                lambda x: np.maximum(np.concatenate([soft(s * linear(x, OF_HEADS)) for s in (1, -1)], -1), 1e-12)),
    "positive_random": (maps.positive_random(SHARED), lambda x: np.exp(linear(x, SHARED) - half(x)) / 32**0.5),
    "random_fourier": (maps.random_fourier(OF_HEADS), lambda x: np.exp(half(x)) * both(linear(x, OF_HEADS)) / 32**0.5),
    "taylor": (maps.taylor, outer),
}
POSITIVE = [name for name in CASES if name not in ("cos_sin", "learned", "random_fourier")]


def inputs(seed=1):
    generator = np.random.default_rng(seed)
    return [generator.standard_normal((B, H, T, width), np.float32) * 0.7 for width in (D, D, E)]


@pytest.mark.parametrize("name", CASES)
def test_what_a_token_weighs(name):
    q, k, v = inputs()
    traced, plain = CASES[name]
    fq, fk = plain(q.astype(float)), plain(k.astype(float))
    got = heddle.recur(q, k, v, feature_map=traced, scale=0.5)
    assert difference(got, recurrence(fq, fk, wide(v, H), scale=0.5)[0]) < 1e-5
    if name in POSITIVE:
        got = heddle.recur(q, k, v, feature_map=traced, normalizer="sum")
        assert difference(got, recurrence(fq, fk, wide(v, H), divide=True)[0]) < 1e-5


def test_taylor_is_a_polynomial_of_the_score():
    q, k, v = inputs(2)
    s = np.einsum("bhic,bhjc->bhij", q.astype(float), k) / D**0.5
    weights = np.tril(1 + s + s * s / 2)
    expected = weights @ wide(v, H) / weights.sum(-1, keepdims=True)
    assert difference(heddle.recur(q, k, v, feature_map=maps.taylor, normalizer="sum"), expected) < 1e-5


@pytest.mark.parametrize("make", [maps.positive_random, maps.random_fourier])
def test_random_features_weigh_like_softmax_on_average(make):
    """So do these 512 of them, roughly; by the features' own code, on arrays that a spec returns."""
    generator = np.random.default_rng(3)
    w = generator.standard_normal((D, 512 if make is maps.positive_random else 256), np.float32)
    x, y = (generator.standard_normal((1, 1, 40, D), np.float32) / 4 for _ in range(2))

    @heddle.spec
    def features(x, y):
        return make(w)(x), make(w)(y)

    fx, fy = (z.astype(float) for z in features(x, y))
    expected = np.exp(np.einsum("bhic,bhjc->bhij", x.astype(float), y))
    assert difference(np.einsum("bhic,bhjc->bhij", fx, fy), expected) < 0.15


def test_maps_of_16_bits_and_of_an_attend():
    """Weights of another type than x; the same maps in front of softmax."""
    torch = pytest.importorskip("torch")
    q, k, v = (torch.from_numpy(x).to(torch.bfloat16) for x in inputs(4))
    w = torch.from_numpy(SHARED)
    got = heddle.recur(q, k, v, feature_map=maps.learned(w, maps.mirrored(maps.softmax)), normalizer="sum")
    plain = lambda x: np.concatenate([soft(s * linear(x.double().numpy(), SHARED)) for s in (1, -1)], -1)
    assert difference(got.double(), recurrence(plain(q), plain(k), v.double().numpy(), divide=True)[0]) < 1e-2

    @heddle.spec
    def attend(q, k, v):
        f = maps.elu_plus_one
        return heddle.attend(f(q), f(k), v, causal=True)

    q, k, v = inputs(5)
    fq, fk = (CASES["elu_plus_one"][1](x.astype(float)) for x in (q, k))
    s = np.where(np.tri(T, dtype=bool), np.einsum("bhic,bhjc->bhij", fq, fk) / D**0.5, -np.inf)
    assert difference(attend(q, k, v), soft(s) @ wide(v, H)) < 1e-5
