"""A process and a watchdog for each check on a device, because a wrong barrier hangs rather than fails.

A script's main is `isolated.main(__file__, names, run_one, seconds)`; it takes FOLDER [--time].
"""
import os
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
