"""Random combinations of what heddle.recur takes, against float64 NumPy. More of them: HEDDLE_RANDOM_CASES=1000."""
import os

import numpy as np
import pytest

import heddle
from recur_oracle import difference, recurrence, spread, wide

COUNT = int(os.environ.get("HEDDLE_RANDOM_CASES", "24"))
MAPS = {"none": (None, lambda x: x), "exp": (lambda x: heddle.exp(x / 2), lambda x: np.exp(x / 2)),
        "squares": (lambda x: heddle.concat([x * x, heddle.maximum(x, 0.0)]),
                    lambda x: np.concatenate([x * x, np.maximum(x, 0)], -1))}


def positions_first(x):
    return np.ascontiguousarray(np.moveaxis(x, 1, 2))


@pytest.mark.parametrize("seed", range(COUNT))
def test_combination(seed):
    generator = np.random.default_rng(seed)
    pick = lambda *values: values[generator.integers(len(values))]
    dtype, layout, kind, features = pick(np.float32, np.float16), pick("bhtd", "bthd"), pick("none", "head", "token", "channel"), pick(*MAPS)
    normalizer = "none" if features == "none" else pick("none", "sum")
    d, e, size = pick(8, 24, 32), pick(16, 40), pick(None, 16, 64)
    batch, heads, tokens = int(generator.integers(1, 3)), pick(1, 2, 4), int(generator.integers(1, 200))
    divisors = [n for n in (1, 2, 4) if heads % n == 0]
    q, k, v = (generator.standard_normal((batch, pick(*divisors) if n else heads, tokens, w)).astype(dtype)
               for n, w in enumerate((d, d, e)))
    traced, plain = MAPS[features]
    fq, fk = (plain(x.astype(np.float64)) for x in (q, k))
    width = fq.shape[-1]
    gate = None
    if kind != "none":
        shape = {"head": (pick(*divisors),), "token": (batch, pick(*divisors), tokens),
                 "channel": (batch, pick(*divisors), tokens, width)}[kind]
        gate = (-np.abs(generator.standard_normal(shape)) * pick(0.01, 1.0, 20.0)).astype(np.float32)
    state = mass = None
    if pick(True, False):
        state = np.abs(generator.standard_normal((pick(1, batch), pick(*divisors), width, e))).astype(np.float32)
        mass = np.abs(generator.standard_normal(state.shape[:3])).astype(np.float32)
    full = [None if x is None else np.broadcast_to(wide(x, heads), (batch, heads, *x.shape[2:])) for x in (state, mass)]
    expected, s, z = recurrence(wide(fq, heads), wide(fk, heads), wide(v, heads), spread(gate, heads), *full, scale=width**-0.5,
                                divide=normalizer == "sum")
    arrays = [q, k, v, gate]
    if layout == "bthd":
        arrays = [x if x is None or x.ndim == 1 else positions_first(x) for x in arrays]
    initial = None if state is None else (state, mass) if normalizer == "sum" else state
    got, final = heddle.recur(*arrays[:3], gate=arrays[3], feature_map=traced, normalizer=normalizer, initial_state=initial,
                              return_final_state=True, chunk_size=size, layout=layout)
    limit = 1e-5 if dtype == np.float32 else 2e-3
    assert difference(got if layout == "bhtd" else np.moveaxis(got, 1, 2), expected) < limit
    for one, other in zip(final if normalizer == "sum" else (final,), (s, z)):
        assert difference(one, other) < limit
