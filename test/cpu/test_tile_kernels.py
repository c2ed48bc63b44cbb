"""Numbers of the CPU lowering alone: tile programs against NumPy in float64.

Every case is compiled by heddle-opt and clang, so this needs the tools of the build tree and LLVM 22, no device.
"""
import ml_dtypes
import numpy as np
import pytest
from attention import attention
from compile_tile import M, V, build, kernel_text, lower, run

TYPES = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}
TOLERANCE = {"f32": 3e-6, "f16": 4e-3, "bf16": 2e-2}


def expected_attention(q, k, v, scale, causal):
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    group = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, group, 1), np.repeat(v, group, 1)
    s = np.einsum("bhid,bhjd->bhij", q, k) * scale
    if causal:
        s = np.where(np.arange(s.shape[3])[None, :] <= np.arange(s.shape[2])[:, None], s, -np.inf)
    m = s.max(-1, keepdims=True)
    p = np.exp(s - m)
    total = p.sum(-1, keepdims=True)
    return np.einsum("bhij,bhjd->bhid", p / total, v), (m + np.log(total))[..., 0]


def close(got, want, dtype, what):
    worst = np.unravel_index(np.nanargmax(np.abs(got - want)) if np.isfinite(got).all() else 0, got.shape)
    assert np.isfinite(got).all(), f"{what}: not finite"
    assert np.abs(got - want).max() <= TOLERANCE[dtype], f"{what}: {got[worst]} for {want[worst]} at {worst}"


CASES = [
    dict(), dict(causal=True), dict(dtype="bf16"), dict(dtype="bf16", causal=True), dict(dtype="f16"),
    dict(d=80), dict(d=16, width=8, vwidth=8), dict(rows=16), dict(rows=128, keys=32, causal=True), dict(d=64, dv=128),
    dict(rows=32, keys=48, d=80, dv=48, dtype="bf16"), dict(rows=16, keys=16, d=16, dv=16, causal=True),
    dict(rows=96, keys=128, d=128, dtype="bf16", causal=True),
]


# Other vector widths differ in tiling, not in sizes; the matrix unit multiplies bf16 only.
RUNS = [(case, sizes, "avx2") for case in CASES for sizes in [(128, 128), (130, 150), (5, 3)]]
RUNS += [(case, (130, 150), level) for case in CASES for level in ("wide", "avx512-emulated", "sse")]
RUNS += [(case, (130, 150), "amx-emulated") for case in CASES if case.get("dtype") == "bf16"]


def name(value):
    return ("-".join(f"{k}={v}" for k, v in value.items()) or "plain") if isinstance(value, dict) else None


@pytest.mark.parametrize("case, sizes, level", RUNS, ids=name)
def test_attention(case, sizes, level):
    rows, keys = sizes
    if case.get("causal"):
        keys = rows
    dtype = case.get("dtype", "f32")
    d = case.get("width") or case.get("d", 64)
    dv = case.get("vwidth") or case.get("dv") or d
    rng = np.random.default_rng(0)
    make = lambda *shape: rng.standard_normal(shape).astype(TYPES[dtype])
    q, k, v = make(1, 2, rows, d), make(1, 1, keys, d), make(1, 1, keys, dv)
    o = np.full((1, 2, rows, dv), np.nan, TYPES[dtype])
    lse = np.full((1, 2, rows), np.nan, np.float32)
    scale = np.float32(d**-0.5)
    kernel = build(attention(**case), level).attend
    run(kernel, (-(-rows // case.get("rows", 64)), 2, 1), q, k, v, o, lse, scale)
    want, want_lse = expected_attention(q, k, v, scale, case.get("causal", False))
    close(o.astype(np.float64), want, dtype, "result")
    close(lse.astype(np.float64), want_lse, "f32", "lse")


def test_shapes():
    """transpose, slice, concat, reductions both ways, a table, positions, repeated vectors."""
    body = f"""
    %a = tile.load %p[%c0, %c0] : {M} -> tensor<16x24xf32>
    %t = tile.transpose %a : tensor<16x24xf32> -> tensor<24x16xf32>
    %s = tile.slice %t[8, 4] : tensor<24x16xf32> -> tensor<16x12xf32>
    %u = tile.slice %a[0, 20] : tensor<16x24xf32> -> tensor<16x4xf32>
    %w = tile.concat %s, %u : tensor<16x12xf32>, tensor<16x4xf32> -> tensor<16x16xf32>
    %rs = tile.reduce sum %w dim 0 : tensor<16x16xf32> -> tensor<1x16xf32>
    %rm = tile.reduce max %w dim 1 : tensor<16x16xf32> -> tensor<16x1xf32>
    %rn = tile.reduce min %w dim 1 : tensor<16x16xf32> -> tensor<16x1xf32>
    %all = tile.reduce sum %rm dim 0 : tensor<16x1xf32> -> tensor<1x1xf32>
    %one = tile.scalar %all : tensor<1x1xf32> -> f32
    %rsb = tile.broadcast %rs : tensor<1x16xf32> -> tensor<16x16xf32>
    %rmb = tile.broadcast %rm : tensor<16x1xf32> -> tensor<16x16xf32>
    %rnb = tile.broadcast %rn : tensor<16x1xf32> -> tensor<16x16xf32>
    %ones = tensor.splat %one : tensor<16x16xf32>
    %i = tile.iota dim 0 offset %c3 : tensor<16x1xi32>
    %j = tile.iota dim 1 offset %c2 : tensor<1x16xi32>
    %ib = tile.broadcast %i : tensor<16x1xi32> -> tensor<16x16xi32>
    %jb = tile.broadcast %j : tensor<1x16xi32> -> tensor<16x16xi32>
    %table = arith.constant dense<[[1, 5, 2, 7, 3, 9, 4, 8, 1, 5, 2, 7, 3, 9, 4, 8]]> : tensor<1x16xi32>
    %tb = tile.broadcast %table : tensor<1x16xi32> -> tensor<16x16xi32>
    %ij0 = arith.muli %ib, %jb : tensor<16x16xi32>
    %ij = arith.addi %ij0, %tb : tensor<16x16xi32>
    %f = arith.sitofp %ij : tensor<16x16xi32> to tensor<16x16xf32>
    %x1 = arith.mulf %w, %rsb : tensor<16x16xf32>
    %x2 = arith.addf %x1, %rmb : tensor<16x16xf32>
    %x3 = arith.subf %x2, %rnb : tensor<16x16xf32>
    %x4 = arith.addf %x3, %ones : tensor<16x16xf32>
    %x5 = arith.addf %x4, %f : tensor<16x16xf32>
    tile.store %x5, %o[%c0, %c0] : tensor<16x16xf32>, {M}
    tile.store %rs, %v[%c2] : tensor<1x16xf32>, {V}
"""
    lib = build(kernel_text("shapes", f"%p: {M}, %o: {M}, %v: {V}", body))
    rng = np.random.default_rng(1)
    p = rng.standard_normal((13, 22)).astype(np.float32)
    o, v = np.zeros((15, 14), np.float32), np.zeros(10, np.float32)
    run(lib.shapes, (1,), p, o, v)
    a = np.zeros((16, 24))
    a[:13, :22] = p
    w = np.concatenate([a.T[8:24, 4:16], a[:, 20:24]], 1)
    rs, rm, rn = w.sum(0, keepdims=True), w.max(1, keepdims=True), w.min(1, keepdims=True)
    table = np.array([1, 5, 2, 7, 3, 9, 4, 8] * 2)
    want = w * rs + rm - rn + rm.sum() + (np.arange(16)[:, None] + 3) * (np.arange(16)[None] + 2) + table
    assert np.abs(o - want[:15, :14]).max() < 1e-4
    assert np.abs(v[2:] - rs[0, :8]).max() < 1e-5 and (v[:2] == 0).all()


def test_gather_and_columns():
    """gathers with clamped coordinates and a mask, rows along another dimension, columns, limits."""
    m3 = "memref<?x?x?xf32, strided<[?, ?, 1], offset: ?>>"
    body = f"""
    %i = tile.iota dim 0 offset %c0 : tensor<8x1xi32>
    %j = tile.iota dim 1 offset %c0 : tensor<1x16xi32>
    %ib = tile.broadcast %i : tensor<8x1xi32> -> tensor<8x16xi32>
    %jb = tile.broadcast %j : tensor<1x16xi32> -> tensor<8x16xi32>
    %d = arith.subi %jb, %ib : tensor<8x16xi32>
    %zero = arith.constant dense<0> : tensor<8x16xi32>
    %ok = arith.cmpi sge, %d, %zero : tensor<8x16xi32>
    %g = tile.gather %p[%c1, %i, %d] mask(%ok : tensor<8x16xi1>) : {m3}, index, tensor<8x1xi32>, tensor<8x16xi32> -> tensor<8x16xf32>
    %r = tile.load %p[%c0, %c2, %c1] limit(%c3) rows 0 : {m3} -> tensor<8x16xf32>
    %col = tile.load %v[%c1] limit(%n) column : {V} -> tensor<8x1xf32>
    %cb = tile.broadcast %col : tensor<8x1xf32> -> tensor<8x16xf32>
    %s = arith.addf %g, %r : tensor<8x16xf32>
    %t = arith.addf %s, %cb : tensor<8x16xf32>
    tile.store %t, %o[%c0, %c0] limit(%n) : tensor<8x16xf32>, {M}
"""
    lib = build(kernel_text("gathers", f"%p: {m3}, %v: {V}, %o: {M}, %n: index", body))
    rng = np.random.default_rng(2)
    p, v = rng.standard_normal((4, 5, 11)).astype(np.float32), rng.standard_normal(20).astype(np.float32)
    o = np.full((8, 16), -1, np.float32)
    run(lib.gathers, (1,), p, v, o, 6)
    i, j = np.arange(8)[:, None], np.arange(16)[None]
    g = np.where(j >= i, p[1][np.clip(i, 0, 4), np.clip(j - i, 0, 10)], 0)
    r = np.zeros((8, 16))
    r[:3, :10] = p[:3, 2, 1:]
    c = np.zeros((8, 1))
    c[:5, 0] = v[1:6]
    assert np.abs(o[:6] - (g + r + c)[:6]).max() < 1e-6 and (o[6:] == -1).all()


def test_dots_of_every_orientation():
    rng = np.random.default_rng(3)
    for ta in (False, True):
        for tb in (False, True):
            ka, kb = ("24x16" if ta else "16x24"), ("40x24" if tb else "24x40")
            attrs = "".join(f", trans{n}" for n, on in (("A", ta), ("B", tb)) if on)[2:]
            body = f"""
    %a = tile.load %p[%c0, %c0] : {M} -> tensor<{ka}xf32>
    %b = tile.load %q[%c0, %c0] : {M} -> tensor<{kb}xf32>
    %c = tile.load %o[%c0, %c0] : {M} -> tensor<16x40xf32>
    %two = arith.constant dense<2.0> : tensor<16x40xf32>
    %c2x = arith.mulf %c, %two : tensor<16x40xf32>
    %d = tile.dot %a, %b, %c2x {'{' + attrs + '}' if attrs else ''} : tensor<{ka}xf32>, tensor<{kb}xf32> -> tensor<16x40xf32>
    %m = tile.reduce max %d dim 1 : tensor<16x40xf32> -> tensor<16x1xf32>
    %mb = tile.broadcast %m : tensor<16x1xf32> -> tensor<16x40xf32>
    %e = arith.subf %d, %mb : tensor<16x40xf32>
    tile.store %e, %o[%c0, %c0] : tensor<16x40xf32>, {M}
"""
            lib = build(kernel_text("dots", f"%p: {M}, %q: {M}, %o: {M}", body))
            p = rng.standard_normal([int(n) for n in ka.split("x")]).astype(np.float32)
            q = rng.standard_normal([int(n) for n in kb.split("x")]).astype(np.float32)
            o = rng.standard_normal((16, 40)).astype(np.float32)
            want = (p.T if ta else p).astype(np.float64) @ (q.T if tb else q) + 2.0 * o
            want -= want.max(1, keepdims=True)
            run(lib.dots, (1,), p, q, o)
            assert np.abs(o - want).max() < 2e-5, (ta, tb)


@pytest.mark.parametrize("level", ["avx2", "amx-emulated"])
def test_rounding_that_others_see(level):
    """x rounded plus what was rounded off, as two products: dots in f32 must not read x itself for the first."""
    body = f"""
    %x = tile.load %a[%c0, %c0] : {M} -> tensor<16x32xf32>
    %high = arith.truncf %x : tensor<16x32xf32> to tensor<16x32xbf16>
    %wide = arith.extf %high : tensor<16x32xbf16> to tensor<16x32xf32>
    %rest = arith.subf %x, %wide : tensor<16x32xf32>
    %low = arith.truncf %rest : tensor<16x32xf32> to tensor<16x32xbf16>
    %y = tile.load %b[%c0, %c0] : {M} -> tensor<32x16xf32>
    %sign = arith.truncf %y : tensor<32x16xf32> to tensor<32x16xbf16>
    %zero = arith.constant dense<0.0> : tensor<16x16xf32>
    %first = tile.dot %high, %sign, %zero : tensor<16x32xbf16>, tensor<32x16xbf16> -> tensor<16x16xf32>
    %both = tile.dot %low, %sign, %first : tensor<16x32xbf16>, tensor<32x16xbf16> -> tensor<16x16xf32>
    tile.store %both, %o[%c0, %c0] : tensor<16x16xf32>, {M}
"""
    library = build(kernel_text("sum", f"%a: {M}, %b: {M}, %o: {M}", body), level)
    random = np.random.default_rng(6)
    a, b = random.standard_normal((16, 32)).astype(np.float32), np.sign(random.standard_normal((32, 16))).astype(np.float32)
    o = np.full((16, 16), np.nan, np.float32)
    run(library.sum, (1,), a, b, o)
    assert np.abs(o - a.astype(np.float64) @ b).max() < 2e-4  # 2^-16 of 32 numbers; reading x twice is wrong by 2^-9


@pytest.mark.parametrize("level", ["avx2", "amx-emulated"])
def test_pairs(level):
    """Rows and columns in strips of pairs, and products that read them, against the definition of tile.pair."""
    k, p, s = ("memref<?x?xbf16, strided<[?, 1], offset: ?>>",) * 2 + (M,)
    body = f"""
    %x = tile.load %k[%c0, %c0] : {k} -> tensor<32x64xbf16>
    %t = tile.transpose %x : tensor<32x64xbf16> -> tensor<64x32xbf16>
    %a = tile.pair %t : tensor<64x32xbf16> -> tensor<64x32xbf16>
    tile.store %a, %kp[%c0, %c0] : tensor<64x32xbf16>, {p}
    %b = tile.pair %x : tensor<32x64xbf16> -> tensor<64x32xbf16>
    tile.store %b, %vp[%c0, %c0] : tensor<64x32xbf16>, {p}
"""
    use = f"""
    %z = arith.constant dense<0.0> : tensor<32x32xf32>
    %x = tile.load %q[%c0, %c0] : {k} -> tensor<32x64xbf16>
    %y = tile.load %kp[%c0, %c0] : {p} -> tensor<64x32xbf16>
    %u = tile.unpair %y : tensor<64x32xbf16> -> tensor<64x32xbf16>
    %d = tile.dot %x, %u, %z : tensor<32x64xbf16>, tensor<64x32xbf16> -> tensor<32x32xf32>
    tile.store %d, %o[%c0, %c0] : tensor<32x32xf32>, {s}
"""
    lib = build(kernel_text("stage", f"%k: {k}, %kp: {p}, %vp: {p}", body) +
                kernel_text("multiply", f"%q: {k}, %kp: {p}, %o: {s}", use), level)
    rng = np.random.default_rng(6)
    x, q = (rng.standard_normal((32, 64)).astype(TYPES["bf16"]) for _ in range(2))
    kp, vp, o = np.zeros((64, 32), TYPES["bf16"]), np.zeros((64, 32), TYPES["bf16"]), np.zeros((32, 32), np.float32)
    run(lib.stage, (1,), x, kp, vp)
    for tile, pairs in ((x.T, kp), (x, vp)):
        r, c = np.indices(tile.shape)
        assert (pairs[c // 16 * (tile.shape[0] // 2) + r // 2, 2 * (c % 16) + r % 2] == tile).all()
    run(lib.multiply, (1,), q, kp, o)
    assert np.abs(o - q.astype(np.float64) @ x.T.astype(np.float64)).max() < 1e-4


STAGED = """!t = tensor<?x?x?x64xbf16>
func.func @sdpa(%q: !t, %k: !t, %v: !t) -> !t {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax mask(%b, %h, %i, %j) {
    %m = arith.cmpi sle, %j, %i : index
    attn.yield %m : i1
  } : (!t, !t, !t) -> !t
  return %o : !t
}"""


@pytest.mark.parametrize("level", ["avx2", "amx-emulated"])
def test_staged_keys(level):
    """attn-to-tile's staged keys and values, launched as the plan does, with a last block of few keys."""
    text = lower(STAGED, "attn-link-prelude,attn-to-tile{split-keys=false rows=64 keys=64 staged-strip=16},canonicalize,cse")
    lib = build(text, level)
    rng = np.random.default_rng(7)
    q, k, v = (rng.standard_normal((1, heads, 150, 64)).astype(TYPES["bf16"]) for heads in (2, 1, 1))
    blocks = -(-150 // 64)
    keys, values = (np.full((1, 1, blocks, 128, 32), np.nan, TYPES["bf16"]) for _ in range(2))
    o = np.full(q.shape, np.nan, TYPES["bf16"])
    run(lib.sdpa_0, (blocks, 1, 1), k, keys)
    run(lib.sdpa_1, (blocks, 1, 1), v, values)
    run(lib.sdpa_2, (blocks, 2, 1), q, k, v, keys, values, o)
    want, _ = expected_attention(q, k, v, 1.0, causal=True)
    close(o.astype(np.float64), want, "bf16", "result")


def test_control_flow():
    """while loops, nested loops, swapped and shifted carried tiles, branches that yield either way, i1 tiles."""
    body = f"""
    %a = tile.load %p[%c0, %c0] : {M} -> tensor<8x16xf32>
    %z = arith.constant dense<0.0> : tensor<8x16xf32>
    %half = arith.constant dense<0.5> : tensor<8x16xf32>
    %u, %w, %n = scf.for %k = %c0 to %c3 step %c1 iter_args(%s = %a, %t = %z, %i = %c0) -> (tensor<8x16xf32>, tensor<8x16xf32>, index) {{
      %x = arith.addf %s, %half : tensor<8x16xf32>
      %i1 = arith.addi %i, %c2 : index
      %inner = scf.for %l = %c0 to %c2 step %c1 iter_args(%y = %t) -> (tensor<8x16xf32>) {{
        %y1 = arith.addf %y, %x : tensor<8x16xf32>
        scf.yield %y1 : tensor<8x16xf32>
      }}
      %even = arith.cmpi eq, %k, %c1 : index
      %b = scf.if %even -> (tensor<8x16xf32>) {{
        %sq = arith.mulf %inner, %inner : tensor<8x16xf32>
        scf.yield %sq : tensor<8x16xf32>
      }} else {{
        scf.yield %inner : tensor<8x16xf32>
      }}
      scf.yield %b, %s, %i1 : tensor<8x16xf32>, tensor<8x16xf32>, index
    }}
    %big = arith.cmpf ogt, %u, %w : tensor<8x16xf32>
    %f, %flag, %cnt = scf.while (%s = %u, %g = %big, %k = %c0) : (tensor<8x16xf32>, tensor<8x16xi1>, index) -> (tensor<8x16xf32>, tensor<8x16xi1>, index) {{
      %more = arith.cmpi slt, %k, %c3 : index
      %s2 = arith.mulf %s, %half : tensor<8x16xf32>
      scf.condition(%more) %s2, %g, %k : tensor<8x16xf32>, tensor<8x16xi1>, index
    }} do {{
    ^bb0(%s: tensor<8x16xf32>, %g: tensor<8x16xi1>, %k: index):
      %true = arith.constant dense<true> : tensor<8x16xi1>
      %ng = arith.xori %g, %true : tensor<8x16xi1>
      %k1 = arith.addi %k, %c1 : index
      scf.yield %s, %ng, %k1 : tensor<8x16xf32>, tensor<8x16xi1>, index
    }}
    %e = arith.select %flag, %f, %w : tensor<8x16xi1>, tensor<8x16xf32>
    %ni = arith.index_cast %n : index to i32
    %nf = arith.sitofp %ni : i32 to f32
    %nt = tensor.splat %nf : tensor<8x16xf32>
    %r = arith.addf %e, %nt : tensor<8x16xf32>
    tile.store %r, %o[%c0, %c0] : tensor<8x16xf32>, {M}
    %seven = arith.constant 7 : i32
    tile.atomic_max %seven, %status[%c0] : memref<?xi32, strided<[1], offset: ?>>
"""
    lib = build(kernel_text("flow", f"%p: {M}, %o: {M}, %status: memref<?xi32, strided<[1], offset: ?>>", body))
    p = np.random.default_rng(4).standard_normal((8, 16)).astype(np.float32)
    o, status = np.zeros((8, 16), np.float32), np.array([3], np.int32)
    run(lib.flow, (1,), p, o, status)
    s, t, n = p.astype(np.float64), np.zeros((8, 16)), 0
    for k in range(3):
        inner = t + 2 * (s + 0.5)
        s, t, n = (inner * inner if k == 1 else inner), s, n + 2
    flag, f, k = s > t, s, 0
    while True:
        f = f * 0.5
        if k >= 3:
            break
        flag, k = ~flag, k + 1
    assert np.abs(o / (np.where(flag, f, t) + n) - 1).max() < 1e-5
    assert status[0] == 7


def test_scalar_kernel_in_f64():
    """What the reference lowering writes: loops over scalars, f64 functions from libm."""
    body = f"""
    %n = memref.dim %p, %c0 : {V}
    scf.for %i = %c0 to %n step %c1 {{
      %a = memref.load %p[%i] : {V}
      %d = arith.extf %a : f32 to f64
      %e = math.exp %d : f64
      %l = math.log %e : f64
      %s = math.tanh %l : f64
      %t = math.powf %e, %s : f64
      %q = math.sqrt %t : f64
      %r = arith.truncf %q : f64 to f32
      memref.store %r, %o[%i] : {V}
    }}
"""
    lib = build(kernel_text("scalars", f"%p: {V}, %o: {V}", body))
    p = np.random.default_rng(5).standard_normal(50).astype(np.float32)
    o = np.zeros(50, np.float32)
    run(lib.scalars, (1,), p, o)
    x = p.astype(np.float64)
    want = np.sqrt(np.exp(x) ** np.tanh(x)).astype(np.float32)
    assert np.abs(o / want - 1).max() <= 1.3e-7
