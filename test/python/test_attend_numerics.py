"""heddle.attend against float64 NumPy: 1,000 random cases over the 60 compiled attends of attend_cases.TABLE."""
import numpy as np
import pytest

import heddle
import layouts
import oracle
from attend_cases import TABLE, Draw

CASES = 1000
PER_ROW = -(-CASES // len(TABLE))
SHORT = (1, 2, 7, 16, 33, 64, 65, 100, 129, 150)


def lengths(generator, number):
    """(rows, keys): the first cases of every row of the table are the degenerate ones."""
    fixed = [(1, 1), (1, 70), (5, 0), (37, 130), (130, 37)]
    return fixed[number] if number < len(fixed) else tuple(int(generator.choice(SHORT)) for _ in range(2))


def bounds(row, generator):
    if not row.window:
        return None
    return tuple(int(generator.integers(0, 40)) if side in row.window else -1 for side in "lr")


def packed_offsets(generator, batch, total):
    inner = np.sort(generator.integers(0, total + 1, batch - 1))
    return np.concatenate([[0], inner, [total]]).astype(np.int32)


class Case:
    def __init__(self, row, number):
        self.row = row
        generator = self.generator = np.random.default_rng([TABLE.index(row), number])
        self.batch, self.key_heads = int(generator.integers(1, 4)), int(generator.integers(1, 3))
        self.heads = self.key_heads * int(generator.integers(1, 4))
        self.rows, self.keys = lengths(generator, number)
        self.stride = layouts.STRIDES[number % len(layouts.STRIDES)]
        self.window = bounds(row, generator)
        self.scale = None if number % 2 else float(generator.uniform(0.05, 0.5))
        magnitude = row.magnitude * (1.0, 1.0, 1.0, 10.0)[number % 4]
        self.q, self.k, self.v = (layouts.random(generator, (self.batch, heads, length, width), row.element, size) for
                                  heads, length, width, size in ((self.heads, self.rows, row.width, magnitude),
                                                                 (self.key_heads, self.keys, row.width, magnitude),
                                                                 (self.key_heads, self.keys, row.value_width, 1.0)))
        self.sink = generator.standard_normal(self.heads).astype(np.float32) if row.sink else None
        self.kv_lengths = generator.integers(0, self.keys + 1, self.batch).astype(np.int32) if row.lengths else None
        self.draw = Draw(generator, self.batch, self.heads, self.rows, self.keys)

    def mods(self, plain):
        self.draw.plain, self.draw.at = plain, 0
        return self.row.mods(self.draw) if self.row.mods else (None, None)

    def __str__(self):
        return (f"{self.row}: b={self.batch} h={self.heads}/{self.key_heads} rows={self.rows} keys={self.keys} window={self.window} "
                f"scale={self.scale} strides={self.stride}")

    def arguments(self):
        score_mod, mask_mod = self.mods(plain=False)
        return dict(score_mod=score_mod, mask_mod=mask_mod, causal=self.row.causal, window=self.window, sink=self.sink,
                    scale=self.scale, normalizer=self.row.normalizer, layout=self.row.layout, return_lse=self.row.lse)

    def expected(self, b, rows, keys, key_length):
        """(o, lse) of sequence b, for some of its rows and keys."""
        score_mod, mask_mod = self.mods(plain=True)
        at = lambda mod: mod and (lambda *args: mod(*args[:-4], args[-4] + b, *args[-3:]))
        seen = oracle.visible(rows.stop - rows.start, keys.stop - keys.start, self.row.causal, self.window, key_length)
        pick = lambda x, part: x[b:b + 1, :, part]
        with np.errstate(over="ignore"):
            return oracle.attend(pick(self.q, rows), pick(self.k, keys), pick(self.v, keys), seen,
                                 scale=1 / np.sqrt(self.row.width) if self.scale is None else self.scale, sink=self.sink,
                                 normalizer=self.row.normalizer, score_mod=at(score_mod), mask_mod=at(mask_mod))

    def check(self, expected, got, lse=None):
        o, log_sum = expected
        oracle.check(o, got, self.row.element, str(self))
        empty = ~np.isfinite(log_sum) if log_sum is not None else np.zeros(o.shape[:-1], bool)
        assert not np.asarray(got, np.float32)[empty].any(), f"{self}: expected exactly 0 in rows that see nothing"
        if lse is not None:
            oracle.check(log_sum, lse, "f32" if self.row.element == "f32" else self.row.element, f"{self}, lse")


def run_padded(case):
    """Layouts bhtd and bthd."""
    swap = (lambda x: x) if case.row.layout == "bhtd" else (lambda x: x.swapaxes(1, 2))
    q, k, v = (swap(layouts.strided(x, case.stride)) for x in (case.q, case.k, case.v))
    output = layouts.Output(swap(np.empty((*case.q.shape[:3], case.v.shape[3]))).shape, case.q.dtype)
    result = heddle.attend(q, k, v, kv_lengths=case.kv_lengths, out=output.array, **case.arguments())
    assert output.intact(), f"{case}: expected memory between the rows of out to stay as it was"
    lse = result[1] if case.row.lse else None
    everything = [case.expected(b, slice(0, case.rows), slice(0, case.keys), None if case.kv_lengths is None else int(case.kv_lengths[b]))
                  for b in range(case.batch)]
    o = np.concatenate([part[0] for part in everything])
    log_sum = None if everything[0][1] is None else np.concatenate([part[1] for part in everything])
    case.check((o, log_sum), swap(output.array), lse)


def run_packed(case):
    """Layout thd: the batch of a case is one, cut into sequences."""
    sequences = int(case.generator.integers(1, 6))
    cu_q = packed_offsets(case.generator, sequences, case.rows)
    # Either the same offsets for keys (self-attention) or others.
    same = case.rows == case.keys
    cu_k = None if same else packed_offsets(case.generator, sequences, case.keys)
    q, k, v = (np.ascontiguousarray(x[0].swapaxes(0, 1)) for x in (case.q, case.k, case.v))
    output = layouts.Output((*q.shape[:2], v.shape[2]), q.dtype)
    result = heddle.attend(q, k, v, cu_seqlens_q=cu_q, cu_seqlens_k=cu_k, out=output.array, **case.arguments())
    assert output.intact()
    cu_k = cu_q if same else cu_k
    parts = [case.expected(0, slice(int(cu_q[n]), int(cu_q[n + 1])), slice(int(cu_k[n]), int(cu_k[n + 1])), None)
             for n in range(sequences)]
    o = np.concatenate([part[0] for part in parts], axis=2)
    log_sum = np.concatenate([part[1] for part in parts], axis=2)
    case.check((o, log_sum), output.array.swapaxes(0, 1)[None], result[1][None] if case.row.lse else None)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_random_cases(row):
    for number in range(PER_ROW):
        case = Case(row, number)
        (run_packed if row.layout == "thd" else run_padded)(case)


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
