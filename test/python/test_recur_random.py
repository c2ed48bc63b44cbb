"""1,000 random combinations of what heddle.recur and recur_step take, against float64 NumPy."""
import numpy as np
import pytest

import heddle
from layouts import DTYPES, Output
from oracle import TOLERANCE
from recur_cases import TABLE, Case
from recur_oracle import difference
from strides import converted

CASES = 1000
PER_ROW = -(-CASES // len(TABLE))


def paired(state, mass):
    return state if mass is None else (state, mass)


def flat(results):
    """Every array of a tuple in which states and their masses may be pairs."""
    return [x for result in results for x in (result if isinstance(result, tuple) else (result,))]


def call(case):
    """(results, the output with its guards)."""
    row, arrays = case.row, case.arrays()
    for name in "qkv":
        arrays[name] = converted(arrays[name], DTYPES[row.element])
    initial = paired(arrays["state"], arrays.get("mass")) if row.initial else None
    out = Output(case.shapes()[0][0], DTYPES[row.element])
    if row.step:
        token = [arrays[name][:, :, 0] for name in "qkv"]
        gate = arrays.get("gate")
        gate = gate if gate is None or gate.ndim == 1 else gate[:, :, 0]
        return flat(heddle.recur_step(*token, initial, gate=gate, out=out.array[:, :, 0], **case.options())), out
    more = {name: arrays[name] for name in ("gate", "cu_seqlens", "segments") if name in arrays}
    return flat(heddle.recur(*(arrays[name] for name in "qkv"), initial_state=initial, out=out.array, **more, **case.options())), out


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_row(row):
    for number in range(PER_ROW):
        case = Case(row, number)
        (first, *results), out = call(case)
        expected = case.expected()
        assert out.intact(), f"{case}: expected what lies between rows of the output to stay"
        for n, (got, wanted) in enumerate(zip((out.array, *results), expected, strict=True)):
            assert difference(got, wanted) < TOLERANCE[row.element], f"{case}: result {n}, {difference(got, wanted)}"


@pytest.mark.parametrize("row", [row for row in TABLE if row.initial and row.layout == "bhtd" and not (row.at or row.segments or row.step or row.chunk)],
                         ids=str)
def test_tokens_after_a_whole_one_by_one(row):
    """A state that a whole sequence leaves, then its last tokens one by one: the rows and the state of the whole."""
    cases = (case for number in range(999) if (case := Case(row, number)).tokens > 5)
    for case in (next(cases) for _ in range(3)):
        arrays, options = case.arrays(), case.options()
        q, k, v = (converted(arrays[name], DTYPES[row.element]) for name in "qkv")
        gate, initial = arrays.get("gate"), paired(arrays["state"], arrays.get("mass"))
        start = case.tokens - 4
        part = lambda x, tokens: x if x is None or x.ndim == 1 else x[:, :, tokens]
        rows, state = heddle.recur(*(x[:, :, :start] for x in (q, k, v)), gate=part(gate, slice(0, start)), initial_state=initial, **options)
        rows, options = [rows], {name: options[name] for name in ("feature_map", "normalizer", "scale")}
        for t in range(start, case.tokens):
            token, state = heddle.recur_step(q[:, :, t], k[:, :, t], v[:, :, t], state, gate=part(gate, t), **options)
            rows.append(token[:, :, None])
        for got, wanted in zip((np.concatenate(rows, 2), *flat([state])), case.expected(), strict=True):
            assert difference(got, wanted) < TOLERANCE[row.element], str(case)


def test_what_the_table_covers():
    assert len(TABLE) * PER_ROW >= CASES and len(set(TABLE)) == len(TABLE)
    cases = [Case(row, number) for row in TABLE for number in range(PER_ROW)]
    token = [case.gate.astype(np.float64) for case in cases if case.row.gate == "token" and case.tokens >= 64]
    least = [np.exp(gate[..., :64].sum(-1).max()) for gate in token]
    assert all(any(low < value < high for value in least) for low, high in ((0.98, 1), (1e-18, 1e-13), (1e-43, 1e-37))) and 0.0 in least
    assert {case.tokens % 64 == 0 for case in cases} == {True, False} and any(np.isinf(gate).any() for gate in token)
