"""Run every test that needs no GPU, then account for what was run. Usage: suite.py [STAGE ...]

Each stage is an ordinary runner that also writes a JUnit file. A skip that allowed-skips.txt does not list fails the suite, so
that nothing stops being tested in silence; the listed ones are printed at the end with their reasons.
"""
import fnmatch
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as tree

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
REPORTS = BUILD / "reports"
WIDTH = str(os.cpu_count() or 1)



def configured(name):
    """A value of the build's cache."""
    match = re.search(rf"^{name}:\w+=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.M)
    return match[1] if match else sys.exit(f"expected {name} in build/CMakeCache.txt, got none: run `make build`")


STAGES = {
    "lit": [sys.executable, configured("LIT"), "-v", "-j", WIDTH, "--xunit-xml-output={report}", "build/test"],
    "ctest": ["ctest", "--test-dir", "build", "--output-on-failure", "-j", WIDTH, "--output-junit", "{report}"],
    "pytest": [sys.executable, "-m", "pytest", "-q", "--durations=10", "--junit-xml={report}", "test/python", "test/cpu"],
}


def ptxas_folders():
    """Where a PTX assembler is: a CUDA toolkit, or the pinned wheel in the virtual environment."""
    wheel = pathlib.Path(sys.prefix) / "lib" / f"python3.{sys.version_info.minor}" / "site-packages/nvidia/cu13/bin"
    return [str(folder) for folder in (pathlib.Path("/usr/local/cuda/bin"), wheel) if (folder / "ptxas").exists()]


def cases(report):
    """(name, outcome, reason) of each test in a JUnit file."""
    for case in tree.parse(report).iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name')}".removeprefix("heddle.")
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            yield name, "failed", ""
        elif skipped is not None or case.get("status") in ("notrun", "disabled"):
            yield name, "skipped", (skipped.get("message") if skipped is not None else None) or "not run"
        else:
            yield name, "passed", ""


def run(stage):
    report = REPORTS / f"{stage}.xml"
    report.unlink(missing_ok=True)
    print(f"\n== {stage}", flush=True)
    start = time.monotonic()
    done = subprocess.run([word.format(report=report) for word in STAGES[stage]], cwd=ROOT)
    seconds = time.monotonic() - start
    found = list(cases(report)) if report.exists() else []
    # A runner that dies, or that finds nothing to run, is a failure even if no test of it is.
    if done.returncode and not any(outcome == "failed" for _, outcome, _ in found):
        found.append((f"{stage}: the runner left with {done.returncode}", "failed", ""))
    elif not found:
        found.append((f"{stage}: expected tests, got none", "failed", ""))
    return found, seconds


def allowed_skips():
    lines = (ROOT / "test/allowed-skips.txt").read_text().splitlines()
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


def main(stages):
    REPORTS.mkdir(parents=True, exist_ok=True)
    os.environ["PATH"] = os.pathsep.join([str(BUILD / "bin"), os.environ["PATH"], *ptxas_folders()])
    results, table = [], []
    for stage in stages:
        found, seconds = run(stage)
        results += found
        count = lambda outcome: sum(1 for result in found if result[1] == outcome)
        table.append(f"{stage:8} {seconds:7.1f} s  {count('passed'):5} passed {count('failed'):4} failed {count('skipped'):4} skipped")

    patterns = allowed_skips()
    skips = [(name, reason) for name, outcome, reason in results if outcome == "skipped"]
    unlisted = [name for name, _ in skips if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    failed = [name for name, outcome, _ in results if outcome == "failed"]
    print("\n== times", *table, sep="\n")
    print("\n== skips", *[f"{name}: {re.sub(chr(10), ' ', reason)}" for name, reason in skips] or ["none"], sep="\n")
    for name in failed:
        print(f"failed: {name}")
    for name in unlisted:
        print(f"failed: {name}: expected a line in test/allowed-skips.txt for this skip, got none")
    passed = sum(1 for result in results if result[1] == "passed")
    print(f"\n{passed} passed, {len(failed) + len(unlisted)} failed, {len(skips) - len(unlisted)} skipped")
    return 1 if failed or unlisted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or STAGES))
