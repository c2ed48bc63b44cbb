"""Elementary functions of the CPU lowering: accuracy, and what they do at the ends of their range."""
import ml_dtypes
import numpy as np
import pytest
from compile_tile import M, V, build, kernel_text, run

FUNCTIONS = {"exp2": np.exp2, "exp": np.exp, "log": np.log, "log2": np.log2, "tanh": np.tanh, "sin": np.sin, "cos": np.cos,
             "erf": None, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "log1p": np.log1p, "expm1": np.expm1,
             "floor": np.floor, "ceil": np.ceil, "round": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
             "roundeven": np.rint, "absf": np.abs, "atan": np.arctan}


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if FUNCTIONS[n]])
def test_function(name):
    body = f"""
    %a = tile.load %p[%c0, %c0] : {M} -> tensor<8x64xf32>
    %r = math.{name} %a : tensor<8x64xf32>
    tile.store %r, %o[%c0, %c0] : tensor<8x64xf32>, {M}
"""
    lib = build(kernel_text("fn", f"%p: {M}, %o: {M}", body))
    p = np.random.default_rng(6).uniform(-20, 20, (8, 64)).astype(np.float32)
    if name in ("log", "log2", "sqrt", "rsqrt", "log1p"):
        p = np.abs(p) + 1e-3
    o = np.zeros_like(p)
    run(lib.fn, (1,), p, o)
    want = FUNCTIONS[name](p.astype(np.float64))
    # The periodic functions lose relative accuracy near their zeros, where the argument is reduced in f32.
    floor = 1.0 if name in ("sin", "cos") else 1e-2
    assert np.max(np.abs(o - want) / (np.abs(want) + floor)) < 3e-6


@pytest.mark.parametrize("name, base, level", [("exp2", 2.0, "avx2"), ("exp", np.e, "avx2"), ("exp2", 2.0, "avx512-emulated")])
def test_exponential_at_the_ends(name, base, level):
    body = f"""
    %a = tile.load %p[%c0, %c0] : {M} -> tensor<1x16xf32>
    %r = math.{name} %a : tensor<1x16xf32>
    tile.store %r, %o[%c0, %c0] : tensor<1x16xf32>, {M}
"""
    lib = build(kernel_text("fn", f"%p: {M}, %o: {M}", body), level)
    p = np.array([[-np.inf, np.inf, np.nan, 0, -1e30, 1e30, 127.9 if base == 2 else 88.7, 128.1, -125.9 if base == 2 else -87.3,
                   -130, 1, -1, 60.5, -60.5, 1e-8, -0.0]], np.float32)
    o = np.zeros_like(p)
    run(lib.fn, (1,), p, o)
    with np.errstate(over="ignore"):
        want = np.power(base, p.astype(np.float64))
    assert o[0, 0] == 0 and o[0, 1] == np.inf and np.isnan(o[0, 2]) and o[0, 3] == 1 and o[0, 4] == 0 and o[0, 5] == np.inf
    assert o[0, 7] == np.inf and o[0, 9] == 0
    for i in (6, 8, 10, 11, 12, 13, 14, 15):
        assert abs(o[0, i] / want[0, i] - 1) < 3e-7, (p[0, i], o[0, i], want[0, i])


def test_rounded_exponential():
    """An exp2 that is also rounded to bf16 has a shorter polynomial where exponents have instructions."""
    h = "memref<?x?xbf16, strided<[?, 1], offset: ?>>"
    body = f"""
    %a = tile.load %p[%c0, %c0] : {M} -> tensor<8x64xf32>
    %r = math.exp2 %a : tensor<8x64xf32>
    %s = tile.reduce sum %r dim 1 : tensor<8x64xf32> -> tensor<8x1xf32>
    %n = arith.truncf %r : tensor<8x64xf32> to tensor<8x64xbf16>
    tile.store %n, %o[%c0, %c0] : tensor<8x64xbf16>, {h}
    tile.store %s, %l[%c0] column : tensor<8x1xf32>, {V}
"""
    lib = build(kernel_text("fn", f"%p: {M}, %o: {h}, %l: {V}", body), "avx512-emulated")
    p = np.random.default_rng(8).uniform(-140, 20, (8, 64)).astype(np.float32)
    o, total = np.zeros((8, 64), ml_dtypes.bfloat16), np.zeros(8, np.float32)
    run(lib.fn, (1,), p, o, total)
    want = np.where(p < -126, 0.0, 2.0 ** p.astype(np.float64))
    assert np.abs(total / want.sum(1) - 1).max() < 4e-6
    assert (np.abs(o.astype(np.float64) - want) <= 0.0041 * want).all()
