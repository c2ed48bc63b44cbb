"""Random combinations on a GPU against float64: at least 2,000 over at most 80 compiled specs.

  random_suite.py build DIR                              here, with the Python package: compile every spec to DIR/<n>.pack
  random_suite.py run DIR --runtime libheddle_rt.so      on the device: check, print (and write to $OUT)

Specs and cases are those of the CPU's suite (test/python/{attend_cases,random_cases,oracle,strides}.py, which lie in this tree or
beside this script), most of them with 16-bit elements and wider heads, longer sequences, and pages. Beside them: strides
above 2^31 elements, and a captured graph of several kernels that is replayed after its inputs changed. Outputs are
poisoned, what lies between their rows must stay, every third case is launched four times and compared bit by bit. A
failure names its case and seed.
"""
import dataclasses
import json
import math
import os
import pathlib
import sys

import isolated
import matrix  # noqa: F401, which finds bench
from bench.measure import TORCH_NAMES

os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes share the cores, each with one thread for NumPy
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "test/python"))
import numpy as np  # noqa: E402
import random_cases  # noqa: E402
from attend_cases import TABLE, Draw, Row  # noqa: E402

CASES = 2000
UNBOUNDED = ("none", "relu", "relu2")  # weights that float16 does not hold
EXTRA = [
    Row("bf16", 128, 128, page=64, lengths=True, causal=True), Row("bf16", 128, 128, page=16, lengths=True, causal=True, window="l"),
    Row("f16", 64, 64, page=16), Row("f32", 64, 64, page=8, causal=True, window="l"), Row("bf16", 64, 64, "bthd", page=32, causal=True),
    Row("bf16", 192, 128, causal=True), Row("bf16", 80, 80, causal=True), Row("bf16", 512, 512), Row("bf16", 128, 128, "bthd", True),
    Row("bf16", 256, 256, "bthd", causal=True), Row("bf16", 128, 128, "thd", causal=True), Row("f16", 128, 128, lengths=True, causal=True),
]
SPECIAL = ("far", "graph")


def for_a_device(number, row):
    """The CPU's rows are narrow and of float32, to be compiled and run fast; here three of four are 16 bits wide."""
    if row.element != "f32" or number % 4 == 0 or (row.width, row.value_width) != (32, 32):
        return row
    element = "f16" if number % 4 == 1 and row.normalizer not in UNBOUNDED else "bf16"
    width = 128 if number % 2 else 64
    return dataclasses.replace(row, element=element, width=width, value_width=width)


ROWS = {str(number): row for number, row in enumerate(dict.fromkeys([for_a_device(*each) for each in enumerate(TABLE)] + EXTRA))}
PER_ROW = -(-CASES // len(ROWS))
assert len(ROWS) <= 80


def case_of(name, number, seed, row=None):
    return random_cases.Case(row or ROWS[name], number, Draw, seed, random_cases.LONG)


def as_type(array, element):
    """With the package's element types, which need not be where packs run."""
    import layouts
    return array.astype(layouts.DTYPES[element])


def build(directory, target, names):
    from heddle import _compiler
    from heddle._plan import Call, Plan
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        case = case_of(name, 3, 0)
        row, (score_mod, mask_mod) = case.row, case.mods(plain=False)
        bthd = (lambda x: x.swapaxes(1, 2)) if row.layout == "bthd" else (lambda x: x)
        q, k, v = (as_type(x, row.element) for x in case.arrays(bthd))
        left, right = (None if bound == -1 else bound for bound in case.window or (-1, -1))
        plan = Plan(Call(q, k, v, score_mod, mask_mod, row.causal, left, right, case.starts_q, case.starts_k, case.lengths, "kv_lengths",
                         case.pool and case.pool.table, case.sink, row.normalizer, row.layout, row.lse, None, None, None))
        # Captures come last; each is a value that the case drew.
        captured = [next(n for n, value in enumerate(case.draw.traced) if value is leaf) for leaf in plan.captures.leaves]
        results = 2 if row.lse else 1
        arguments = plan.names[:len(plan.names) - results - len(captured)] + captured
        (directory / f"{name}.json").write_text(json.dumps(arguments))
        (directory / f"{name}.pack").write_bytes(_compiler.compile_text(plan.program, target))
        print(name, row, flush=True)


class Suite:
    def __init__(self, options):
        import torch
        from packs import Pack, View
        self.torch, self.options, self.Pack, self.View, self.device = torch, options, Pack, View, options.device

    def type(self, row):
        return getattr(self.torch, TORCH_NAMES[row.element])

    def upload(self, array, dtype):
        """A view of NumPy's as a view of the device's memory, with what lies around it."""
        from strides import owner
        memory = owner(array)
        offset = (array.__array_interface__["data"][0] - memory.__array_interface__["data"][0]) // 4 if array.size else 0
        base = self.torch.from_numpy(memory.ravel() if memory.flags.c_contiguous else np.ascontiguousarray(memory)).to(self.device, dtype)
        return self.View(base, offset, array.shape, tuple(stride // 4 for stride in array.strides))

    def tensor(self, array):
        array = np.ascontiguousarray(array)
        return self.torch.from_numpy(array.view(np.int8) if array.dtype == bool else array).to(self.device)

    def values(self, name, case):
        """The arguments of a spec for a case, and what its kernels write: [(whole, the part that is written), ...]."""
        torch, row = self.torch, case.row
        q, k, v = (self.upload(x, self.type(row)) for x in case.arrays())
        left, right = case.window or (-1, -1)
        given = {"q": q, "k": k, "v": v, "scale": float(case.used_scale), "left": left, "right": right}
        for key, array in (("cu_seqlens_q", case.starts_q), ("cu_seqlens_k", case.starts_k), ("kv_lengths", case.lengths),
                           ("block_table", case.pool and case.pool.table), ("sink", case.sink)):
            given[key] = None if array is None else self.tensor(array)
        case.mods(plain=True)
        drawn = [self.tensor(x) if isinstance(x, np.ndarray) else x for x in case.draw.values]
        arguments = json.loads((self.options.directory / f"{name}.json").read_text())
        shape = (case.batch, case.heads, case.rows, row.value_width) if row.layout != "thd" else (case.rows, case.heads, row.value_width)
        order = [0, 2, 1, 3] if row.layout == "bthd" else list(range(len(shape)))
        pad = 8 if case.number % 2 else 5
        whole = torch.full([*(shape[axis] for axis in order[:-1]), shape[-1] + pad], 7.0, dtype=self.type(row), device=self.device)
        outputs = [(whole, whole[..., :shape[-1]].permute(order))]
        if row.lse:
            lse = torch.empty(*(shape[:3] if row.layout != "thd" else (case.heads, case.rows)), device=self.device)
            outputs.append((lse, lse))
        return [drawn[a] if isinstance(a, int) else given[a] for a in arguments], outputs

    def launch(self, run, outputs):
        """Copies of what a run writes, poisoned before."""
        for _, part in outputs:
            part.fill_(math.nan)
        run()
        self.synchronize()
        return [part.clone() for _, part in outputs]

    def synchronize(self):
        if self.device != "cpu":
            self.torch.cuda.synchronize()

    def same(self, some, others):
        return all(self.torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(some, others))

    def compare(self, case, results):
        """None, or what is wrong."""
        o, lse = results[0], results[1] if len(results) > 1 else None
        if case.row.layout == "thd":
            o, lse = o.transpose(0, 1)[None], None if lse is None else lse[None]
        try:
            case.check(case.expected(), o.float().cpu().numpy(), None if lse is None else lse.cpu().numpy())
        except AssertionError as error:
            return str(error)

    def check(self, name, pack, case):
        values, outputs = self.values(name, case)
        run = pack.launcher([*values, *(part for _, part in outputs)])
        results = self.launch(run, outputs)
        if case.number % 3 == 0 and not all(self.same(results, self.launch(run, outputs)) for _ in range(3)):
            return f"{case}: expected four equal launches, got a difference"
        whole, part = outputs[0]
        if not bool((whole[..., part.shape[-1]:] == 7.0).all()):
            return f"{case}: expected memory between rows of the output to stay as it was"
        return self.compare(case, results)

    def spec(self, name):
        pack = self.Pack(self.options.runtime, self.options.directory / f"{name}.pack")
        wrong = [self.check(name, pack, case_of(name, number, self.options.seed)) for number in range(self.options.per_row)]
        return self.options.per_row, [text for text in wrong if text]

    def far(self):
        """q, k, v and the result with heads more than 2^31 elements apart."""
        torch, wrong, count = self.torch, [], 0
        for name, row in ROWS.items():
            if row not in (Row(), Row("bf16", 64, 64, causal=True), Row("bf16", 128, 128), Row("f16", 128, 128, lengths=True, causal=True)):
                continue
            case = next(case for number in range(5, 999) if (case := case_of(name, number, self.options.seed)).heads == 2 and case.batch == 1)
            pack = self.Pack(self.options.runtime, self.options.directory / f"{name}.pack")
            values, outputs = self.values(name, case)
            apart, far = 2 ** 31 + 64, []
            for heads, source in ((2, case.q), (case.key_heads, case.k), (case.key_heads, case.v), (2, None)):
                shape = source.shape if source is not None else tuple(outputs[0][1].shape)
                flat = torch.empty(apart * (heads - 1) + shape[2] * shape[3], dtype=self.type(row), device=self.device)
                view = flat.as_strided(shape, (apart, apart, shape[3], 1))
                view.copy_(torch.from_numpy(source).to(self.device)) if source is not None else view.fill_(math.nan)
                far.append(view)
            outputs[0] = (far[3], far[3])
            run = pack.launcher([*far[:3], *values[3:], *(part for _, part in outputs)])
            wrong.append(self.compare(case, self.launch(run, outputs)))
            count += 1
        return count, [text for text in wrong if text]

    def graph(self):
        """Six kernels of six specs in one captured graph; then their inputs change, and it is replayed."""
        torch, runs = self.torch, []
        names = [name for name, row in ROWS.items() if row.element == "bf16" and row.layout != "thd"][:6]
        for name in names:
            case = case_of(name, 6, self.options.seed)
            values, outputs = self.values(name, case)
            pack = self.Pack(self.options.runtime, self.options.directory / f"{name}.pack")
            runs.append((case, values, outputs, pack.launcher([*values, *(part for _, part in outputs)])))
        before = [self.launch(run, outputs) for _, _, outputs, run in runs]
        wrong = [self.compare(case, results) for (case, *_), results in zip(runs, before)]
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for *_, run in runs:
                run()
        for again in range(3):
            for case, values, outputs, _ in runs:
                if again:
                    values[0].tensor.mul_(-0.5)
                    values[2].tensor.add_(1.0)
                for _, part in outputs:
                    part.fill_(math.nan)
            graph.replay()
            torch.cuda.synchronize()
            replayed = [[part.clone() for _, part in outputs] for _, _, outputs, _ in runs]
            for (case, _, outputs, run), results, old in zip(runs, replayed, before):
                if not self.same(results, self.launch(run, outputs)):
                    wrong.append(f"{case}: expected replay {again} of a graph to repeat a launch, got a difference")
                if again and self.same(results, old):
                    wrong.append(f"{case}: expected replay {again} to see inputs that changed, got the old result")
        return 4 * len(runs), [text for text in wrong if text]


def one(options, names):
    suite = Suite(options)
    for name in names:
        count, wrong = getattr(suite, name)() if name in SPECIAL else suite.spec(name)
        print(json.dumps({"name": name, "errors": [[text, False] for text in wrong], "count": count}), flush=True)


def describe(result):
    return f", {result['count']} cases of {ROWS.get(result['name'], result['name'])}"


def main():
    parser = isolated.parser(__doc__, "numbers of specs, far, graph", compiler=None)
    parser.add_argument("--seed", type=int, default=0, help="of the cases that are drawn (0); a failure names it")
    parser.add_argument("--per-row", type=int, default=PER_ROW, help=f"cases of each spec ({PER_ROW})")
    parser.add_argument("--processes", type=int, default=6, help="with run: how many share the specs (6)")
    options = parser.parse_args()
    names = options.name.split(",") if options.name else [*ROWS, *(SPECIAL if options.device != "cpu" else ())]
    if options.mode == "build":
        build(options.directory, options.target, [name for name in names if name not in SPECIAL])
    elif options.mode == "one":
        one(options, names)
    else:
        more = ["--seed", str(options.seed), "--per-row", str(options.per_row), "--device", options.device]
        sys.exit(isolated.report(__file__, options, names, describe, options.limit, more, options.processes))


if __name__ == "__main__":
    main()
