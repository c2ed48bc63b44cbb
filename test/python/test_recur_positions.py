"""Recurrences whose rows read the states of other tokens, and segments, as attn text on a CPU against float64 NumPy."""
import numpy as np
import pytest

from heddle import _heddle
from recur_oracle import difference, recurrence

TYPES = "!X = tensor<?x?x?x32xf32>\n!R = tensor<?x?x?xf32>\n!S = tensor<?x?x32x32xf32>\n!Z = tensor<?x?x32xf32>\n"
# name -> (region, the same in NumPy)
POSITIONS = {
    "blocks_behind": ("""
    %c = arith.constant 64 : index
    %l = arith.constant 65 : index
    %n = arith.floordivsi %i, %c : index
    %m = arith.muli %n, %c : index
    %t = arith.subi %m, %l : index""", lambda i: i // 64 * 64 - 65),
    "before": ("""
    %l = arith.constant 1 : index
    %t = arith.subi %i, %l : index""", lambda i: i - 1),
    "behind": ("""
    %l = arith.constant 20 : index
    %t = arith.subi %i, %l : index""", lambda i: i - 20),
    "all": ("""
    %t = arith.constant 100000 : index""", lambda i: i * 0 + 100000),
    "half": ("""
    %l = arith.constant 2 : index
    %t = arith.divui %i, %l : index""", lambda i: i // 2),
    "twice": ("""
    %l = arith.constant 2 : index
    %t = arith.muli %i, %l : index""", lambda i: i * 2),
}
GATES = {"none": "", "head": "tensor<?xf32>", "token": "!R", "channel": "!X"}


def entry(region, kind, segments):
    given, operands, types = ["%q: !X", "%k: !X", "%v: !X"], [], ["!X", "!X", "!X"]
    for name, word, type in (("%g", "gate", GATES[kind]), ("%d", "segments", "tensor<?x?xi32>" if segments else "")):
        if type:
            given.append(f"{name}: {type}")
            operands.append(f"{word}({name})")
            types.append(type)
    body = f" at(%i) {{{region}\n    attn.yield %t : index\n  }}" if region else ""
    text = f"""{TYPES}func.func @f({', '.join(given)}, %s: !S, %z: !Z) -> (!X, !R, !S, !Z) {{
  %r:4 = attn.recur query(%q) key(%k) value(%v) {' '.join(operands)} init(%s, %z){body} stats [mass] final
    : ({', '.join(types)}, !S, !Z) -> (!X, !R, !S, !Z)
  return %r#0, %r#1, %r#2, %r#3 : !X, !R, !S, !Z
}}"""
    data, problems = _heddle.compile(text, targets="cpu", schedule=None)
    assert data is not None, problems
    count = len(types) + 6
    return _heddle.Pack.from_bytes(data).entry("f", "t" * count, ["array"] * count, [[]] * count)


def run(run_entry, generator, kind, segments, tokens, rows, place):
    b, h, d = 2, 2, 32
    q = generator.standard_normal((b, h, rows, d), np.float32)
    k, v = (generator.standard_normal((b, h, tokens, d), np.float32) for _ in range(2))
    gate = np.zeros((b, h, tokens, d), np.float32)
    arrays = [q, k, v]
    if kind != "none":
        given = -np.abs(generator.standard_normal({"head": (h,), "token": (b, h, tokens), "channel": (b, h, tokens, d)}[kind])).astype(np.float32)
        gate = gate + (given[None, :, None, None] if kind == "head" else given[..., None] if kind == "token" else given)
        arrays.append(given)
    begins = np.zeros((b, tokens), bool)
    if segments:
        ids = (generator.random((b, tokens)) < 0.05).cumsum(1).astype(np.int32) % 3
        begins[:, 1:] = ids[:, 1:] != ids[:, :-1]
        arrays.append(ids)
    s, z = generator.standard_normal((b, h, d, d), np.float32), generator.standard_normal((b, h, d), np.float32)
    outputs = [np.full(shape, np.nan, np.float32) for shape in ((b, h, rows, d), (b, h, rows), (b, h, d, d), (b, h, d))]
    run_entry((*arrays, s, z, *outputs), None, None, None)
    q, k, v = (x.astype(float) for x in (q, k, v))
    where = dict(at=place(np.arange(rows)), begins=begins)
    o, last, last_mass = recurrence(q, k, v, gate, s, z, **where)
    mass = recurrence(q, k, np.ones((b, h, tokens, 1)), gate, z[..., None], **where)[0][..., 0]
    for got, wanted in zip(outputs, (o, mass, last, last_mass)):
        assert difference(got, wanted) < 1e-5, (tokens, rows)


# Of gates per channel, whose text takes long to compile, a row that has seen a part of a chunk and one that has seen none.
@pytest.mark.parametrize("name, kind", [(name, kind) for name in POSITIONS for kind in GATES if kind != "channel" or name in ("blocks_behind", "half")])
def test_positions(name, kind):
    region, place = POSITIONS[name]
    compiled, generator = entry(region, kind, False), np.random.default_rng(len(name))
    for tokens, rows in ((200, 200), (64, 64), (5, 70), (130, 300), (128, 1)):
        run(compiled, generator, kind, False, tokens, rows, place)


@pytest.mark.parametrize("kind", list(GATES))
def test_segments(kind):
    compiled, generator = entry("", kind, True), np.random.default_rng(1)
    for tokens in (1, 63, 64, 200):
        run(compiled, generator, kind, True, tokens, tokens, lambda i: i)


@pytest.mark.parametrize("kind", ["token", "channel"])
def test_segments_of_other_tokens(kind):
    region, place = POSITIONS["behind"]
    run(entry(region, kind, True), np.random.default_rng(2), kind, True, 150, 170, place)


def test_what_is_refused():
    with pytest.raises(AssertionError, match="expected rows that read at positions that never fall"):
        entry("\n    %l = arith.constant 9 : index\n    %t = arith.subi %l, %i : index", "none", False)
