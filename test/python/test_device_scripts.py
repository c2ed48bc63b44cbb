"""The scripts of test/gpu on a CPU: what they build, run and report, and that they see what is wrong."""
import dataclasses
import json
import os
import subprocess
import sys

import pytest
from assembly import ROOT

pytest.importorskip("torch")
sys.path.append(str(ROOT / "test/gpu"))
import random_suite  # noqa: E402
import recurrences as random_recurrences  # noqa: E402

RUNTIME = ROOT / "build/runtime/libheddle_rt.so.1"
# Plain, packed, tables that a score reads, pages.
NAMES = [str(n) for n, row in enumerate(random_suite.ROWS.values()) if str(row) in (
    "f32-8x24-bhtd", "f16-32x32-thd-window=lr", "bf16-64x64-bhtd-relative_bias", "f32-64x64-bhtd-causal=True-window=l-pages of 8")]


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packs")
    random_suite.build(folder, "cpu", NAMES)
    return folder


def script(name, *arguments, packages=False):
    """Without `packages`: where it runs, there may be no Heddle."""
    environment = os.environ if packages else {**os.environ, "PYTHONPATH": ""}
    return subprocess.run([sys.executable, ROOT / "test/gpu" / name, *arguments], env=environment, text=True, capture_output=True)


def run(folder):
    return script("random_suite.py", "run", folder, "--device", "cpu", "--runtime", RUNTIME, "--name", ",".join(NAMES),
                  "--per-row", "10", "--processes", "2")


def test_random_cases_of_packs(packs):
    assert len(NAMES) == 4
    done = run(packs)
    assert done.returncode == 0 and "4 passed, 0 failed" in done.stdout, done.stdout + done.stderr


def test_what_is_wrong_is_found_and_named(packs, tmp_path):
    """Keys for values, in a spec where both have one size."""
    for name in NAMES:
        for ending in ("json", "pack"):
            (tmp_path / f"{name}.{ending}").write_bytes((packs / f"{name}.{ending}").read_bytes())
    place = tmp_path / f"{NAMES[2]}.json"
    assert "relative_bias" in str(random_suite.ROWS[NAMES[2]])
    place.write_text(json.dumps([{"k": "v", "v": "k"}.get(argument, argument) for argument in json.loads(place.read_text())]))
    done = run(tmp_path)
    assert done.returncode == 1 and "3 passed, 1 failed" in done.stdout, done.stdout + done.stderr
    assert f"{NAMES[2]}: WRONG" in done.stdout and "relative_bias number 3 seed 0: b=" in done.stdout


def test_recurrences(tmp_path, monkeypatch):
    """A channel's gate, timed, one token, and random rows; then a step's pack for another's, and one of other features."""
    names = ["channel_bf16_128", "token_f32_64_step", "head_f32_64", "1", "26", "36"]
    build = lambda *names: recurrences("build", tmp_path, names, "--target", "cpu", "--compiler", ROOT / "build/bin/heddle-compile", packages=True)
    run = lambda: recurrences("run", tmp_path, names, "--device", "cpu", "--runtime", RUNTIME, "--processes", "2")
    done = build(*names)
    assert done.returncode == 0, done.stderr
    done = run()
    assert done.returncode == 0 and "6 passed, 0 failed" in done.stdout and "copy" in done.stdout, done.stdout + done.stderr
    (tmp_path / "head_f32_64.pack").write_bytes((tmp_path / "token_f32_64_step.pack").read_bytes())
    monkeypatch.setitem(random_recurrences.ROWS, "1", dataclasses.replace(random_recurrences.ROWS["1"], features="exp"))
    random_recurrences.build_rows(tmp_path, "cpu", ["1"])
    done = run()
    assert done.returncode == 1 and "4 passed, 2 failed" in done.stdout and "head_f32_64: " in done.stdout, done.stdout + done.stderr
    assert "1: WRONG [['head-f16-64x64-bhtd number 0 seed 0: b=" in done.stdout


def recurrences(mode, folder, names, *more, packages=False):
    return script("recurrences.py", mode, folder, "--name", ",".join(names), *more, packages=packages)


def test_rivals(tmp_path):
    """Without a rival: one token, a recurrence, and growth; then a pack of another gate."""
    names = ["step", "mamba2", "growth_linear"]
    done = script("rivals.py", "build", tmp_path, "--target", "cpu", "--compiler", ROOT / "build/bin/heddle-compile", "--name", ",".join(names), packages=True)
    assert done.returncode == 0 and "linear.heddle" in done.stdout, done.stdout + done.stderr
    run = lambda: script("rivals.py", "run", tmp_path, "--device", "cpu", "--runtime", RUNTIME, "--name", ",".join(names))
    done = run()
    assert done.returncode == 0 and "3 passed, 0 failed" in done.stdout and "of the copy's rate" in done.stdout, done.stdout + done.stderr
    assert "workspace, bytes: 64: 0, 128: 0" in done.stdout
    (tmp_path / "mamba2.heddle.pack").write_bytes((tmp_path / "linear.heddle.pack").read_bytes())
    done = run()
    assert done.returncode == 1 and "2 passed, 1 failed" in done.stdout and "mamba2: " in done.stdout, done.stdout + done.stderr
