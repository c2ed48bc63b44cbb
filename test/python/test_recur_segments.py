"""Recurrences whose tokens are divided into segments that blocks share, on a CPU: as many segments as asked for, more than
there are chunks included."""
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import recur_oracle
from assembly import ROOT, tool
from attn_text import recurrence

torch = pytest.importorskip("torch")
sys.path.insert(0, str(ROOT / "test/gpu"))
from packs import Pack  # noqa: E402

RUNTIME = ROOT / "build/runtime/libheddle_rt.so.1"


@pytest.fixture(scope="module")
def pack_of(tmp_path_factory):
    """(gate, segments) -> a pack of a recurrence of f32 of width 16."""
    made = {}

    def compile(gate, segments):
        if (gate, segments) not in made:
            path = tmp_path_factory.mktemp("packs") / "recur.pack"
            command = [tool("heddle-compile"), "-", "--target=cpu", f"--schedule=splits={segments}", "-o", path]
            subprocess.run(command, input=recurrence(gate, dtype="f32", width=16), text=True, check=True)
            made[gate, segments] = Pack(RUNTIME, pathlib.Path(path))
        return made[gate, segments]
    return compile


@pytest.mark.parametrize("gate", ["none", "head", "token"])
@pytest.mark.parametrize("tokens, segments", [(300, 3), (300, 5), (256, 2), (70, 4), (5, 3)])
def test_segments(pack_of, gate, tokens, segments):
    generator = np.random.default_rng(tokens + segments)
    batch, heads, key_heads = 2, 4, 2
    for strength in recur_oracle.STRENGTHS:
        q, k, v = (generator.standard_normal((batch, n, tokens, 16)).astype(np.float32) for n in (heads, key_heads, key_heads))
        shape = {"none": None, "head": (heads,), "token": (batch, heads, tokens)}[gate]
        g = None if shape is None else recur_oracle.logarithms(generator, shape, strength)
        state = generator.standard_normal((batch, heads, 16, 16)).astype(np.float32)
        out, final = (torch.full(x.shape, float("nan")) for x in (q, state))
        arrays = [torch.from_numpy(x) for x in (q, k, v, *([] if g is None else [g]), state)]
        pack_of(gate, segments).launcher([*arrays, out, final])()
        wanted = recur_oracle.recurrence(q, *(recur_oracle.wide(x, heads) for x in (k, v)), gate=recur_oracle.spread(g, heads), state=state)
        for result, exact in zip((out, final), wanted):
            assert np.linalg.norm(result.numpy() - exact) <= 1e-5 * np.linalg.norm(exact)


MASS = """func.func @recur(%q: !X, %k: !X, %v: !X, %g: !R, %s: !S, %z: !Z) -> (!X, !R, !S, !Z) {
  %r:4 = attn.recur query(%q) key(%k) value(%v) gate(%g) init(%s, %z) stats [mass] final
    : (!X, !X, !X, !R, !S, !Z) -> (!X, !R, !S, !Z)
  return %r#0, %r#1, %r#2, %r#3 : !X, !R, !S, !Z
}
"""
TYPES = {"X": "?x?x?x16", "R": "?x?x?", "S": "?x?x16x16", "Z": "?x?x16"}


@pytest.mark.parametrize("tokens, segments", [(300, 3), (70, 4), (5, 3)])
def test_masses_of_segments(tmp_path, tokens, segments):
    text = "".join(f"!{name} = tensor<{shape}xf32>\n" for name, shape in TYPES.items()) + MASS
    command = [tool("heddle-compile"), "-", "--target=cpu", f"--schedule=splits={segments}", "-o", tmp_path / "recur.pack"]
    subprocess.run(command, input=text, text=True, check=True)
    generator = np.random.default_rng(tokens)
    q, k, v = (generator.random((2, 3, tokens, 16), np.float32) for _ in range(3))
    gate = recur_oracle.logarithms(generator, (2, 3, tokens), recur_oracle.STRENGTHS[0])
    state, mass = generator.random((2, 3, 16, 16), np.float32), generator.random((2, 3, 16), np.float32)
    results = [torch.full(x.shape, float("nan")) for x in (q, gate, state, mass)]
    Pack(RUNTIME, tmp_path / "recur.pack").launcher([*(torch.from_numpy(x) for x in (q, k, v, gate, state, mass)), *results])()
    # A mass is what a value of 1 becomes.
    ones, both = np.ones_like(v[..., :1]), np.concatenate([state, mass[..., None]], -1)
    rows, final, _ = recur_oracle.recurrence(q, k, np.concatenate([v, ones], -1), gate=recur_oracle.spread(gate, 3), state=both)
    for result, exact in zip(results, (rows[..., :16], rows[..., 16], final[..., :16], final[..., 16])):
        assert np.linalg.norm(result.numpy() - exact) <= 1e-5 * np.linalg.norm(exact)
