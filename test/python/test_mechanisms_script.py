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
    done = call("build", folder, "--target", "cpu", "--key", "mqa")
    assert done.returncode == 0, done.stderr
    return folder


def run(folder, out):
    """Where it runs, there is no Heddle: the sources in the folder are what is imported."""
    return call("run", folder, "--device", "cpu", "--runtime", RUNTIME, "--processes", 1, OUT=str(out), PYTHONPATH="")


def test_it_runs_without_a_compiler(packs, tmp_path):
    done = run(packs, tmp_path)
    assert done.returncode == 0 and "3 passed, 0 failed" in done.stdout, done.stdout + done.stderr
    found = json.loads((tmp_path / "mechanisms.json").read_text())
    assert len(found) == 3 and all(one["key"] == "mqa" and one["error"] < 1e-2 for one in found)


def test_what_is_wrong_is_not_noted(packs, tmp_path):
    """Keys for values, in the case where both have one size."""
    about = json.loads((packs / "mqa-0.json").read_text())
    (packs / "mqa-0.json").write_text(json.dumps({**about, "arguments": ["q", "v", "k"]}))
    done = run(packs, tmp_path)
    (packs / "mqa-0.json").write_text(json.dumps(about))
    assert done.returncode == 1 and "2 passed, 1 failed" in done.stdout and "mqa-0: WRONG" in done.stdout, done.stdout + done.stderr
    assert {one["case"]: one["error"] is None for one in json.loads((tmp_path / "mechanisms.json").read_text())}["causal"]
