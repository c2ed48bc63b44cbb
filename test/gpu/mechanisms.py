"""Every row of heddle.mechanisms on a GPU, against its reference in float64.

  mechanisms.py build DIR                              here, with the Python package: compile every case to DIR/<name>.pack
  mechanisms.py run DIR --runtime libheddle_rt.so      on the device, where Heddle need not be: check, write $OUT/mechanisms.json
  mechanisms.py record FILE                            here: note what passed where `python -m heddle.mechanisms` looks

`build` copies the Python sources into DIR, because references and inputs are those of the rows' own files. Outputs are poisoned, a
second launch has to give the same bits, and a kernel that hangs is ended by a watchdog and named.
"""
import argparse
import json
import os
import pathlib
import shutil
import sys
import types

import isolated

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")
import numpy as np  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOLERANCE = {"f32": 1e-5, "f16": 2e-3, "bf16": 1e-2}
TORCH_NAMES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}


def without_compiler(sources):
    """Make `import heddle` work from its Python sources alone: references and cases need nothing compiled."""
    stand_in = types.ModuleType("heddle._heddle")
    stand_in.version = lambda: "none"
    for name in ("Memo", "Pack", "Status", "num_threads", "set_check", "set_num_threads"):
        setattr(stand_in, name, type(name, (), {}))
    sys.modules["heddle._heddle"] = stand_in
    sys.path.insert(0, str(sources))


def cases(keys=None):
    """name -> (key, module, case)."""
    from heddle import mechanisms
    return {f"{mechanisms.module_name(key)}-{number}": (key, mechanisms.load(key), case)
            for key in (keys or mechanisms.KEYS) if mechanisms.written(key) for number, case in enumerate(mechanisms.load(key).CASES)}


def arguments(compiled, leaves, arrays, weights):
    """What a program takes: names of what was drawn, numbers, other arrays. Weights are drawn alike each time."""
    captured = []
    for leaf in compiled._leaves(leaves):
        name = next((name for name, value in weights.items() if same(value, leaf)), None)
        captured.append(name if name is not None else leaf.value if hasattr(leaf, "value") else np.asarray(leaf))
    return [*arrays, *captured]


def same(a, b):
    return not hasattr(b, "value") and a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b)


def build(directory, target, keys):
    from heddle.mechanisms import _checking, _record
    sources = directory / "sources" / "heddle"
    for path in (ROOT / "python/heddle").rglob("*.py"):
        place = sources / path.relative_to(ROOT / "python/heddle")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    for name, (key, module, case) in cases(keys).items():
        compiled, leaves, pack = _checking.assemble(module, case, target)
        given = arguments(compiled, leaves, *_checking.inputs(case))
        tables = {str(n): value for n, value in enumerate(given) if isinstance(value, np.ndarray)}
        np.savez_compressed(directory / f"{name}.npz", **tables)
        about = {"key": key, "module": module.__name__.rpartition(".")[2], "case": case.name,
                 "for": _record.identity(module.__name__.rpartition(".")[2]),
                 "arguments": [None if isinstance(value, np.ndarray) else value for value in given],
                 "results": [result.type.element for result in compiled.results]}
        (directory / f"{name}.json").write_text(json.dumps(about))
        (directory / f"{name}.pack").write_bytes(pack)
        print(name, case.name, flush=True)


class Device:
    def __init__(self, options):
        import torch
        from packs import Pack
        self.torch, self.Pack, self.options = torch, Pack, options

    def upload(self, array, element=None):
        array = np.ascontiguousarray(array)
        if array.dtype.kind == "V":  # what bfloat16 is in a file, to a NumPy that does not know it
            return self.torch.from_numpy(array.view(np.int16)).view(self.torch.bfloat16).to(self.options.device)
        tensor = self.torch.from_numpy(array.view(np.int8) if array.dtype == bool else array).to(self.options.device)
        return tensor if element is None else tensor.to(getattr(self.torch, TORCH_NAMES[element]))

    def check(self, name, module, case):
        """[(what, error, whether it is good)] of a case."""
        about, directory = json.loads((self.options.directory / f"{name}.json").read_text()), self.options.directory
        arrays, weights = case.draw()
        drawn, tables, values = {**arrays, **weights}, np.load(directory / f"{name}.npz"), []
        for number, given in enumerate(about["arguments"]):
            values.append(self.upload(tables[str(number)]) if given is None else
                          self.upload(drawn[given], case.element(given)) if isinstance(given, str) else given)
        wide = {key: value.astype(float) if value.dtype.kind == "f" else value for key, value in drawn.items()}
        wanted = module.reference(**wide, **case.options)
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        out = [self.torch.full(result.shape, float("nan"), dtype=getattr(self.torch, TORCH_NAMES[element]), device=self.options.device)
               for result, element in zip(wanted, about["results"])]
        run, seen = self.Pack(self.options.runtime, directory / f"{name}.pack").launcher([*values, *out]), []
        for _ in range(2):
            run()
            if self.options.device != "cpu":
                self.torch.cuda.synchronize()
            seen.append([result.float().cpu().numpy() for result in out])
        found = [("equal launches", 0.0, all(np.array_equal(a, b, equal_nan=True) for a, b in zip(*seen)))]
        for number, (result, expected, element) in enumerate(zip(seen[0], wanted, about["results"])):
            finite = np.isfinite(expected)
            error = float(np.linalg.norm((result - expected)[finite]) / (np.linalg.norm(expected[finite]) or 1.0))
            good = error <= TOLERANCE[element] and np.array_equal(result[~finite], expected[~finite])
            found.append((f"result {number}", error, bool(good)))
        return found


def one(options, names):
    device, known = Device(options), cases()
    for name in names:
        key, module, case = known[name]
        print(json.dumps({"name": name, "case": case.name, "errors": device.check(name, module, case)}), flush=True)


def record(path):
    from heddle.mechanisms import _record
    for about in json.loads(path.read_text()):
        if about["for"] == _record.identity(about["module"]):
            _record.write(ROOT / "build/mechanisms", about["module"], "cuda", about["case"], about["error"])
        else:
            print(f"{about['module']}: expected a run of this build, got one of {about['for']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["build", "run", "one", "record"])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--target", default="sm_90a")
    parser.add_argument("--runtime", default="build/runtime/libheddle_rt.so")
    parser.add_argument("--device", default="cuda", help="cpu: to try the script itself, with packs for --target=cpu")
    parser.add_argument("--key", help="keys, separated by commas (all)")
    parser.add_argument("--name", help="names of cases, separated by commas (all of DIR)")
    parser.add_argument("--processes", type=int, default=6)
    options = parser.parse_args()
    if options.mode == "build":
        return build(options.directory, options.target, options.key and options.key.split(","))
    if options.mode == "record":
        return record(options.directory)
    without_compiler(options.directory / "sources")
    names = options.name.split(",") if options.name else sorted(path.stem for path in options.directory.glob("*.pack"))
    if options.mode == "one":
        return one(options, names)
    results = []

    def describe(result):
        about = json.loads((options.directory / f"{result['name']}.json").read_text())
        good = all(passed for *_, passed in result["errors"])
        worst = max(error for _, error, _ in result["errors"])
        results.append({**about, "error": worst if good else None})
        return f", {result['case']}, error {worst:.1e}"

    failed = isolated.report(__file__, options, names, describe, 60, ["--device", options.device], options.processes)
    place = pathlib.Path(os.environ.get("OUT", options.directory))
    (place / "mechanisms.json").write_text(json.dumps(results))
    sys.exit(failed)


if __name__ == "__main__":
    main()
