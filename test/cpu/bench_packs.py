"""Packs on a CPU beside PyTorch's scaled_dot_product_attention: one process, rounds in random order, medians.

  bench_packs.py build DIR [--compiler heddle-compile] [--schedule rows=64,keys=128]   where the compiler is
  bench_packs.py check DIR [--runtime libheddle_rt.so]                                  where it runs
  bench_packs.py run DIR [DIR ..] [--runtime libheddle_rt.so] [--threads 1 2 16]        where it is timed

Needs no compiler where it runs: carry the directory, this file, packs.py (of test/gpu) and the runtime. Several
directories are timed beside each other, one schedule each. Every result is compared with float64 on some rows first.
FLOPs count visible pairs only: 4 * pairs * d.
"""
import argparse
import ctypes
import itertools
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "gpu")]
TOLERANCE = {"f32": 1e-5, "bf16": 1e-2}
# Batches, heads of rows and keys, rows, keys: odd lengths, grouped heads, one row, few keys, none.
SHAPES = [(1, 2, 2, 128, 128), (2, 4, 2, 200, 333), (1, 2, 1, 1, 1000), (1, 4, 1, 700, 3), (2, 2, 2, 77, 0), (1, 3, 3, 1029, 1029)]
CAUSAL = "mask(%b, %h, %i, %j) {\n %m = arith.cmpi sle, %j, %i : index\n attn.yield %m : i1\n }"


def name_of(dtype, d, mask):
    return f"{mask}_{dtype}_{d}"


def text(dtype, d, mask):
    t = f"tensor<?x?x?x{d}x{dtype}>"
    return f"""func.func @{name_of(dtype, d, mask)}(%q: {t}, %k: {t}, %v: {t}) -> {t} {{
 %scale = arith.constant {1 / math.sqrt(d)} : f32
 %o = attn.attend dot(%q, %k) value(%v) normalize @softmax score(%s, %b, %h, %i, %j) {{
 %x = arith.mulf %s, %scale : f32
 attn.yield %x : f32
 }} {CAUSAL if mask == "causal" else ""} : ({t}, {t}, {t}) -> {t}
 return %o : {t}
}}
"""


def build(options):
    directory = options.directories[0]
    directory.mkdir(parents=True, exist_ok=True)
    for case in itertools.product(options.dtype, options.width, options.mask):
        source = directory / f"{name_of(*case)}.mlir"
        source.write_text(text(*case))
        schedule = [f"--schedule={options.schedule}"] if options.schedule else []
        subprocess.run([options.compiler, source, f"--target={options.target}", *schedule, "-o", source.with_suffix(".pack")],
                       check=True)
        print(name_of(*case), flush=True)


def check_shapes(options):
    """Every shape, with scores of the usual size and with some that under- and overflow exp2, against float64."""
    import torch
    from packs import Pack

    failed = 0
    for dtype, d, mask in itertools.product(options.dtype, options.width, options.mask):
        launcher = Pack(options.runtime, options.directories[0] / f"{name_of(dtype, d, mask)}.pack").launcher
        torch_type = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        worst = 0.0
        for (b, hq, hk, t, s), factor in itertools.product(SHAPES, (1.0, 60.0)):
            torch.manual_seed(t)
            q, k, v = (torch.randn(b, h, n, d) for h, n in ((hq, t), (hk, s), (hk, s)))
            q, k, v = ((x * f).to(torch_type) for x, f in ((q, factor), (k, 1.0), (v, 1.0)))
            out = torch.full((b, hq, t, d), math.nan, dtype=torch_type)
            launcher([q, k, v, out])()
            k64, v64 = (x.double().repeat_interleave(hq // hk, 1) for x in (k, v))
            x = q.double() @ k64.transpose(-1, -2) / math.sqrt(d)
            if mask == "causal":
                x = x.masked_fill(torch.arange(s)[None] > torch.arange(t)[:, None], -math.inf)
            want = torch.softmax(x, -1) @ v64
            size = want.norm().item()
            error = (out.double() - want).norm().item() / size if size else out.double().abs().max().item()
            # Large scores carry the rounding of the products: relative to 1, not to the score.
            if not error < TOLERANCE[dtype] * (1 if factor == 1 else 30):
                failed += 1
                print(f"{name_of(dtype, d, mask)} {(b, hq, hk, t, s)} times {factor}: error {error}")
            worst = max(worst, error if factor == 1 else 0.0)
        print(f"{name_of(dtype, d, mask)}: worst error {worst:.1e}", flush=True)
    sys.exit(failed)


def check(torch, name, tensors, out, causal, tolerance):
    """Against float64 on rows spread over the heads, in the norm of all of them."""
    q, k, v = tensors
    heads, length = q.shape[1:3]
    error = total = 0.0
    for h, i in itertools.product({0, heads - 1}, torch.linspace(0, length - 1, 24).long().tolist()):
        keys = i + 1 if causal else length
        s = k[0, h, :keys].double() @ q[0, h, i].double() / math.sqrt(q.shape[3])
        want = torch.softmax(s, 0) @ v[0, h, :keys].double()
        error += (out[0, h, i].double() - want).square().sum().item()
        total += want.square().sum().item()
    error = math.sqrt(error / total)
    if not error < tolerance:
        sys.exit(f"{name}: expected an error below {tolerance}, got {error}")
    return error


def run(options):
    import torch
    from packs import Pack

    runtime = ctypes.CDLL(str(options.runtime))
    runtime.heddle_cpu_features.restype = ctypes.c_uint64
    model = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")][:1]
    print(f"{model}, {os.cpu_count()} CPUs, features {runtime.heddle_cpu_features():#x}, torch {torch.__version__}, "
          f"T = {options.length}, H = {options.heads}; GFLOP/s, and how often PyTorch's", flush=True)
    report = []
    for dtype, d, mask in itertools.product(options.dtype, options.width, options.mask):
        torch_type = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        causal = mask == "causal"
        torch.manual_seed(d)
        tensors = [torch.randn(1, options.heads, options.length, d).to(torch_type) for _ in range(3)]
        candidates, worst = {}, 0.0
        for directory in options.directories:
            out = torch.full_like(tensors[0], math.nan)
            candidates[directory.name] = Pack(options.runtime, directory / f"{name_of(dtype, d, mask)}.pack").launcher(
                [*tensors, out])
            candidates[directory.name]()
            worst = max(worst, check(torch, directory.name, tensors, out, causal, TOLERANCE[dtype]))
        candidates["torch"] = lambda: torch.nn.functional.scaled_dot_product_attention(*tensors, is_causal=causal)
        pairs = options.length * (options.length + 1) // 2 if causal else options.length**2
        work = 4 * options.heads * pairs * d / 1e9
        for threads in options.threads:
            runtime.heddle_set_num_threads(threads)
            torch.set_num_threads(threads)
            rates = {name: [] for name in candidates}
            for call in candidates.values():
                call()
            for _ in range(options.rounds):
                for name in random.sample(list(candidates), len(candidates)):
                    time.sleep(0.05)  # threads of the one before may still spin
                    call = candidates[name]
                    start = time.perf_counter()
                    call()
                    rates[name].append(work / (time.perf_counter() - start))
            median = {name: statistics.median(rate) for name, rate in rates.items()}
            line = f"{dtype:4s} d={d:<3d} {mask:6s} {threads:2d} threads, error {worst:.1e}: torch {median.pop('torch'):.0f}"
            theirs = statistics.median(rates["torch"])
            line += "".join(f" | {name} {rate:.0f} = {rate / theirs:.2f}" for name, rate in median.items())
            print(line, flush=True)
            report.append(line)
    if os.environ.get("OUT"):
        pathlib.Path(os.environ["OUT"], "bench_packs.txt").write_text("\n".join(report) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["build", "check", "run"])
    parser.add_argument("directories", type=pathlib.Path, nargs="+")
    parser.add_argument("--compiler", default="heddle-compile")
    parser.add_argument("--target", default="cpu:amx,cpu:avx512,cpu:avx2")
    parser.add_argument("--schedule", help="instead of the chooser's, as heddle-compile takes it")
    parser.add_argument("--runtime", type=pathlib.Path, default=pathlib.Path("build/runtime/libheddle_rt.so"))
    parser.add_argument("--dtype", nargs="+", default=["f32", "bf16"], choices=["f32", "bf16"])
    parser.add_argument("--width", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--mask", nargs="+", default=["full", "causal"], choices=["full", "causal"])
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    given.runtime = given.runtime.resolve()
    {"build": build, "check": check_shapes, "run": run}[given.mode](given)
