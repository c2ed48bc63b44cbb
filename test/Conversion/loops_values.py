"""The reference semantics against NumPy, written from the formulas and not from the spec's text. Usage: loops_values.py"""
import numpy as np
from loops_runner import Checks, empty, heads

checks = Checks(seed=7)
check, normal = checks.check, checks.normal


def scores(q, k, count):
    return np.einsum("bhic,bhjc->bhij", heads(q, count), heads(k, count))


def past(rows, keys):
    return np.arange(keys)[None, :] <= np.arange(rows)[:, None]


def seen(s, visible, weight):
    """weight(s) over visible keys, 0 elsewhere."""
    return np.where(visible, weight(np.where(visible, s, 0.0)), 0.0)


def total(w):
    return w.sum(-1, keepdims=True)


# name in the text -> weights of scores s, sinks t, visible pairs v
NORMALIZERS = {
    "softmax": lambda s, t, v: seen(s, v, np.exp) / total(seen(s, v, np.exp)),
    "softmax_plus_one": lambda s, t, v: seen(s, v, np.exp) / (1 + total(seen(s, v, np.exp))),
    "softmax_sink(%t : tensor<?xf32>)":
        lambda s, t, v: seen(s, v, np.exp) / (np.exp(t.astype(float))[:, None, None] + total(seen(s, v, np.exp))),
    "signed": lambda s, t, v: np.sign(s) * seen(np.abs(s), v, np.exp) / total(seen(np.abs(s), v, np.exp)),
    "linear": lambda s, t, v: np.where(v, s, 0) / total(np.where(v, s, 0)),
    "sigmoid": lambda s, t, v: seen(s, v, lambda x: 1 / (1 + np.exp(-x))),
    "relu": lambda s, t, v: seen(s, v, lambda x: np.maximum(x, 0)),
    "relu2": lambda s, t, v: seen(s, v, lambda x: np.maximum(x, 0) ** 2),
    "none": lambda s, t, v: np.where(v, s, 0),
}

TYPES = "!X = tensor<?x?x?x16xf32>\n!W = tensor<?x?x?x8xf32>\n!R = tensor<?x?x?xf32>\n"
MASK = "mask(%b, %h, %i, %j) { %m = arith.cmpi sle, %j, %i : index\n attn.yield %m : i1 }"


@check(TYPES + "\n".join(f"""
func.func @n{index}(%q: !X, %k: !X, %v: !W, %t: tensor<?xf32>) -> !W {{
  %o = attn.attend dot(%q, %k) value(%v) normalize @{name} {MASK} : (!X, !X, !W) -> !W
  return %o : !W
}}""" for index, name in enumerate(NORMALIZERS)))
def prelude(call):
    q, k, v, t = normal(2, 4, 5, 16), normal(2, 2, 7, 16), normal(2, 1, 7, 8), normal(4)
    s = scores(q, k, 4)
    for index, (name, weights) in enumerate(NORMALIZERS.items()):
        o = empty(2, 4, 5, 8)
        call(f"n{index}", q, k, v, t, o)
        yield name, o, weights(s, t, past(5, 7)) @ heads(v, 4)


@check(TYPES + """
func.func @f(%q: !X, %k: !X, %v: !W, %len: tensor<?xi32>) -> (!W, !R, !R, !R) {
  %o, %a, %m = attn.attend dot(%q, %k) value(%v) normalize @softmax stats [lse, max]
    mask(%b, %h, %i, %j) {
      %n = tensor.extract %len[%b] : tensor<?xi32>
      %e = arith.index_cast %n : i32 to index
      %p = arith.cmpi slt, %j, %e : index
      attn.yield %p : i1
    } : (!X, !X, !W) -> (!W, !R, !R)
  %o1, %c = attn.attend dot(%q, %k) value(%v) normalize @softmax_plus_one stats [lse] : (!X, !X, !W) -> (!W, !R)
  return %o, %a, %m, %c : !W, !R, !R, !R
}""")
def statistics(call):
    """Large scores, a sequence without keys, and a batch extent that broadcasts."""
    q, k, v = 60 * normal(1, 2, 3, 16), normal(2, 2, 4, 16), normal(2, 2, 4, 8)
    o, lse, top, plus = empty(2, 2, 3, 8), empty(2, 2, 3), empty(2, 2, 3), empty(2, 2, 3)
    call("f", q, k, v, np.array([0, 3], np.int32), o, lse, top, plus)
    s = scores(np.broadcast_to(q, (2, 2, 3, 16)), k, 2)
    full = np.logaddexp.reduce(s, axis=-1)
    yield "lse with one more", plus, np.logaddexp(0, full)
    s[0], s[1, :, :, 3:] = -np.inf, -np.inf
    m = s.max(-1)
    p = np.exp(s[1] - m[1][..., None])
    yield "value", o, np.stack([np.zeros((2, 3, 8)), (p / total(p)) @ v[1].astype(float)])
    yield "lse", lse, np.stack([m[0], m[1] + np.log(p.sum(-1))])
    yield "max", top, m


@check("""!Q = tensor<?x4x?x16xf32>
!K = tensor<?x2x?x16xf32>
!V = tensor<?x1x?x8xf32>
!D = tensor<?x4x?x8xf32>
func.func @f(%q: !Q, %k: !K, %v: !V, %u: !D, %n: index) -> (!K, !V, !Q, tensor<4xf32>, tensor<?x?xf32>) {
  %c2 = arith.constant 2 : index
  %len = tensor.dim %k, %c2 : !K
  %r:5 = attn.attend dot(%k, %q) dot(%v, %u) value(%q) value(%u) covalue(%k)
    table(%b, %h, %i, %j) { attn.yield %h : index } sizes(4)
    table(%b, %h, %i, %j) { attn.yield %b, %i : index, index } sizes(%n, %len)
    score(%s, %g, %b, %h, %j, %i) {
      %p = arith.mulf %s, %g : f32
      attn.yield %p, %s, %p, %g, %s : f32, f32, f32, f32, f32
    }
    mask(%b, %h, %j, %i) { %m = arith.cmpi sle, %j, %i : index
      attn.yield %m : i1 }
    : (!K, !Q, !V, !D, !Q, !D, !K) -> (!K, !V, !Q, tensor<4xf32>, tensor<?x?xf32>)
  return %r#0, %r#1, %r#2, %r#3, %r#4 : !K, !V, !Q, tensor<4xf32>, tensor<?x?xf32>
}""")
def backward_shape(call):
    """Rows are keys: grouped results, a covalue, tables (one too small for b = 1), weights of their own."""
    q, k, v, u = normal(2, 4, 5, 16), normal(2, 2, 6, 16), normal(2, 1, 6, 8), normal(2, 4, 5, 8)
    results = empty(2, 2, 6, 16), empty(2, 1, 6, 8), empty(2, 4, 5, 16), empty(4), empty(1, 6)
    call("f", q, k, v, u, 1, *results)
    visible = np.arange(6)[:, None] <= np.arange(5)[None, :]
    s, g = scores(k, q, 4), scores(v, u, 4)
    p, s, g = s * g * visible, s * visible, g * visible
    grouped = lambda x, count: x.reshape(2, count, 4 // count, *x.shape[2:]).sum(2)
    yield "value of 2 heads", results[0], grouped(p @ q.astype(float), 2)
    yield "value of 1 head", results[1], grouped(s @ u.astype(float), 1)
    yield "covalue", results[2], np.einsum("bhji,bhjc->bhic", p, heads(k, 4))
    yield "table by head", results[3], g.sum((0, 2, 3))
    yield "table by row", results[4], s.sum((1, 3))[:1]


@check(TYPES + """
func.func @f(%q: !X, %k: !X, %k2: !X, %v: !W, %v2: !W) -> (!W, !W) {
  %o = attn.attend dot(%q, %k, %k2) value(%v, %v2) normalize @softmax
    mask(%b, %h, %i, %j, %l) { %m = arith.cmpi sle, %l, %j : index
      attn.yield %m : i1 } : (!X, !X, !X, !W, !W) -> !W
  %p = attn.attend pair(%q, %k) (%x, %y, %c) {
      %d = arith.subf %x, %y : f32
      %a = math.absf %d : f32
      %n = arith.negf %a : f32
      attn.yield %n : f32
    } value(%v) normalize @softmax : (!X, !X, !W) -> !W
  return %o, %p : !W, !W
}""")
def two_key_sides_and_pairs(call):
    q, k, k2, v, v2 = (normal(1, 2, n, d) for n, d in ((3, 16), (4, 16), (5, 16), (4, 8), (5, 8)))
    o, p = empty(1, 2, 3, 8), empty(1, 2, 3, 8)
    call("f", q, k, k2, v, v2, o, p)
    w = np.exp(np.einsum("bhic,bhjc,bhkc->bhijk", *(x.astype(float) for x in (q, k, k2))))
    w *= np.arange(5)[None, :] <= np.arange(4)[:, None]
    yield "three-way", o, np.einsum("bhijk,bhje,bhke->bhie", w / w.sum((-1, -2), keepdims=True), v, v2)
    w = np.exp(-np.abs(q[:, :, :, None].astype(float) - k[:, :, None]).sum(-1))
    yield "pair", p, (w / total(w)) @ v.astype(float)


WHERE = """
    %o = tensor.extract %off[%s] : tensor<?xi32>
    %f = arith.index_cast %o : i32 to index
    %p = arith.addi %f, %t : index
    attn.yield %p, %h, %c : index, index, index"""


@check("""!P = tensor<?x2x16xf32>
!X = tensor<?x2x?x16xf32>
func.func @f(%q: !P, %off: tensor<?xi32>, %len: tensor<?xi32>, %n: index) -> !P {
  %c0 = arith.constant 0 : index
  %b = tensor.dim %len, %c0 : tensor<?xi32>
  %total = tensor.dim %q, %c0 : !P
  %x = attn.view %q (%s, %h, %t, %c) {""" + WHERE + """
  } sizes(%b, 2, %n, 16) lengths(%len) : !P -> !X
  %y = arith.addf %x, %x : !X
  %a = attn.attend dot(%y, %y) value(%x) normalize @softmax : (!X, !X, !X) -> !X
  %r = attn.accumulate %a (%s, %h, %t, %c) {""" + WHERE + """
  } sizes(%total, 2, 16) injective lengths(%len) : !X -> !P
  return %r : !P
}""")
def packed(call):
    """Views hide what lies behind a length, also through element-wise operations."""
    lengths, offsets = np.array([3, 0, 5], np.int32), np.array([0, 3, 3], np.int32)
    q, r = normal(8, 2, 16), empty(8, 2, 16)
    call("f", q, offsets, lengths, 5, r)
    expected = np.zeros((8, 2, 16))
    for offset, length in zip(offsets, lengths):
        x = q[offset:offset + length].astype(float).transpose(1, 0, 2)
        p = np.exp(4 * x @ x.transpose(0, 2, 1))
        expected[offset:offset + length] = ((p / total(p)) @ x).transpose(1, 0, 2)
    yield "packed", r, expected


@check("""!X = tensor<2x3x?x8xf32>
!H = tensor<2x3x?x4xf32>
#x = affine_map<(a, b, c, d, k) -> (a, k, c, d)>
#w = affine_map<(a, b, c, d, k) -> (b, k)>
#y = affine_map<(a, b, c, d, k) -> (a, b, c, d)>
func.func @f(%x: !X, %w: tensor<3x3xf32>, %scale: f32) -> (!X, tensor<2x?x24xf32>, tensor<2x3x?xf32>) {
  %c2 = arith.constant 2 : index
  %n = tensor.dim %x, %c2 : !X
  %lo = tensor.extract_slice %x[0, 0, 0, 0] [2, 3, %n, 4] [1, 1, 1, 1] : !X to !H
  %hi = tensor.extract_slice %x[0, 0, 0, 4] [2, 3, %n, 4] [1, 1, 1, 1] : !X to !H
  %neg = arith.negf %hi : !H
  %rot = tensor.concat dim(3) %neg, %lo : (!H, !H) -> !X
  %y = linalg.generic {indexing_maps = [#x, #w, #y],
      iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%rot, %w : !X, tensor<3x3xf32>) outs(%x : !X) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.mulf %b, %scale : f32
      %p = math.fma %a, %s, %o : f32
      linalg.yield %p : f32
    } -> !X
  %t = tensor.empty(%n) : tensor<2x?x3x8xf32>
  %u = linalg.transpose ins(%y : !X) outs(%t : tensor<2x?x3x8xf32>) permutation = [0, 2, 1, 3]
  %v = tensor.collapse_shape %u [[0], [1], [2, 3]] : tensor<2x?x3x8xf32> into tensor<2x?x24xf32>
  %z = arith.constant 0.0 : f32
  %e3 = tensor.empty(%n) : tensor<2x3x?xf32>
  %f = linalg.fill ins(%z : f32) outs(%e3 : tensor<2x3x?xf32>) -> tensor<2x3x?xf32>
  %r = linalg.reduce ins(%y : !X) outs(%f : tensor<2x3x?xf32>) dimensions = [3]
    (%a: f32, %b: f32) { %q = arith.addf %a, %b : f32
      linalg.yield %q : f32 }
  return %y, %v, %r : !X, tensor<2x?x24xf32>, tensor<2x3x?xf32>
}
func.func @g(%x: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x2x4xf32>, tensor<2x?xf32>) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x8xf32>
  %e = tensor.empty(%n) : tensor<?x8xf32>
  %s = linalg.softmax dimension(1) ins(%x : tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = tensor.expand_shape %x [[0], [1, 2]] output_shape [%n, 2, 4] : tensor<?x8xf32> into tensor<?x2x4xf32>
  %c = arith.constant dense<[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]> : tensor<2x4xf32>
  %row = tensor.extract_slice %x[0, 4] [%n, 4] [1, 1] : tensor<?x8xf32> to tensor<?x4xf32>
  %e2 = tensor.empty(%n) : tensor<2x?xf32>
  %zero = tensor.splat %z[%n] : tensor<2x?xf32>
  %m = linalg.matmul indexing_maps = [affine_map<(a, b, k) -> (a, k)>, affine_map<(a, b, k) -> (b, k)>,
      affine_map<(a, b, k) -> (a, b)>] ins(%c, %row : tensor<2x4xf32>, tensor<?x4xf32>)
      outs(%zero : tensor<2x?xf32>) -> tensor<2x?xf32>
  return %s, %y, %m : tensor<?x8xf32>, tensor<?x2x4xf32>, tensor<2x?xf32>
}""".replace("  %e2 = tensor.empty(%n) : tensor<2x?xf32>\n", "  %z = arith.constant 1.0 : f32\n"))
def around(call):
    """What stands before and after an attend: movement, contractions, reductions, named operations."""
    x, w = normal(2, 3, 5, 8), normal(3, 3)
    y, v, r = empty(2, 3, 5, 8), empty(2, 5, 24), empty(2, 3, 5)
    call("f", x, w, 0.5, y, v, r)
    rotated = np.concatenate([-x[..., 4:], x[..., :4]], -1).astype(float)
    expected = x + 0.5 * np.einsum("akcd,bk->abcd", rotated, w)
    yield "contraction", y, expected
    yield "collapse", v, expected.transpose(0, 2, 1, 3).reshape(2, 5, 24)
    yield "reduction", r, expected.sum(-1)
    x = normal(5, 8)
    s, y, m = empty(5, 8), empty(5, 2, 4), empty(2, 5)
    call("g", x, s, y, m)
    e = np.exp(x.astype(float))
    yield "decomposed", s, e / total(e)
    yield "expand", y, x.reshape(5, 2, 4)
    yield "named", m, 1 + np.arange(1, 9).reshape(2, 4) @ x[:, 4:].T.astype(float)


checks.run()
