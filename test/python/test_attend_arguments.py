"""What heddle.attend refuses: one message per fault, and nothing is written."""
import ml_dtypes
import numpy as np
import pytest

import heddle


def arrays(rows=5, keys=5, heads=4, key_heads=2, width=16, value_width=16, dtype=np.float32, batch=2):
    return (np.ones((batch, heads, rows, width), dtype), np.ones((batch, key_heads, keys, width), dtype),
            np.ones((batch, key_heads, keys, value_width), dtype))


def packed(rows=6, heads=2, width=16):
    return tuple(np.ones((rows, heads, width), np.float32) for _ in range(3))


def with_(number, value):
    given = list(arrays())
    given[number] = value
    return given


Q, K, V = arrays()
INT32 = lambda *values: np.array(values, np.int32)


@pytest.mark.parametrize("qkv, arguments, error, message", [
    (([1.0], K, V), {}, TypeError, "as q, got builtins.list"),
    (with_(0, Q[0]), {}, ValueError, "expected q, k and v of rank 4 for layout 'bhtd', got shapes (4, 5, 16)"),
    (with_(0, Q[0, 0]), {}, ValueError, "for layout 'bhtd', got shapes (5, 16), (2, 2, 5, 16)"),
    (with_(0, Q[0, 0, 0, 0:1].reshape(())), {}, ValueError, "got a single number"),
    (with_(1, K.astype(np.float16)), {}, TypeError, "expected q, k and v of one type, got float32, float16 and float32"),
    ([x.astype(np.float64) for x in (Q, K, V)], {}, TypeError, "expected q of float32, float16 or bfloat16, got float64"),
    ([x.astype(">f4") for x in (Q, K, V)], {}, TypeError, "expected q of float32, float16 or bfloat16, got >f4"),
    (arrays(width=12), {}, ValueError, "expected a head size of q that is a multiple of 8 from 8 to 512, got 12"),
    (arrays(value_width=520), {}, ValueError, "expected a head size of v that is a multiple of 8 from 8 to 512, got 520"),
    (with_(1, np.ones((2, 2, 5, 24), np.float32)), {}, ValueError, "expected q and k of one head size, got 16 and 24"),
    (with_(2, np.ones((2, 2, 6, 16), np.float32)), {}, ValueError, "expected k and v of one length, got 5 and 6"),
    (arrays(heads=3), {}, ValueError, "a multiple of those of k and v, got 3, 2 and 2"),
    (arrays(key_heads=0), {}, ValueError, "a multiple of those of k and v, got 4, 0 and 0"),
    (with_(1, K[:1].repeat(3, 0)), {}, ValueError, "expected batches of k and v of 2 (as q) or 1, got 3 and 2"),
    (with_(0, np.ones((2, 4, 5, 32), np.float32)[..., ::2]), {}, ValueError, "expected q with a contiguous last dimension, got strides"),
    ((Q, K, V), {"layout": "hbtd"}, ValueError, "expected layout \"bhtd\", \"bthd\" or \"thd\", got 'hbtd'"),
    ((Q, K, V), {"causal": "bottom-left"}, ValueError, "expected causal=True, False or \"top-left\", got 'bottom-left'"),
    ((Q, K, V), {"window": 5}, ValueError, "expected window=(left, right), got 5"),
    ((Q, K, V), {"window": (-2, 0)}, ValueError, "expected an integer of -1 or more as the left bound of window, got -2"),
    ((Q, K, V), {"window": (0, 1.5)}, ValueError, "as the right bound of window, got 1.5"),
    ((Q, K, V), {"normalizer": "hardmax"}, ValueError, "or a heddle.Normalizer as normalizer, got 'hardmax'"),
    ((Q, K, V), {"normalizer": 3}, TypeError, "expected a name or a heddle.Normalizer as normalizer, got int"),
    ((Q, K, V), {"normalizer": "relu", "return_lse": True}, ValueError, "with the statistic lse for return_lse=True, got 'relu'"),
    ((Q, K, V), {"normalizer": "relu", "sink": np.ones(4, np.float32)}, ValueError, "expected normalizer=\"softmax\" with sink, got 'relu'"),
    ((Q, K, V), {"sink": np.ones(2, np.float32)}, ValueError, "expected sink of shape (4,), got (2,)"),
    ((Q, K, V), {"sink": np.ones(4, np.float64)}, TypeError, "expected sink of float32, got float64"),
    ((Q, K, V), {"kv_lengths": INT32(1, 2, 3)}, ValueError, "expected kv_lengths of shape (2,), got (3,)"),
    ((Q, K, V), {"kv_lengths": np.array([1, 2])}, TypeError, "expected kv_lengths of int32, got int64"),
    ((Q, K, V), {"kv_lengths": INT32(1, 6)}, ValueError, "expected kv_lengths from 0 to 5, got [1, 6]"),
    ((Q, K, V), {"kv_lengths": [1, 2]}, TypeError, "expected an array as kv_lengths, got list"),
    ((Q, K, V), {"cu_seqlens_q": INT32(0, 5)}, ValueError, "expected no cu_seqlens for layout 'bhtd'"),
    (packed(), {"layout": "thd"}, ValueError, "expected cu_seqlens_q for layout \"thd\", got none"),
    (packed(), {"layout": "thd", "cu_seqlens_q": INT32(0, 7)}, ValueError, "and to end at 6 or before, got [0, 7]"),
    (packed(), {"layout": "thd", "cu_seqlens_q": INT32(1, 6)}, ValueError, "expected cu_seqlens_q to start at 0"),
    (packed(), {"layout": "thd", "cu_seqlens_q": INT32(0, 4, 3)}, ValueError, "never to fall"),
    (packed(), {"layout": "thd", "cu_seqlens_q": INT32(0, 6), "cu_seqlens_k": INT32(0, 3, 6)}, ValueError,
     "expected cu_seqlens_k of shape (2,), got (3,)"),
    (packed(), {"layout": "thd", "cu_seqlens_q": INT32(0, 6), "kv_lengths": INT32(6)}, ValueError, "expected no kv_lengths for layout"),
    ((packed()[0], *packed(9)[1:]), {"layout": "thd", "cu_seqlens_q": INT32(0, 6)}, ValueError,
     "expected cu_seqlens_k where k has another length than q"),
    ((Q, K, V), {"out": np.ones((2, 4, 5, 8), np.float32)}, ValueError, "expected out of shape (2, 4, 5, 16), got (2, 4, 5, 8)"),
    ((Q, K, V), {"out": np.ones((2, 4, 5, 16), np.float16)}, TypeError, "expected out of float32, got float16"),
    ((Q, K, V), {"out": np.broadcast_to(np.float32(1), (2, 4, 5, 16))}, ValueError, "expected out to be writeable"),
    ((Q, K, V), {"score_mod": lambda s, b, h, i, j, t=np.ones(3, np.float32): s + t[h]}, ValueError,
     "expected t to have 4 elements along axis 0, which h indexes, got 3"),
    ((Q, K, V), {"mask_mod": lambda b, h, i, j: j * 1.5}, heddle.TraceError, "expected a mask_mod to return a condition, got a float"),
    ((Q, K, V), {"score_mod": lambda s, b: s}, heddle.TraceError, "takes 2 positional arguments but 5 were given"),
])
def test_refusals(qkv, arguments, error, message):
    out = arguments.setdefault("out", np.full((2, 4, 5, 16), 3.0, np.float32)) if "out" not in arguments else arguments["out"]
    before = out.copy()
    with pytest.raises(error) as caught:
        heddle.attend(*qkv, **arguments)
    assert message in str(caught.value)
    assert np.array_equal(out, before)


def test_inputs_that_require_gradients_are_refused():
    torch = pytest.importorskip("torch")
    q, k, v = (torch.from_numpy(x.copy()) for x in arrays())
    v.requires_grad_()
    with pytest.raises(NotImplementedError, match="got v with requires_grad"):
        heddle.attend(q, k, v)
    with torch.no_grad():
        assert heddle.attend(q, k, v).shape == (2, 4, 5, 16)


def test_integer_run_time_scalars_only():
    with pytest.raises(TypeError, match="expected an int or a float for a run-time scalar, got str"):
        heddle.scalar("512")


@pytest.mark.parametrize("arguments, message", [
    ({}, "expected a weight function"),
    ({"weight": lambda s: s, "reference": lambda s: s}, "expected reference and rescale together, got only reference"),
    ({"weight": lambda s: s, "weights": 0}, "expected weights of 1 or more"),
    ({"weight": lambda s: s, "name": "two words"}, "expected an identifier as the name of a normalizer, got 'two words'"),
])
def test_normalizers_that_are_none(arguments, message):
    with pytest.raises(ValueError) as caught:
        heddle.Normalizer(**arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize("normalizer, message", [
    (heddle.Normalizer(weight=lambda s, m: s), "expected a weight function of 1 or 5 arguments, got one of 2"),
    (heddle.Normalizer(weight=lambda s: s, finish=lambda: (1.0, 2.0)), "expected a finish function that returns 1 number, got 2"),
    (heddle.Normalizer(weight=lambda s: s, weights=2), "that returns 2 or more numbers, got 1"),
    (heddle.Normalizer(weight=lambda s: "s"), "expected a weight function to return a number, got str"),
])
def test_normalizers_that_cannot_be_traced(normalizer, message):
    with pytest.raises(heddle.TraceError) as caught:
        heddle.attend(Q, K, V, normalizer=normalizer)
    assert message in str(caught.value)
    assert caught.value.file == __file__


def test_bfloat16_of_ml_dtypes_is_known():
    q, k, v = (x.astype(ml_dtypes.bfloat16) for x in (Q, K, V))
    assert heddle.attend(q, k, v).dtype == ml_dtypes.bfloat16
