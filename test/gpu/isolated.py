"""A process and a watchdog for each check on a device, because a wrong barrier hangs rather than fails.

A script of packs has the options of `parser`, and its mode run is `report(__file__, options, names, ..)`, which runs the
mode one. A script of the older kind, which takes FOLDER [--time], is `main(__file__, names, run_one, seconds)`.
"""
import argparse
import json
import os
import pathlib
import queue
import subprocess
import sys
import tempfile
import threading


def parser(doc, names=None, limit=60, compiler="heddle-compile", modes=()):
    """The options of a script that builds and runs packs. `names` says what --name chooses, None: nothing, and there is no
    mode one. `limit`: seconds that one of them may take. `compiler` None: the Python package compiles. `modes`: further ones."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("mode", choices=["build", "run", *(["one"] if names else []), *modes],
                      help="compile packs; run them under a watchdog and report" + "; run them in this process" * bool(names))
    made.add_argument("directory", type=pathlib.Path, help="where the packs are")
    if compiler:
        made.add_argument("--compiler", default=compiler, help=f"with build ({compiler})")
    made.add_argument("--target", default="sm_90a", help="with build: what to compile for (sm_90a)")
    made.add_argument("--runtime", default="build/runtime/libheddle_rt.so", help="with run and one: the runtime's library (of this tree)")
    if names:
        made.add_argument("--device", default="cuda", help="cpu: to try the script itself, with packs for --target=cpu")
        made.add_argument("--name", help=f"{names}, separated by commas (all)")
        made.add_argument("--check-only", action="store_true", help="with one: few shapes, nothing timed (for compute-sanitizer)")
        made.add_argument("--limit", type=int, default=limit, help=f"seconds that one of them may take ({limit})")
    return made


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


def report(script, options, names, describe, seconds, more=(), processes=1):
    """Runs `script one DIRECTORY --runtime .. --name NAMES`, and `more`. For each name it prints a line of JSON, with a list
    `errors` whose entries end in whether they passed, and `describe(result)` gives its figures as text. Where that process
    ends early or takes longer than `seconds` for one name, that one has failed and a new process goes on behind it. Prints
    the report, writes it to $OUT, and says whether something failed. `processes` of them share the names."""
    lines, failed = [], 0
    for name, result in all_results(script, options, names, seconds, more, processes):
        if isinstance(result, str):
            good, line = False, f"{name}: {result}"
        else:
            bad = [entry for entry in result["errors"] if not entry[-1]]
            good, line = not bad, f"{name}: {f'WRONG {bad}' if bad else 'ok'}{describe(result)}"
        failed += not good
        lines.append(line)
        print(line, flush=True)
    failed += len(names) - len(lines)
    lines.append(f"{len(names) - failed} passed, {failed} failed")
    print(lines[-1])
    if os.environ.get("OUT"):
        pathlib.Path(os.environ["OUT"], pathlib.Path(script).stem + ".txt").write_text("\n".join(lines) + "\n")
    return bool(failed)


def all_results(script, options, names, seconds, more, processes):
    """What `results` yields, in the order of arrival."""
    arrived = queue.Queue()

    def share(part):
        try:
            for each in results(script, options, part, seconds, more):
                arrived.put(each)
        finally:
            arrived.put(None)

    shares = [part for n in range(processes) if (part := names[n::processes])]
    for part in shares:
        threading.Thread(target=share, args=(part,), daemon=True).start()
    working = len(shares)
    while working:
        each = arrived.get()
        working -= each is None
        if each is not None:
            yield each


def results(script, options, names, seconds, more):
    """(name, its result, or what went wrong as text) for each name."""
    waiting = list(names)
    while waiting:
        command = [sys.executable, script, "one", options.directory, "--runtime", options.runtime, "--name", ",".join(waiting), *more]
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
            lines = queue.Queue()
            threading.Thread(target=pass_on, args=(process.stdout, lines), daemon=True).start()
            while waiting:
                try:
                    line = lines.get(timeout=seconds)
                except queue.Empty:
                    wrong = f"hangs ({seconds} s)"
                    break
                if line is None:
                    wrong = f"ended with status {process.wait()}"
                    break
                if line.startswith("{"):
                    yield waiting.pop(0), json.loads(line)
            process.kill()
            process.wait()
            if waiting:
                errors.seek(0)
                said = errors.read()
                print(said[-4000:], file=sys.stderr, flush=True)
                yield waiting.pop(0), f"{wrong}: {(said.strip().splitlines() or [''])[-1]}"


def pass_on(stream, lines):
    for line in stream:
        lines.put(line)
    lines.put(None)
