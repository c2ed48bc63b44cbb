"""heddle.attend against float64 NumPy: 1,000 random cases over the 66 compiled attends of attend_cases.TABLE."""
import numpy as np
import pytest

import heddle
import layouts
import oracle
import strides
from attend_cases import RESIDUES, TABLE, Draw
from random_cases import Case

CASES = 1000
PER_ROW = -(-CASES // len(TABLE))


def options(case):
    score_mod, mask_mod = case.mods(plain=False)
    row = case.row
    return dict(score_mod=score_mod, mask_mod=mask_mod, causal=row.causal, window=case.window, sink=case.sink, scale=case.scale,
                normalizer=row.normalizer, layout=row.layout, return_lse=row.lse)


def run(case):
    swap = (lambda x: x.swapaxes(1, 2)) if case.row.layout == "bthd" else (lambda x: x)
    q, k, v = (strides.converted(x, layouts.DTYPES[case.row.element]) for x in case.arrays(swap))
    output = layouts.Output((*q.shape[:-1], v.shape[-1]), q.dtype)
    same = case.starts_k is case.starts_q
    result = heddle.attend(q, k, v, cu_seqlens_q=case.starts_q, cu_seqlens_k=None if same else case.starts_k,
                           kv_lengths=case.lengths, out=output.array, **options(case))
    assert output.intact(), f"{case}: expected memory between the rows of out to stay as it was"
    lse = result[1] if case.row.lse else None
    if case.row.layout == "thd":
        case.check(case.expected(), output.array.swapaxes(0, 1)[None], None if lse is None else lse[None])
    else:
        case.check(case.expected(), swap(output.array), lse)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_random_cases(row):
    for number in range(PER_ROW):
        run(Case(row, number, Draw))


@pytest.mark.parametrize("row", RESIDUES, ids=str)
def test_rows_by_residue(row):
    """Long enough for the kernels that take rows by residue classes, and of lengths that classes do not divide."""
    for number in range(5, 9):
        run(Case(row, number, Draw, seed=1, lengths=(385, 515, 700, 901)))


def test_the_table_makes_a_thousand_cases():
    assert PER_ROW * len(TABLE) >= CASES


@pytest.mark.parametrize("element", layouts.DTYPES)
def test_scores_of_ten_thousand(element):
    generator = np.random.default_rng(5)
    q, k, v = (layouts.random(generator, (2, 3, 70, 32), element) for _ in range(3))
    scale = 1e4 / 6.0
    o, lse = heddle.attend(q, k, v, scale=scale, causal=True, return_lse=True)
    expected, log_sum = oracle.attend(q, k, v, oracle.visible(70, 70, causal=True), scale=scale)
    assert np.isfinite(np.asarray(o, np.float32)).all()
    # Scores of 1e4 have an absolute error of 1e-3 in f32, so weights are compared with an oracle on rounded scores.
    assert oracle.error(log_sum, lse) < 1e-5
    assert oracle.error(expected, o) < max(oracle.TOLERANCE[element], 5e-3)


def test_windows_scales_and_mask_scalars_compile_nothing():
    from heddle import _compiler
    q = np.random.default_rng(0).standard_normal((1, 2, 40, 32)).astype(np.float32)
    width = heddle.scalar(3)

    def near(b, h, i, j):
        return j > i - width

    heddle.attend(q, q, q, causal=True, window=(4, -1), mask_mod=near, scale=0.5)
    before = len(_compiler._packs)
    for number in (1, 5, 60):
        width.value = number
        got = heddle.attend(q[:, :, :30], q, q, causal=True, window=(number + 3, -1), mask_mod=near, scale=0.1 * number)
        i, j = np.ogrid[:30, :40]
        expected, _ = oracle.attend(q[:, :, :30], q, q, oracle.visible(30, 40, True, (number + 3, -1)) & (j > i - number), scale=0.1 * number)
        oracle.check(expected, got, "f32")
    assert len(_compiler._packs) == before


def test_packed_rows_without_sequences_are_zero():
    rows = np.random.default_rng(0).standard_normal((80, 2, 16)).astype(np.float32)
    starts, out = np.zeros(1, np.int32), np.full_like(rows, np.nan)
    _, lse = heddle.attend(rows, rows, rows, cu_seqlens_q=starts, cu_seqlens_k=starts, layout="thd", return_lse=True, out=out)
    assert not out.any() and not lse.any()
