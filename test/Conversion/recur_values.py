"""The reference semantics of attn.recur and attn.merge against a NumPy recurrence in float64, written from the formulas.
Usage: recur_values.py"""
import numpy as np
from loops_runner import Checks, empty, heads

checks = Checks(seed=11)
check, normal = checks.check, checks.normal


def states(k, v, gate=None, begins=None, state=None):
    """S_t after every token, (t, b, h, c, e), from arrays of all heads; `gate` broadcasts to (b, h, t, c)."""
    batch, count, tokens, width = k.shape
    s = np.zeros((batch, count, width, v.shape[3])) if state is None else state.astype(float)
    every = []
    for t in range(tokens):
        if begins is not None:
            s = np.where(begins[:, t, None, None, None], 0, s)
        if gate is not None:
            s = s * np.exp(np.broadcast_to(gate, k.shape)[:, :, t, :, None].astype(float))
        s = s + k[:, :, t, :, None] * v[:, :, t, None, :]
        every.append(s)
    return np.stack(every)


def read(q, every):
    """o_t = q_t S_t."""
    return np.einsum("bhtc,tbhce->bhte", q.astype(float), every)


TYPES = ("!Q = tensor<?x?x?x16xf32>\n!V = tensor<?x?x?x8xf32>\n!R = tensor<?x?x?xf32>\n!S = tensor<?x?x16x8xf32>\n"
         "!Z = tensor<?x?x16xf32>\n")
GATES = {"none": None, "head": "tensor<?xf32>", "token": "!R", "channel": "!Q"}


def gated(name, type):
    given, text, operand = (f", %g: {type}", " gate(%g)", f", {type}") if type else ("", "", "")
    return f"""
func.func @{name}(%q: !Q, %k: !Q, %v: !V{given}) -> (!V, !R, !S, !Z) {{
  %r:4 = attn.recur query(%q) key(%k) value(%v){text} stats [mass] final : (!Q, !Q, !V{operand}) -> (!V, !R, !S, !Z)
  return %r#0, %r#1, %r#2, %r#3 : !V, !R, !S, !Z
}}"""


@check(TYPES + "\n".join(gated(name, type) for name, type in GATES.items()))
def gates(call):
    """Every shape of gate, with fewer heads of keys, values and gates than of queries."""
    b, h, t = 2, 4, 9
    q, k, v = normal(b, h, t, 16), normal(b, 2, t, 16), normal(b, 1, t, 8)
    given = {"none": None, "head": -np.abs(normal(2)), "token": -np.abs(normal(b, 1, t)), "channel": -np.abs(normal(b, 2, t, 16))}
    for name, gate in given.items():
        o, m, s, z = empty(b, h, t, 8), empty(b, h, t), empty(b, h, 16, 8), empty(b, h, 16)
        call(name, q, k, v, *([] if gate is None else [gate]), o, m, s, z)
        full = {"none": None, "head": None if gate is None else np.repeat(gate, h // gate.shape[0])[None, :, None, None],
                "token": None if gate is None else gate[..., None], "channel": None if gate is None or gate.ndim < 4 else heads(gate, h)}[name]
        every = states(heads(k, h), heads(v, h), full)
        masses = states(heads(k, h), np.ones((b, h, t, 1)), full)
        yield name, o, read(q, every)
        yield f"{name}, mass", m, read(q, masses)[..., 0]
        yield f"{name}, state", s, every[-1]
        yield f"{name}, state's mass", z, masses[-1][..., 0]


@check(TYPES + """
func.func @f(%q: !Q, %k: !Q, %v: !V, %g: !R, %d: tensor<?x?xi32>, %s: !S, %z: !Z) -> (!V, !R, !S, !Z) {
  %r:4 = attn.recur query(%q) key(%k) value(%v) gate(%g) segments(%d) init(%s, %z) stats [mass] final
    : (!Q, !Q, !V, !R, tensor<?x?xi32>, !S, !Z) -> (!V, !R, !S, !Z)
  return %r#0, %r#1, %r#2, %r#3 : !V, !R, !S, !Z
}""")
def segments_and_states(call):
    b, h, t = 2, 2, 11
    q, k, v, g = normal(b, h, t, 16), normal(b, h, t, 16), normal(b, h, t, 8), -np.abs(normal(b, h, t))
    ids = np.array([[3, 3, 3, 1, 1, 1, 1, 3, 3, 2, 2], [0] * 11], np.int32)
    begins = np.concatenate([np.zeros((b, 1), bool), ids[:, 1:] != ids[:, :-1]], 1)
    s0, z0 = normal(1, h, 16, 8), normal(1, 1, 16)
    o, m, s, z = empty(b, h, t, 8), empty(b, h, t), empty(b, h, 16, 8), empty(b, h, 16)
    call("f", q, k, v, g, ids, s0, z0, o, m, s, z)
    every = states(k, v, g[..., None], begins, np.broadcast_to(s0, (b, h, 16, 8)))
    masses = states(k, np.ones((b, h, t, 1)), g[..., None], begins, np.broadcast_to(z0, (b, h, 16))[..., None])
    yield "rows", o, read(q, every)
    yield "mass", m, read(q, masses)[..., 0]
    yield "state", s, every[-1]
    yield "state's mass", z, masses[-1][..., 0]


@check(TYPES + """
func.func @lag(%q: !Q, %k: !Q, %v: !V, %s: !S, %n: index) -> !V {
  %o = attn.recur query(%q) key(%k) value(%v) init(%s) at(%i) {
    %t = arith.subi %i, %n : index
    attn.yield %t : index
  } : (!Q, !Q, !V, !S) -> !V
  return %o : !V
}
func.func @all(%q: !Q, %k: !Q, %v: !V, %g: !R) -> !V {
  %c = arith.constant 1000 : index
  %o = attn.recur query(%q) key(%k) value(%v) gate(%g) at(%i) { attn.yield %c : index } : (!Q, !Q, !V, !R) -> !V
  return %o : !V
}""")
def positions(call):
    """Rows that read another token's state; their number is not that of the tokens."""
    q, k, v, s0 = normal(1, 2, 9, 16), normal(1, 2, 6, 16), normal(1, 2, 6, 8), normal(1, 2, 16, 8)
    o = empty(1, 2, 9, 8)
    call("lag", q, k, v, s0, 2, o)
    every = np.concatenate([s0[None].astype(float), states(k, v, state=s0)])
    yield "lag", o, read(q, every[np.clip(np.arange(9) - 2, -1, 5) + 1])
    g = -np.abs(normal(1, 2, 6))
    call("all", q, k, v, g, o)
    yield "all", o, read(q, np.repeat(states(k, v, g[..., None])[-1:], 9, 0))


@check("""!P = tensor<?x3x16xf32>
!X = tensor<?x3x?x16xf32>
!S = tensor<?x3x16x16xf32>
func.func @f(%q: !P, %off: tensor<?xi32>, %len: tensor<?xi32>, %n: index, %g: tensor<3xf32>) -> (!P, !S) {
  %c0 = arith.constant 0 : index
  %B = tensor.dim %len, %c0 : tensor<?xi32>
  %total = tensor.dim %q, %c0 : !P
  %x = attn.view %q (%b, %h, %t, %c) {
    %o = tensor.extract %off[%b] : tensor<?xi32>
    %f = arith.index_cast %o : i32 to index
    %p = arith.addi %f, %t : index
    attn.yield %p, %h, %c : index, index, index
  } sizes(%B, 3, %n, 16) lengths(%len) : !P -> !X
  %r, %s = attn.recur query(%x) key(%x) value(%x) gate(%g) final : (!X, !X, !X, tensor<3xf32>) -> (!X, !S)
  %y = attn.accumulate %r (%b, %h, %t, %c) {
    %o = tensor.extract %off[%b] : tensor<?xi32>
    %f = arith.index_cast %o : i32 to index
    %p = arith.addi %f, %t : index
    attn.yield %p, %h, %c : index, index, index
  } sizes(%total, 3, 16) injective lengths(%len) : !X -> !P
  return %y, %s : !P, !S
}""")
def packed(call):
    """Sequences one after another: each has a state of its own, an empty one none."""
    lengths = np.array([4, 0, 7], np.int32)
    offsets = np.array([0, 4, 4], np.int32)
    x, g = normal(11, 3, 16), -np.abs(normal(3))
    y, s = empty(11, 3, 16), empty(3, 3, 16, 16)
    call("f", x, offsets, lengths, 7, g, y, s)
    expected, final = np.zeros((11, 3, 16)), np.zeros((3, 3, 16, 16))
    for b, (start, count) in enumerate(zip(offsets, lengths)):
        if count:
            own = x[start:start + count].transpose(1, 0, 2)[None]
            every = states(own, own, g[None, :, None, None])
            expected[start:start + count] = read(own, every)[0].transpose(1, 0, 2)
            final[b] = every[-1, 0]
    yield "rows", y, expected
    yield "states", s, final


@check("""!X = tensor<?x?x?x8xf32>
func.func @f(%x: !X, %y: !X, %m: tensor<?x?x?xf32>, %a: f32) -> !X {
  %o = attn.merge (%x, %y) weights(%b, %h, %i) {
    %w = tensor.extract %m[%b, %h, %i] : tensor<?x?x?xf32>
    attn.yield %w, %a : f32, f32
  } : (!X, !X) -> !X
  return %o : !X
}""")
def merge(call):
    x, y, m, o = normal(2, 4, 5, 8), normal(2, 4, 5, 8), normal(2, 4, 5), empty(2, 4, 5, 8)
    call("f", x, y, m, 0.75, o)
    yield "sum", o, m[..., None].astype(float) * x + 0.75 * y.astype(float)


checks.run()
