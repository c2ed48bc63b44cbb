"""The command line of heddle-bench."""

import argparse
import itertools
import json
import sys

import numpy as np

from . import candidates, cases, host, timing


DEFAULTS = {"device": "cpu", "threads": None, "length": [4096], "heads": 16, "key_heads": None, "batch": 1, "width": [64, 128],
            "dtype": ["f32", "bf16"], "mask": ["full", "causal"], "rounds": 7, "json": None, "host_time": False, "table": None,
            "row": None, "tokens": 16384, "flex": False}
# What goes with the options that ask for something else than cases of one's own.
TOGETHER = {"host_time": {"device", "threads"}, "table": {"device", "threads", "row", "tokens", "flex"}}


def parse(arguments):
    parser = argparse.ArgumentParser("heddle-bench", description="time heddle.attend beside its rivals", argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add("--device", choices=["cpu", "cuda"], help="where it runs (cpu)")
    add("--threads", type=int, help="of every candidate, on the CPU (as many as there are cores)")
    add("--length", type=int, nargs="+", help="of the sequences (4096)")
    add("--heads", type=int, help="of q (16)")
    add("--key-heads", type=int, help="of k and v (as many as q has)")
    add("--batch", type=int, help="how many sequences (1)")
    add("--width", type=int, nargs="+", help="channels of a head (64 and 128)")
    add("--dtype", nargs="+", choices=list(cases.TOLERANCE), help="of q, k, v and the result (f32 and bf16)")
    add("--mask", nargs="+", help='"full", "causal", "window:N" (full and causal)')
    add("--rounds", type=int, help="bursts of each candidate, whose median counts (7)")
    add("--json", help="append one object per case to this file")
    add("--host-time", action="store_true", help="the host's time of a cached call, and nothing else")
    add("--table", choices=["hopper"], help="the rows of the Hopper table by name, with what each must reach")
    add("--row", nargs="+", help="with --table: names of rows (all)")
    add("--tokens", type=int, help="with --table: of all sequences (16384, as the table has)")
    add("--flex", action="store_true", help="with --table: FlexAttention as a rival (seconds to compile each)")
    given = vars(parser.parse_args(arguments))
    mode = next((mode for mode in TOGETHER if mode in given), None)
    allowed = {mode} | TOGETHER[mode] if mode else DEFAULTS.keys() - {"row", "tokens", "flex"}
    others = [f"--{name.replace('_', '-')}" for name in given if name not in allowed]
    if others:
        parser.error(f"expected {f'--{mode}'.replace('_', '-')} without {', '.join(others)}, got both" if mode else
                     f"expected {', '.join(others)} with --table only, got no --table")
    return argparse.Namespace(**{**DEFAULTS, **given})


def check(case, candidate, q, k, v):
    """Relative error against float64 on sampled rows; fails above the tolerance, and where four runs differ in a bit."""
    rows = cases.sampled_rows(case)
    candidate.poison()
    result = np.array(candidate.fetch(candidate.run()))
    for _ in range(3):
        candidate.poison()
        if not np.array_equal(result, candidate.fetch(candidate.run())):
            raise SystemExit(f"{candidate.name}, {case}: expected four equal runs, got a difference")
    expected = cases.reference(case, q, k, v, rows)
    error = float(np.linalg.norm(result[:, :, rows] - expected) / np.linalg.norm(expected))
    if not error < cases.TOLERANCE[case.dtype]:
        raise SystemExit(f"{candidate.name}, {case}: expected an error below {cases.TOLERANCE[case.dtype]}, got {error:.3g}")
    return error


def measure(case, options):
    torch = candidates.torch_or_none()
    q, k, v = cases.inputs(case)
    mine = candidates.ours(case, q, k, v, options.device)
    error = check(case, mine, q, k, v)
    everyone = [mine, *candidates.rivals(case, q, k, v, options.device)]
    clock = timing.HostClock() if options.device == "cpu" else timing.CudaClock(torch)
    seconds = timing.medians(everyone, clock, options.rounds)
    print(f"{case}   error {error:.1e}")
    best = min((s for name, s in seconds.items() if name != mine.name), default=None)
    for name, s in seconds.items():
        ratio = f"   {best / s:5.2f}x of the best rival" if name == mine.name and best else ""
        print(f"  {name:16} {s * 1e3:9.3f} ms  {case.flops() / s / 1e12:8.3f} TFLOP/s{ratio}", flush=True)
    if options.json:
        with open(options.json, "a") as file:
            print(json.dumps({"case": str(case), "error": error, "seconds": seconds}), file=file)


def main(arguments=None):
    options = parse(arguments)
    torch = candidates.torch_or_none()
    if options.device != "cpu" and torch is None:
        raise SystemExit(f"expected PyTorch to hold arrays on {options.device}, got none")
    if options.threads:
        candidates.heddle.set_num_threads(options.threads)
        if torch:
            torch.set_num_threads(options.threads)
    if options.host_time:
        for library, microseconds in host.measure(options.device).items():
            print(f"cached call, {library} on {options.device}, output preallocated: {microseconds:.2f} us")
        return
    if options.table:
        from . import table  # needs PyTorch
        if torch is None:
            raise SystemExit("expected PyTorch for a table, got none")
        unknown = set(options.row or ()) - set(table.NAMES)
        if unknown:
            raise SystemExit(f"expected rows of {', '.join(table.NAMES)}, got {', '.join(sorted(unknown))}")
        return 0 if table.show(torch, options.device, options.row or table.NAMES, options.tokens, options.flex) else 1
    for dtype, length, width, mask in itertools.product(options.dtype, options.length, options.width, options.mask):
        key_heads = options.key_heads or options.heads
        measure(cases.Case(length, options.heads, key_heads, width, dtype, mask, options.batch), options)


if __name__ == "__main__":
    sys.exit(main())
