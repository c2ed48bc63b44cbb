"""The rows of the table of figures: what PyTorch is told is what Heddle compiles, on a CPU."""
import dataclasses

import numpy as np
import pytest

import oracle
from heddle.bench import rows

torch = pytest.importorskip("torch")
# Rows that differ in their head sizes alone say the same; small ones compile sooner.
ROWS = {name: dataclasses.replace(row, d=16, e=16) for name, row in rows.ROWS.items() if row.d == row.e == 128}


def drawn(row, batch, heads, key_heads, length, keys):
    generator = torch.Generator().manual_seed(3)
    draw = rows.Draw(torch, generator, batch, heads, length, keys, device="cpu")
    dtype = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}[row.dtype]
    arrays = [draw.normal(batch, h, t, w, dtype=dtype) for h, t, w in ((heads, length, row.d), (key_heads, keys, row.d), (key_heads, keys, row.e))]
    return arrays, list(row.change.values(draw))


@pytest.mark.parametrize("name", ROWS)
def test_a_row_says_the_same_to_both(name):
    row = ROWS[name]
    spec = rows.spec(name, row)
    for shape in ((2, 4, 2, 200, 333), (1, 2, 2, 70, 0)):
        arrays, values = drawn(row, *shape)
        got = spec(*arrays, *values)
        for result, want in zip(got if row.stats else [got], rows.results(torch, row, *arrays, values), strict=True):
            oracle.check(want.numpy(), result.float().numpy(), row.dtype, name)


def test_a_reference_of_some_rows():
    row = ROWS["bias_bf16_128"]
    arrays, values = drawn(row, 1, 2, 2, 40, 50)
    some = torch.tensor([3, 17, 39])
    every, part = (rows.reference(torch, row, *arrays, values, which) for which in (None, some))
    assert (every[:, :, some] - part).abs().max() < 1e-12


def on_grid(grid, stride, tokens=300):
    """(tokens, tokens): a window on each axis, shared by rows in groups of a stride; the first lines of the grid."""
    seen = np.ones((1, 1), bool)
    for length, width, step in zip(*grid, stride):
        leader = np.array([x if step == 1 else x - x % step + step // 2 for x in range(length)]).clip(max=length - 1)
        first = (leader - width // 2).clip(0, length - width)[:, None]
        seen = np.kron(seen[:tokens, :tokens], (np.arange(length) >= first) & (np.arange(length) < first + width))
    return seen[:tokens, :tokens]


@pytest.mark.parametrize("name", ROWS)
def test_visible_pairs(name):
    row, length = ROWS[name], 300
    arrays, values = drawn(row, 2, 2, 2, length, length)
    i, j = np.ogrid[:length, :length]
    want = {rows.FULL: i + j >= 0, rows.WINDOW: (j <= i) & (j > i - 50), rows.SINK_WINDOW: (j <= i) & ((j < 4) | (j > i - 50)),
            rows.PREFIX: (j <= i) | (j < 90), rows.DOCUMENTS: (j <= i) & (i * 4 // length == j * 4 // length),
            rows.STRIDED: (j <= i) & ((i - j < 128) | ((i - j) % 128 == 0)), rows.DILATED: (j <= i) & ((i - j) % 4 == 0),
            rows.BLOCKS: None, rows.WINDOW_2D: on_grid(rows.AREA, (1, 1)), rows.BLOCKS_2D: on_grid(rows.AREA, (16, 16)),
            rows.WINDOW_3D: on_grid(rows.VOLUME, (1, 1, 1)), rows.BLOCKS_3D: on_grid(rows.VOLUME, (2, 8, 8))}.get(row.change, j <= i)
    if want is None:
        want = values[0].numpy()[i // 128, j // 128] != 0
    assert rows.visible_pairs(torch, row, values, length, device="cpu") == want.sum()


def test_every_row_that_is_compared_has_its_plain_one():
    assert all(rows.ROWS[row.plain].is_plain for row in rows.ROWS.values() if row.plain)
