"""heddle.recur and heddle.recur_step on this machine's CUDA device against float64: `make test-gpu`."""
import pathlib
import sys

import pytest

import heddle

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "python"))
import numpy as np  # noqa: E402
from recur_oracle import GATES, KINDS, difference, logarithms, recurrence, spread, wide  # noqa: E402

torch = pytest.importorskip("torch")
TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}


def on_device(x, dtype=torch.float32):
    return torch.tensor(x, device="cuda").to(dtype)


def in_float64(x):
    return x.double().cpu().numpy()


@pytest.mark.parametrize("kind, strength", KINDS)
@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
def test_whole_and_token_by_token(kind, strength, dtype):
    generator = np.random.default_rng(len(kind) + len(strength))
    b, h, t, d, e = 2, 4, 333, 64, 64
    q, k, v = (on_device(generator.standard_normal((b, heads, t, width)), dtype) for heads, width in ((h, d), (2, d), (1, e)))
    gate = None if GATES[kind] is None else on_device(logarithms(generator, GATES[kind](b, h, t, d), strength))
    state = on_device(generator.standard_normal((b, h, d, e)))
    out = torch.full((b, h, t, e), torch.nan, device="cuda", dtype=dtype)
    got, final = heddle.recur(q, k, v, gate=gate, initial_state=state, return_final_state=True, out=out)
    assert got is out
    gates = None if gate is None else spread(in_float64(gate), h)
    expected, last, _ = recurrence(*(wide(in_float64(x), h) for x in (q, k, v)), gates, in_float64(state), scale=d**-0.5)
    assert difference(in_float64(got), expected) < TOLERANCE[dtype]
    assert difference(in_float64(final), last) < TOLERANCE[dtype]

    for token in range(3):
        part = gate if gate is None or gate.ndim == 1 else gate[:, :, token]
        row, state = heddle.recur_step(q[:, :, token], k[:, :, token], v[:, :, token], state, gate=part)
        assert difference(in_float64(row), expected[:, :, token]) < 2 * TOLERANCE[dtype]
