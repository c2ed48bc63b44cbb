"""heddle.attend on this machine's CUDA device against float64: `make test-gpu`. Arrays are PyTorch's, of its CUDA build."""
import itertools

import pytest

import heddle
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


def test_lengths_beyond_the_cache_are_clamped_and_reported():
    """Lengths on the device are not looked at before the launch: kernels keep inside of the arrays and say so."""
    @heddle.spec(q="?x?x?x64xbf16", k="?x?x?x64xbf16", v="?x?x?x64xbf16", lengths="?xi32")
    def cached(q, k, v, lengths):
        return heddle.attend(q, k, v, kv_lengths=lengths)

    q, k, v = (torch.randn(2, 2, rows, 64, device="cuda").bfloat16() for rows in (3, 40, 40))
    for values, word in (((40, 7), 0), ((41, 7), 1), ((2**31 - 1, -(2**31)), 1)):
        status = heddle.Status()
        got = cached(q, k, v, torch.tensor(values, dtype=torch.int32, device="cuda"), status=status)
        for b, length in enumerate(values):
            length = max(0, min(40, length))
            s = q[b].double() @ k[b, :, :length].double().transpose(-1, -2) / 8
            assert (got[b].double() - s.softmax(-1) @ v[b, :, :length].double()).norm() <= 5e-3 * v[b].double().norm()
        assert status.word == word
