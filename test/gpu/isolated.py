"""A process and a watchdog for each check on a device, because a wrong barrier hangs rather than fails.

A script's main is `isolated.main(__file__, names, run_one, seconds)`; it takes FOLDER [--time].
"""
import json
import os
import pathlib
import subprocess
import sys
import threading


def main(script, names, run_one, seconds):
    """Runs `run_one(folder, name, timed)`, which says whether the check of `name` passed, in a process for each of
    `names(folder)`; one that takes longer than `seconds` is ended. Leaves with 0 if all passed."""
    folder, timed = sys.argv[1], "--time" in sys.argv
    if "--one" in sys.argv:
        watchdog = threading.Timer(seconds, lambda: os._exit(4))
        watchdog.daemon = True
        watchdog.start()
        good = run_one(folder, sys.argv[sys.argv.index("--one") + 1], timed)
        sys.stdout.flush()
        os._exit(0 if good else 1)  # without waiting for a device that may hang
    import torch
    print(torch.cuda.get_device_name(), torch.__version__, flush=True)
    failed = 0
    for name in names(folder):
        command = [sys.executable, script, folder, "--one", name] + (["--time"] if timed else [])
        status = subprocess.run(command, timeout=seconds + 60).returncode
        if status > 1 or status < 0:
            print(f"FAIL {name} ended with status {status}", flush=True)
        failed += status != 0
    print(f"{failed} failed", flush=True)
    sys.exit(failed != 0)


def report(script, options, names, describe, seconds):
    """Runs `script one DIRECTORY --runtime .. --name NAME` for each name; the last line it prints is JSON, with a list
    `errors` whose entries end in whether they passed, and `describe(result)` gives its figures as text. Prints the report,
    writes it to $OUT, and says whether something failed."""
    lines, failed = [], 0
    for name in names:
        command = [sys.executable, script, "one", options.directory, "--runtime", options.runtime, "--name", name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            line, good = f"{name}: hangs", False
        else:
            good = done.returncode == 0
            if good:
                result = json.loads(done.stdout.strip().splitlines()[-1])
                bad = [entry for entry in result["errors"] if not entry[-1]]
                good = not bad
                line = f"{name}: {'ok' if good else f'WRONG {bad}'}{describe(result)}"
            else:
                line = f"{name}: {(done.stderr.strip().splitlines() or [done.returncode])[-1]}"
        failed += not good
        lines.append(line)
        print(line, flush=True)
    lines.append(f"{len(names) - failed} passed, {failed} failed")
    print(lines[-1])
    if os.environ.get("OUT"):
        pathlib.Path(os.environ["OUT"], pathlib.Path(script).stem + ".txt").write_text("\n".join(lines) + "\n")
    return bool(failed)
