"""heddle-bench counts and checks what it says; its figures are no test."""
import json

import numpy as np
import pytest
from heddle.bench import __main__ as bench
from heddle.bench import cases

MASKS = ["full", "causal", "window:1", "window:7", "window:100"]


def visible(case):
    i, j = np.ogrid[: case.length, : case.length]
    return np.array([[case.first_key(row) <= key < case.end_key(row) for key in range(case.length)] for row in range(case.length)]), i, j


@pytest.mark.parametrize("mask", MASKS)
def test_flops_are_those_of_the_visible_pairs(mask):
    case = cases.Case(33, 4, 2, 8, "f32", mask, batch=2)
    seen, i, j = visible(case)
    expected = {"full": i + j >= 0, "causal": j <= i}.get(mask)
    expected = (j <= i) & (j > i - case.window) if expected is None else expected
    assert np.array_equal(seen, expected)
    assert case.flops() == 2 * 4 * seen.sum() * (2 * 8 + 2 * 8)


@pytest.mark.parametrize("mask", MASKS)
def test_the_reference_agrees_with_pytorch(mask):
    torch = pytest.importorskip("torch")
    case = cases.Case(33, 4, 2, 8, "f32", mask, batch=2)
    q, k, v = cases.inputs(case)
    rows = cases.sampled_rows(case)
    tensors = [torch.from_numpy(x.astype(np.float64)) for x in (q, k, v)]
    theirs = torch.nn.functional.scaled_dot_product_attention(*tensors, attn_mask=torch.from_numpy(visible(case)[0]), enable_gqa=True)
    assert np.abs(theirs.numpy()[:, :, rows] - cases.reference(case, q, k, v, rows)).max() < 1e-12


def test_sampled_rows_exist():
    assert cases.sampled_rows(cases.Case(1, 1, 1, 8, "f32", "full")) == [0]


def test_a_wrong_result_is_no_figure():
    case = cases.Case(16, 2, 2, 8, "f32", "causal")
    q, k, v = cases.inputs(case)
    wrong = bench.candidates.Candidate("wrong", lambda: v, lambda result: result)
    with pytest.raises(SystemExit, match="expected an error below 1e-05, got"):
        bench.check(case, wrong, q, k, v)


@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16"])
def test_the_tool_runs(tmp_path, capsys, dtype):
    bench.main(f"--length 96 --heads 2 --key-heads 1 --width 32 --dtype {dtype} --mask full window:40 --rounds 1 --json {tmp_path}/b.json".split())
    shown = capsys.readouterr().out
    assert shown.count("heddle ") == 2 and "of the best rival" in shown
    rows = [json.loads(line) for line in (tmp_path / "b.json").read_text().splitlines()]
    assert len(rows) == 2 and all(row["error"] < cases.TOLERANCE[dtype] and row["seconds"]["heddle"] > 0 for row in rows)


def test_a_table(capsys):
    pytest.importorskip("torch")
    names = ["sinks_bf16_128", "full_bf16_64", "decode_1x65536", "paged_16", "packed"]
    assert bench.main(["--table", "hopper", "--row", *names, "--tokens", "300"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0].split()[0] for line in shown] == names and "WRONG" not in str(shown)
    assert "of plain (must 0.95)" in shown[0] and " of sdpa" in shown[1] and " TB/s" in shown[2] and "contiguous" in shown[3]


@pytest.mark.parametrize("wrong, said", [(lambda n: 0.01 * n, "NOT REPEATABLE"), (lambda n: 1.0, "WRONG"), (lambda n: np.nan, "NOT REPEATABLE"),
                                         (lambda n: 0.0, "")])
def test_what_is_wrong_in_a_table(monkeypatch, capsys, wrong, said):
    """Keys through views, with results that change from run to run, or are wrong in the same way; NaN is not equal to itself."""
    pytest.importorskip("torch")
    attend, runs = bench.candidates.heddle.attend, []

    def changed(*arrays, out, **options):
        runs.append(attend(*arrays, out=out, **options))
        out[0, 0] += wrong(len(runs))

    monkeypatch.setattr(bench.candidates.heddle, "attend", changed)
    assert bench.main(["--table", "hopper", "--row", "packed", "--tokens", "64"]) == int(bool(said))
    shown = capsys.readouterr().out
    assert said in shown if said else "WRONG" not in shown and "NOT" not in shown


def test_a_table_has_no_other_rows():
    pytest.importorskip("torch")
    with pytest.raises(SystemExit, match="expected rows of full_bf16_128, .*, got none"):
        bench.main(["--table", "hopper", "--row", "none"])


@pytest.mark.parametrize("options, said", [
    ("--table hopper --length 64 --rounds 1", "expected --table without --length, --rounds, got both"),
    ("--host-time --row packed", "expected --host-time without --row, got both"),
    ("--host-time --table hopper", "expected --host-time without --table, got both"),
    ("--flex --tokens 5", "expected --flex, --tokens with --table only, got no --table")])
def test_options_that_would_be_ignored_are_refused(capsys, options, said):
    with pytest.raises(SystemExit):
        bench.main(options.split())
    assert said in capsys.readouterr().err


def test_every_option_has_a_default(capsys):
    with pytest.raises(SystemExit):
        bench.main(["--help"])
    shown = capsys.readouterr().out.split("options:")[1]
    names = [line.split()[0] for line in shown.splitlines() if line.startswith("  --")]
    assert sorted(names) == sorted(f"--{name.replace('_', '-')}" for name in bench.DEFAULTS)


def test_the_time_of_a_call(capsys):
    bench.main(["--host-time", "--threads", "1"])
    shown = capsys.readouterr().out.splitlines()
    assert shown and shown[0].startswith("cached call, numpy on cpu, output preallocated: ")
    # The promise is 12; a machine that others use may be much slower, one that checks every call again always is.
    assert all(0.1 < float(line.split()[-2]) < 40 for line in shown), shown


def test_a_known_call_is_not_checked_again(monkeypatch):
    import heddle
    from heddle import _checks
    q = np.ones((1, 2, 3, 16), np.float32)
    expected = heddle.attend(q, q, q, causal=True)
    monkeypatch.setattr(_checks, "call", None)
    assert np.array_equal(heddle.attend(q, q, q, causal=True), expected)
    assert np.array_equal(heddle.attend(q, q, q, causal=True, scale=0.25), expected)
    for other in (q[:, :, :2], q.astype(np.float16), q[:, ::-1]):
        with pytest.raises(TypeError):  # what is new is checked: there is nothing to do it with
            heddle.attend(other, other, other, causal=True)
