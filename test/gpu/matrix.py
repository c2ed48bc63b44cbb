"""The specs of python/heddle/bench/rows.py on a GPU: correct against float64, then timed beside PyTorch.

  matrix.py build DIR [--compiler heddle-compile]   here, with the Python package: compile every spec to DIR/<name>.pack
  matrix.py run DIR --runtime libheddle_rt.so       on the device: check, time, print tables (and write them to $OUT)
  matrix.py run DIR --flex --name SPECS             the same with FlexAttention as a rival, whose compilation takes 5 to 10 s a spec

They run in a process under a watchdog, because a wrong barrier hangs; what ends it costs one spec. Outputs are poisoned with NaN.
FLOPs count visible pairs only: 2 * pairs * (d + e). A spec that changes a plain one is timed beside that one.
"""
import faulthandler
import json
import pathlib
import subprocess
import sys

import isolated

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "python/heddle"))
from bench import measure, rows  # noqa: E402

# Few heads, odd lengths, grouped heads, one row, no key, split keys.
SHAPES = [(1, 2, 2, 128, 128), (2, 4, 2, 200, 333), (1, 2, 1, 1, 1000), (1, 1, 1, 3, 5000), (2, 2, 2, 77, 0), (1, 3, 3, 1029, 1029)]


def build(directory, compiler, target, texts):
    """Packs of the specs, text by name."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        source = directory / f"{name}.mlir"
        source.write_text(text)
        subprocess.run([compiler, source, f"--target={target}", "-o", directory / f"{name}.pack"], check=True)
        print(name, flush=True)


def one(options, name):
    if options.limit > 20:  # where it hangs, if it does
        faulthandler.dump_traceback_later(options.limit - 10, exit=True)
    import torch
    from packs import Pack
    bench = measure.Measure(torch, options.device, name,
                            lambda name, arguments: Pack(options.runtime, options.directory / f"{name}.pack").launcher(arguments))
    result = {"name": name, "errors": [bench.check(shape) for shape in (SHAPES[:3] if options.check_only else SHAPES)], "timed": {}}
    for length in () if options.check_only else bench.row.lengths:
        checked, result["timed"][length] = bench.time(length, with_flex=options.flex)
        result["errors"].append(checked)
    print(json.dumps(result), flush=True)


def describe(result):
    row, text = rows.ROWS[result["name"]], f", worst error {max(entry[1] for entry in result['errors']):.1e}"
    return text + "".join(f"\n  {length:>6}:{measure.describe(row, times)}" for length, times in result["timed"].items())


def main():
    parser = isolated.parser(__doc__, "specs", 120)
    parser.add_argument("--flex", action="store_true", help="FlexAttention as a rival, where weights are those of softmax")
    options = parser.parse_args()
    names = options.name.split(",") if options.name else list(rows.ROWS)
    if options.mode == "build":
        needed = dict.fromkeys([*names, *filter(None, (rows.ROWS[name].plain for name in names))])
        build(options.directory, options.compiler, options.target, {name: rows.spec(name).text for name in needed})
    elif options.mode == "one":
        for name in names:
            one(options, name)
    else:
        more = ["--limit", str(options.limit), "--device", options.device] + ["--flex"] * options.flex
        sys.exit(isolated.report(__file__, options, names, describe, options.limit, more))


if __name__ == "__main__":
    main()
