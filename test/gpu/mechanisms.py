"""Every row of heddle.mechanisms on a GPU, against its reference in float64, the long cases at a sample of their rows.

  mechanisms.py build DIR                              here, with the Python package: compile every case to DIR/<name>.pack
  mechanisms.py run DIR --runtime libheddle_rt.so      on the device, without a compiler: check, write $OUT/mechanisms.json
  mechanisms.py record FILE                            here: note what passed where `python -m heddle.mechanisms` looks

`build` copies the Python sources into DIR, because references, inputs and what a spec captures are made by the rows' own files. Outputs
are poisoned before each of four launches, which have to agree, and a kernel that hangs is ended by a watchdog and named. For a long case the
workspace that its plan asks for is printed; it has to be smaller than a byte for each pair of tokens.
"""
import hashlib
import json
import os
import pathlib
import shutil
import sys
import types

import isolated

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")
import matrix  # noqa: E402, F401, which finds bench
import numpy as np  # noqa: E402
from bench import measure  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


def without_compiler(sources):
    """Make `import heddle` work from its Python sources alone: references, cases and tracing need nothing compiled."""
    stand_in = types.ModuleType("heddle._heddle")
    stand_in.version = lambda: "none"
    for name in ("Memo", "Pack", "Status", "num_threads", "set_check", "set_num_threads"):
        setattr(stand_in, name, type(name, (), {}))
    sys.modules["heddle._heddle"] = stand_in
    sys.path.insert(0, str(sources))


def cases(keys=None, tokens=None):
    """name -> (key, module, case); `tokens`: of the long cases, each its own number by default."""
    from heddle import mechanisms
    from heddle.mechanisms import _long
    found = {}
    for key in (key for key in keys or mechanisms.KEYS if mechanisms.written(key)):
        module, long = mechanisms.load(key), _long.case(key, tokens)
        for number, case in [*enumerate(module.CASES), *([("long", long)] if long else [])]:
            found[f"{mechanisms.module_name(key)}-{number}"] = key, module, case
    return found


def name_of(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def build(directory, target, keys, tokens, names):
    from heddle.mechanisms import _checking, _record
    sources = directory / "sources" / "heddle"
    for path in (ROOT / "python/heddle").rglob("*.py"):
        place = sources / path.relative_to(ROOT / "python/heddle")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    for name, (key, module, case) in cases(keys, tokens).items():
        if names and name not in names:
            continue
        program, pack = _checking.assemble(module, case, target)
        file = module.__name__.rpartition(".")[2]
        (directory / f"{name}.json").write_text(json.dumps({"key": key, "module": file, "case": case.name, "tokens": case.tokens or tokens,
                                                           "for": _record.identity(file), "program": name_of(program.text())}))
        (directory / f"{name}.pack").write_bytes(pack)
        print(name, case.name, flush=True)


class Device:
    def __init__(self, options):
        import torch
        from packs import Pack
        self.torch, self.Pack, self.options = torch, Pack, options

    def upload(self, array):
        array = np.ascontiguousarray(array)
        if array.dtype.name == "bfloat16":
            return self.torch.from_numpy(array.view(np.int16)).view(self.torch.bfloat16).to(self.options.device)
        return self.torch.from_numpy(array.view(np.int8) if array.dtype == bool else array).to(self.options.device)

    def check(self, name):
        """Of a case: the list of (what, error, whether it is good), and what its workspace takes."""
        from heddle.mechanisms import _cases, _checking
        about = json.loads((self.options.directory / f"{name}.json").read_text())
        key, module, case = cases([about["key"]], about["tokens"])[name]
        compiled, given = _checking.call(module, case)
        if name_of(compiled.program.text()) != about["program"]:
            raise SystemExit(f"expected the program that the pack was made of, got another of {module.__file__}")
        rows = _cases.chosen(case.tokens) if case.tokens else None
        wanted = _cases.expected(module, case, rows=rows)
        elements = [result.type.element for result in compiled.results]
        out = [self.torch.full([case.tokens if case.tokens and size == len(rows) else size for size in result.shape], float("nan"),
                               dtype=getattr(self.torch, measure.TORCH_NAMES[element]), device=self.options.device)
               for result, element in zip(wanted, elements)]
        values = [self.upload(value) if isinstance(value, np.ndarray) else value for value in given]
        run = self.Pack(self.options.runtime, self.options.directory / f"{name}.pack").launcher([*values, *out])
        first, same = measure.four_launches(self.torch, run, out)
        found = [("equal launches", 0.0, same)]
        if case.tokens:
            found.append(("workspace", 0.0, run.workspace < case.tokens ** 2))
        for number, (result, expected, element) in enumerate(zip(first, wanted, elements)):
            got = result.float().cpu().numpy()
            one = _checking.Comparison(f"result {number}", expected, _cases.rows_of(got, rows, expected), element)
            # Matrix units cut sums off instead of rounding them, in f32 up to 2^-24 with every 8 keys.
            allowed = _checking.TOLERANCE[element] + (case.tokens / 8 * 2 ** -24 if case.tokens and element == "f32" else 0)
            found.append((one.what, one.error, one.error <= allowed and not np.isnan(got).any()))
        return found, run.workspace


def one(options, names):
    device = Device(options)
    for name in names:
        found, workspace = device.check(name)
        print(json.dumps({"name": name, "errors": found, "workspace": workspace}), flush=True)


def record(path):
    from heddle.mechanisms import _record
    for about in json.loads(path.read_text()):
        if about["for"] == _record.identity(about["module"]):
            _record.write(ROOT / "build/mechanisms", about["module"], "cuda", about["case"], about["error"])
        else:
            print(f"{about['module']}: expected a run of this build, got one of {about['for']}")


def main():
    parser = isolated.parser(__doc__, "names of cases", 90, compiler=None, modes=["record"])
    parser.add_argument("--key", help="with build: keys, separated by commas (all)")
    parser.add_argument("--tokens", type=int, help="with build: how many the long cases have (each its own number)")
    parser.add_argument("--processes", type=int, default=6, help="with run: how many share the cases (6)")
    options = parser.parse_args()
    if options.mode == "build":
        return build(options.directory, options.target, options.key and options.key.split(","), options.tokens, options.name and options.name.split(","))
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
        results.append({**about, "error": worst if good else None, "workspace": result["workspace"]})
        size = f", {about['tokens']} tokens, workspace {result['workspace']:,} bytes" if about["case"] == "long" else ""
        return f", {about['case']}, error {worst:.1e}{size}"

    failed = isolated.report(__file__, options, names, describe, options.limit, ["--device", options.device], options.processes)
    place = pathlib.Path(os.environ.get("OUT", options.directory))
    (place / "mechanisms.json").write_text(json.dumps(results))
    sys.exit(failed)


if __name__ == "__main__":
    main()
