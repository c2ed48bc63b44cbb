"""PyTorch's tensors: the same results as NumPy's, as PyTorch's own attention, and inside of its compiler's tracing."""
import numpy as np
import pytest

import heddle
import layouts
import oracle

torch = pytest.importorskip("torch")
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def tensors(element, *shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).to(DTYPES[element]) for shape in shapes]


@pytest.mark.parametrize("element", DTYPES)
@pytest.mark.parametrize("causal", [False, True])
def test_agrees_with_scaled_dot_product_attention(element, causal):
    q, k, v = tensors(element, (2, 6, 75, 64), (2, 2, 75, 64), (2, 2, 75, 64))
    got = heddle.attend(q, k, v, causal=causal)
    assert got.dtype == q.dtype and got.device == q.device
    expected = torch.nn.functional.scaled_dot_product_attention(q.double(), k.double(), v.double(), is_causal=causal, enable_gqa=True)
    oracle.check(expected.numpy(), got.float().numpy(), element)


def test_agrees_with_eager_flex_attention():
    flex = pytest.importorskip("torch.nn.attention.flex_attention")
    q, k, v = tensors("f32", *[(2, 4, 64, 32)] * 3)
    slopes = torch.linspace(0.1, 1.0, 4)

    def score_mod(score, b, h, q_idx, kv_idx):
        return torch.where(q_idx >= kv_idx, torch.tanh(score / 5.0) * 5.0 - slopes[h] * (q_idx - kv_idx), -float("inf"))

    got, lse = heddle.attend(q, k, v, score_mod=score_mod, return_lse=True)
    expected, log_sum = flex.flex_attention(q, k, v, score_mod=score_mod, return_lse=True)
    oracle.check(expected.numpy(), got.numpy(), "f32")
    oracle.check(log_sum.numpy(), lse.numpy(), "f32")


def test_strides_are_the_tensors_own():
    x = torch.randn(2, 9, 3, 4, 16)  # (b, t, 3, h, d): one projection for q, k and v
    q, k, v = x.unbind(2)
    got = heddle.attend(q, k, v, layout="bthd", causal=True)
    swap = lambda y: y.transpose(1, 2).numpy()
    expected, _ = oracle.attend(swap(q), swap(k), swap(v), oracle.visible(9, 9, True), scale=0.25)
    oracle.check(expected, swap(got), "f32")


def test_a_number_in_a_tensor_is_a_run_time_number():
    q, k, v = tensors("f32", *[(1, 2, 20, 16)] * 3)
    limit = torch.tensor(3)

    def mask(b, h, q_idx, kv_idx):
        return kv_idx < limit

    for number in (3, 11):
        limit.fill_(number)
        got = heddle.attend(q, k, v, mask_mod=mask)
        expected, _ = oracle.attend(q, k, v, np.arange(20) < number, scale=0.25)
        oracle.check(expected, got.numpy(), "f32")


def test_numpy_and_torch_share_a_pack():
    from heddle import _compiler
    arrays = [layouts.random(np.random.default_rng(1), (1, 2, 10, 24), "f32") for _ in range(3)]
    ours = heddle.attend(*arrays)
    before = len(_compiler._packs)
    theirs = heddle.attend(*map(torch.from_numpy, arrays))
    assert len(_compiler._packs) == before
    assert np.array_equal(ours, theirs.numpy())


def test_the_registered_operator():
    import heddle.torch
    q, k, v = tensors("f32", (2, 4, 10, 16), (2, 2, 12, 16), (2, 2, 12, 24))
    o, lse = torch.ops.heddle.attend(q, k, v, causal="bottom-right", window_left=4)
    expected, log_sum = heddle.attend(q, k, v, causal=True, window=(4, -1), return_lse=True)
    assert torch.equal(o, expected) and torch.equal(lse, log_sum)
    torch.library.opcheck(torch.ops.heddle.attend.default, (q, k, v), {"causal": "bottom-right"},
                          test_utils=["test_schema", "test_faketensor"])


def test_the_registered_operator_reads_pages():
    import heddle.torch
    q, k, v = tensors("f32", (2, 4, 1, 16), (9, 2, 8, 16), (9, 2, 8, 16))
    table, lengths = torch.arange(6, dtype=torch.int32).reshape(2, 3), torch.tensor([24, 9], dtype=torch.int32)
    options = {"block_table": table, "cache_seqlens": lengths, "num_splits": 2}
    o, lse = torch.ops.heddle.attend(q, k, v, **options)
    expected, log_sum = heddle.attend(q, k, v, return_lse=True, **options)
    assert torch.equal(o, expected) and torch.equal(lse, log_sum)
    torch.library.opcheck(torch.ops.heddle.attend.default, (q, k, v), options, test_utils=["test_schema", "test_faketensor"])


def test_the_registered_operator_has_no_gradient_and_says_so():
    import heddle.torch
    q, k, v = tensors("f32", *[(1, 2, 8, 16)] * 3)
    q.requires_grad_()
    with pytest.raises(NotImplementedError, match="requires_grad"):
        torch.ops.heddle.attend(q, k, v)
