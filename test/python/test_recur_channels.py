"""Gates per channel of narrow recurrences on a CPU, whose tile program is a GPU's: heads whose chunks can be split in their middle
and heads that are repeated, for gates of every strength."""
import subprocess
import sys

import numpy as np
import pytest
from assembly import ROOT, tool
from attn_text import recurrence as text_of

import heddle
from channel_gates import GATES
from recur_oracle import difference, recurrence, wide

torch = pytest.importorskip("torch")
sys.path.insert(0, str(ROOT / "test/gpu"))
from packs import Pack  # noqa: E402

ml_dtypes = pytest.importorskip("ml_dtypes")
BF16 = ml_dtypes.bfloat16


def check(name, type, gate_type, tokens, greatest=1):
    """`greatest`: what the last token's query is multiplied with."""
    generator = np.random.default_rng(len(name))
    b, h, key_heads, d, e = 2, 4, 2, 32, 48
    q, k, v = (generator.standard_normal((b, n, tokens, w), np.float32).astype(type) for n, w in ((h, d), (key_heads, d), (key_heads, e)))
    q[:, :, -1] *= greatest
    gate = GATES[name](generator, (b, key_heads, tokens, d)).astype(gate_type)
    state = generator.standard_normal((b, h, d, e), np.float32)
    out = np.full((b, h, tokens, e), np.nan, type)
    got, final = heddle.recur(q, k, v, gate=gate, initial_state=state, return_final_state=True, out=out, scale=0.5 / greatest)
    expected, s, _ = recurrence(*(wide(x, h) for x in (q, k, v)), wide(gate, h), state, scale=0.5 / greatest)
    assert difference(got, expected) < 6e-3
    assert difference(final, s) < 6e-3


@pytest.mark.parametrize("gate_type", [np.float32, BF16])
@pytest.mark.parametrize("name", list(GATES))
def test_gates(name, gate_type):
    for tokens in (1000, 64, 63, 5):
        check(name, BF16, gate_type, tokens)


@pytest.mark.parametrize("name", list(GATES))
def test_gates_of_f16(name):
    for tokens in (200, 63):
        check(name, np.float16, np.float16, tokens)
        check(name, np.float16, np.float16, tokens, greatest=3000)


@pytest.mark.parametrize("size", [16, 32, 128])
def test_chunks_change_nothing(size):
    generator = np.random.default_rng(size)
    q, k, v = (generator.standard_normal((1, 2, 150, 16), np.float32).astype(BF16) for _ in range(3))
    for make in GATES.values():
        gate = make(generator, (1, 2, 150, 16)).astype(np.float32)
        got = heddle.recur(q, k, v, gate=gate, chunk_size=size, scale=1.0)
        assert difference(got, recurrence(*(wide(x, 2) for x in (q, k, v)), wide(gate, 2))[0]) < 6e-3


@pytest.fixture(scope="module")
def segmented(tmp_path_factory):
    """A pack whose recurrence divides its tokens into three segments."""
    path = tmp_path_factory.mktemp("packs") / "recur.pack"
    command = [tool("heddle-compile"), "-", "--target=cpu", "--schedule=splits=3", "-o", path]
    subprocess.run(command, input=text_of("channel", dtype="bf16", width=32), text=True, check=True)
    return Pack(ROOT / "build/runtime/libheddle_rt.so.1", path)


@pytest.mark.parametrize("name", list(GATES))
@pytest.mark.parametrize("tokens", [300, 70])
def test_segments(segmented, name, tokens):
    generator = np.random.default_rng(tokens)
    q, k, v = (torch.from_numpy(generator.standard_normal((1, n, tokens, 32), np.float32)).bfloat16() for n in (4, 2, 2))
    gate = torch.from_numpy(GATES[name](generator, (1, 4, tokens, 32))).bfloat16()
    state = torch.from_numpy(generator.standard_normal((1, 4, 32, 32), np.float32))
    outputs = [torch.full_like(x, float("nan")) for x in (q, state)]
    segmented.launcher([q, k, v, gate, state, *outputs])()
    plain = [x.double().numpy() for x in (q, k, v, gate, state)]
    wanted = recurrence(plain[0], wide(plain[1], 4), wide(plain[2], 4), plain[3], plain[4])
    for result, exact in zip(outputs, wanted):
        assert difference(result.double().numpy(), exact) < 6e-3
