"""test/gpu/mechanisms.py on a CPU: that it runs where there is no compiler, sees what is wrong, and notes what passed."""
import json
import os
import subprocess
import sys

import pytest
from assembly import ROOT

pytest.importorskip("torch")
SCRIPT, RUNTIME = ROOT / "test/gpu/mechanisms.py", ROOT / "build/runtime/libheddle_rt.so.1"


def call(*words, **environment):
    return subprocess.run([sys.executable, SCRIPT, *map(str, words)], env={**os.environ, **environment}, text=True, capture_output=True)


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packs")
    done = call("build", folder, "--target", "cpu", "--key", "mqa", "--tokens", 700)
    assert done.returncode == 0, done.stderr
    return folder


def run(folder, out):
    """Where it runs, there is no Heddle: the sources in the folder are what is imported."""
    return call("run", folder, "--device", "cpu", "--runtime", RUNTIME, "--processes", 1, OUT=str(out), PYTHONPATH="")


def test_it_runs_without_a_compiler(packs, tmp_path):
    done = run(packs, tmp_path)
    assert done.returncode == 0 and "4 passed, 0 failed" in done.stdout, done.stdout + done.stderr
    assert "mqa-long: ok, long, error" in done.stdout and "700 tokens, workspace 0 bytes" in done.stdout, done.stdout
    found = json.loads((tmp_path / "mechanisms.json").read_text())
    assert len(found) == 4 and all(one["key"] == "mqa" and one["error"] < 1e-2 for one in found)


def changed(packs, tmp_path, old, new):
    """A run with a reference of causal cases that sees something else."""
    place = packs / "sources/heddle/mechanisms/mqa.py"
    text = place.read_text()
    assert old in text
    place.write_text(text.replace(old, new))
    done = run(packs, tmp_path)
    place.write_text(text)
    return done, {one["case"]: one["error"] is None for one in json.loads((tmp_path / "mechanisms.json").read_text())}


def test_what_is_wrong_is_not_noted(packs, tmp_path):
    done, wrong = changed(packs, tmp_path, "seen = (j <= i) | (not causal)", "seen = (j <= i) | (not causal) | (j % 16 == 0)")
    assert done.returncode == 1 and "1 passed, 3 failed" in done.stdout and "mqa-long: WRONG" in done.stdout, done.stdout + done.stderr
    assert wrong == {"causal": True, "local decoder": True, "cross": False, "long": True}


def test_another_program_than_the_packs_is_refused(packs, tmp_path):
    done, noted = changed(packs, tmp_path, "return heddle.attend(q, k, v, causal=causal,", "return heddle.attend(q, k, v, causal=not causal,")
    assert done.returncode == 1 and "0 passed, 4 failed" in done.stdout and not noted, done.stdout + done.stderr
    assert "expected the program that the pack was made of" in done.stdout
