"""Windows on grids of tokens, against a mask that is made from coordinates. Blocks of rows and keys are boxes of the grid where lengths
are whole lines; elsewhere, and where a mask is no conjunction of axes, they are not."""
import numpy as np
import pytest
from assembly import emit
from oracle import softmax

import heddle
from heddle import masks

WIDE = "?x?x?x16xf32"
GRIDS = {  # shape, window, stride, causal axes
    "lines": ((8, 16), (3, 5), (1, 1), (False, False)),
    "blocked": ((8, 16), (4, 8), (4, 8), (False, False)),
    "causal": ((8, 16), (3, 4), (1, 2), (True, False)),
    "volume": ((4, 6, 8), (3, 2, 5), (1, 2, 1), (False, False, False)),
    "four axes": ((2, 4, 4, 8), (2, 3, 2, 3), (1, 1, 2, 1), (True, False, False, False)),
}


def seen_on(shape, size, stride, causal):
    """(tokens, tokens): a window on each axis, from the definition, token by token."""
    seen = np.ones((1, 1), bool)
    for length, width, step, looks_back in zip(shape, size, stride, causal):
        axis = np.zeros((length, length), bool)
        for x in range(length):
            leader = x if step == 1 else min(x // step * step + (step - 1 if looks_back else step // 2), length - 1)
            first = max(leader - width + 1, 0) if looks_back else min(max(leader - width // 2, 0), length - width)
            axis[x, first:(x + 1 if looks_back else first + width)] = True
        seen = np.kron(seen, axis)
    return seen


def run(spec, arrays, seen, bias=0.0, heads=2):
    outputs = [np.full(x, np.nan, np.float32) for x in (arrays[0].shape, arrays[0].shape[:3])]
    spec(*arrays, out=outputs)
    q, k, v = (x.astype(np.float64).repeat(heads // x.shape[1], 1) for x in arrays[:3])
    scores = q @ k.swapaxes(-1, -2) / 4 + bias
    weights, lse = softmax(scores, seen)
    for got, want in zip(outputs, (weights @ v, lse)):
        assert np.linalg.norm(got - want) <= 1e-5 * np.linalg.norm(want)


@pytest.mark.parametrize("name", GRIDS)
def test_windows(name):
    shape, size, stride, causal = GRIDS[name]

    @heddle.spec(q=WIDE, k=WIDE, v=WIDE)
    def spec(q, k, v):
        return heddle.attend(q, k, v, return_lse=True, mask_mod=masks.neighborhoods(shape, size, stride, None, causal))

    assert "box" in emit(spec.text, "tile", "cpu:avx2", "--schedule=rows=32,keys=16")
    spec._schedule = "rows=32,keys=16"
    rng, tokens = np.random.default_rng(7), int(np.prod(shape))
    seen = seen_on(shape, size, stride, causal)
    inner = tokens // shape[0]
    # The whole grid; some slices of it, for rows and keys; and lengths that are no whole lines.
    for rows, keys in ((tokens, tokens), (inner, tokens), (tokens - inner // 2, tokens), (5, tokens - 1)):
        arrays = [rng.standard_normal((2, h, n, 16), np.float32) for h, n in ((2, rows), (1, keys), (1, keys))]
        run(spec, arrays, seen[:rows, :keys])


def test_what_else_reads_positions():
    """A table of the distance and one of keys, a window whose width only the run knows, and a product with the result."""
    shape = (8, 16)

    @heddle.spec(q=WIDE, k=WIDE, v=WIDE, table="?xf32", weight="?xf32", width="index", gate=WIDE)
    def spec(q, k, v, table, weight, width, gate):
        column, line = masks.coordinate(shape, 1), masks.coordinate(shape, 0)
        out = heddle.attend(q, k, v, score_mod=lambda s, b, h, i, j: s + table[i - j + 127] + weight[j],
                            mask_mod=heddle.and_masks(lambda b, h, i, j: abs(column(i) - column(j)) < width,
                                                      lambda b, h, i, j: abs(line(i) - line(j)) < width))
        return out * gate

    assert "box" in emit(spec.text, "tile", "cpu:avx2", "--schedule=rows=32,keys=16")
    spec._schedule = "rows=32,keys=16"
    rng = np.random.default_rng(8)
    arrays = [rng.standard_normal(s, np.float32) for s in [(1, 2, 128, 16)] * 3 + [(255,), (128,)]]
    gate, i, j = rng.standard_normal((1, 2, 128, 16), np.float32), *np.ogrid[:128, :128]
    for width in (1, 3, 20):
        out = np.full((1, 2, 128, 16), np.nan, np.float32)
        spec(*arrays, width, gate, out=out)
        seen = (abs(i // 16 - j // 16) < width) & (abs(i % 16 - j % 16) < width)
        q, k, v, table, weight = (x.astype(np.float64) for x in arrays)
        weights, _ = softmax(q @ k.swapaxes(-1, -2) / 4 + table[i - j + 127] + weight[j], seen)
        want = weights @ v * gate
        assert np.linalg.norm(out - want) <= 1e-5 * np.linalg.norm(want)
