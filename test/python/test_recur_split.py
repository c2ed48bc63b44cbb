"""Recurrences that attn-split-channels has made sums of narrower ones, on a CPU against float64: random cases of every other row of
recur_cases.py, in two parts of which the last is narrower, or in many of 8 channels."""
import subprocess
import sys

import numpy as np
import pytest
from assembly import ROOT, tool

from heddle import _recur_checks, _recurrence
from oracle import TOLERANCE
from recur_cases import TABLE, Case
from recur_oracle import difference

torch = pytest.importorskip("torch")
sys.path.insert(0, str(ROOT / "test/gpu"))
import random_suite  # noqa: E402
from bench import measure  # noqa: E402
from packs import Pack  # noqa: E402

ROWS = [row for row in TABLE if row.width > 8 and not row.step][::2]
CASES = 12


def spec_of(case):
    row, arrays, options = case.row, case.arrays(), case.options()
    q, k, v = (random_suite.as_type(arrays[x], row.element) for x in "qkv")
    initial = tuple(arrays[x] for x in ("state", "mass") if x in arrays) or None
    given = _recur_checks.Call(q, k, v, arrays.get("gate"), row.normalizer, initial, True, arrays.get("cu_seqlens"), options.get("chunk_size"),
                               row.layout, None, options.get("at"), arrays.get("segments"), row.mass)
    return _recurrence.spec_of(given, _recurrence.maps_of(options["feature_map"], given), case.scale, row.step)[0]


def split(text, channels):
    options = f"--pass-pipeline=builtin.module(attn-split-channels{{channels={channels}}},canonicalize,cse)"
    return subprocess.run([tool("heddle-opt"), options], input=text, text=True, check=True, capture_output=True).stdout


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_sums_of_parts(row, tmp_path):
    features = Case(row, 0).features
    channels = 8 if features <= 32 and ROWS.index(row) % 3 == 0 else max(8, features * 3 // 4 // 8 * 8)
    whole = spec_of(Case(row, 0)).text
    text = split(whole, channels)
    assert whole.count("attn.recur") == 1 and text.count("attn.recur") == -(-features // channels)
    schedule = [f"--schedule=chunk={row.chunk}"] if row.chunk else []
    subprocess.run([tool("heddle-compile"), "-", "--target=cpu", *schedule, "-o", tmp_path / "recur.pack"], input=text, text=True, check=True)
    pack = Pack(ROOT / "build/runtime/libheddle_rt.so.1", tmp_path / "recur.pack")
    for number in range(CASES):
        case = Case(row, number)
        element = getattr(torch, measure.TORCH_NAMES[row.element])
        arrays = {key: torch.from_numpy(np.ascontiguousarray(x)) for key, x in case.arrays().items()}
        given = [x.to(element) if key in "qkv" else x for key, x in arrays.items()]
        outputs = [torch.full(shape, float("nan"), dtype=getattr(torch, measure.TORCH_NAMES[kind])) for shape, kind in case.shapes()]
        pack.launcher([*given, case.scale, *outputs])()
        for n, (got, wanted) in enumerate(zip(outputs, case.expected(), strict=True)):
            error = difference(got.double().numpy(), wanted)
            assert error < TOLERANCE[row.element], f"{case}: result {n}, {error}"
