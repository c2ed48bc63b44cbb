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
