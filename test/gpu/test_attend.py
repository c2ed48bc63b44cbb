"""heddle.attend on this machine's CUDA device against float64: `make test-gpu`. Arrays are PyTorch's, of its CUDA build."""
import itertools

import pytest
from heddle import _heddle
from heddle.bench import __main__ as bench
from heddle.bench import candidates, cases

torch = candidates.torch_or_none()


def test_a_device_answers():
    assert _heddle.cuda_available() and torch is not None and torch.cuda.is_available()


SHAPES = [(1000, 4, 4, 64), (130, 8, 2, 128), (77, 3, 1, 32), (513, 2, 2, 256), (1, 2, 2, 96)]
MASKS = ["full", "causal", "window:100"]


@pytest.mark.parametrize("shape, dtype, mask", list(itertools.product(SHAPES, cases.TOLERANCE, MASKS)))
def test_agrees_with_float64(shape, dtype, mask):
    length, heads, key_heads, width = shape
    case = cases.Case(length, heads, key_heads, width, dtype, mask, batch=2)
    q, k, v = cases.inputs(case)
    assert bench.check(case, candidates.ours(case, q, k, v, "cuda"), q, k, v) < cases.TOLERANCE[dtype]
