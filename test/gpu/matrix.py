"""The specs of python/heddle/bench/rows.py on a GPU: correct against float64, then timed beside PyTorch.

  matrix.py build DIR [--compiler heddle-compile]   here, with the Python package: compile every spec to DIR/<name>.pack
  matrix.py run DIR --runtime libheddle_rt.so       on the device: check, time, print tables (and write them to $OUT)
  matrix.py run DIR --flex --name SPECS             the same with FlexAttention as a rival, whose compilation takes minutes

They run in a process under a watchdog, because a wrong barrier hangs; what ends it costs one spec. Outputs are poisoned with NaN.
FLOPs count visible pairs only: 2 * pairs * (d + e). A spec that changes a plain one is timed beside that one.
"""
import argparse
import faulthandler
import json
import math
import pathlib
import subprocess
import sys

import isolated

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "python/heddle/bench"))
import rows  # noqa: E402
import timing  # noqa: E402

TOLERANCE = {"f32": 1e-5, "f16": 2e-3, "bf16": 1e-2}
TORCH_NAMES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}
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


class Bench:
    """Packs of a folder, run on PyTorch's tensors."""

    def __init__(self, directory, runtime, device, name):
        import torch
        self.torch, self.directory, self.runtime, self.device = torch, directory, runtime, device
        self.name, self.row = name, rows.ROWS[name]
        self.generator = torch.Generator(device).manual_seed(len(name))

    def synchronize(self):
        if self.device != "cpu":
            self.torch.cuda.synchronize()

    def launcher(self, name, arguments):
        from packs import Pack
        return Pack(self.runtime, self.directory / f"{name}.pack").launcher(arguments)

    def draw(self, batch, heads, key_heads, length, keys):
        """(q, k, v, what the spec reads)."""
        draw = rows.Draw(self.torch, self.generator, batch, heads, length, keys, self.device)
        sizes = ((heads, length, self.row.d), (key_heads, keys, self.row.d), (key_heads, keys, self.row.e))
        return *(draw.normal(batch, *size, dtype=TORCH_NAMES[self.row.dtype]) for size in sizes), list(self.row.change.values(draw))

    def error(self, got, want):
        scale = want.norm().item()
        return (got.double() - want).norm().item() / scale if scale else got.double().abs().max().item() if got.numel() else 0.0

    def check(self, shape):
        """[shape, error, whether four launches agree bit by bit, whether all is well]."""
        q, k, v, values = self.draw(*shape)
        o = self.torch.full((*q.shape[:3], v.shape[3]), math.nan, dtype=q.dtype, device=self.device)
        run, results = self.launcher(self.name, [q, k, v, *values, o]), []
        for _ in range(4):
            o.fill_(math.nan)
            run()
            self.synchronize()
            results.append(o.clone())
        same = all(bool((result == results[0]).all()) for result in results[1:])
        error = self.error(results[0], rows.reference(self.torch, self.row, q, k, v, values))
        return [list(shape), error, same, error < TOLERANCE[self.row.dtype] and same]

    def time(self, length, with_flex):
        """([shape, error on some rows, True, whether it is small], {candidate: [ms, TFLOP/s]}) of sequences of this length."""
        torch, row, batch = self.torch, self.row, max(1, rows.TOKENS // length)
        q, k, v, values = self.draw(batch, row.heads, row.heads, length, length)
        o = torch.full_like(v, math.nan)
        calls = {"heddle": self.launcher(self.name, [q, k, v, *values, o])}
        flops = 2.0 * batch * row.heads * (row.d + row.e)
        work = {"heddle": flops * rows.visible_pairs(torch, row, values, length, self.device)}
        calls["heddle"]()
        some = torch.randint(length, (16,), generator=self.generator, device=self.device)
        error = self.error(o[:, :, some], rows.reference(torch, row, q, k, v, values, some))
        if row.is_plain and self.device != "cpu":
            calls |= sdpa(torch, q, k, v, row.change is rows.CAUSAL)
        if row.plain:
            other = rows.ROWS[row.plain]
            calls["plain"] = self.launcher(row.plain, [q, k, v, torch.empty_like(v)])
            work["plain"] = flops * rows.visible_pairs(torch, other, [], length, self.device)
        if with_flex and row.normalizer == "softmax":
            calls["flex"] = flex(torch, q, k, v, length, *rows.modifiers(torch, row, values))
        times = timing.rates(torch, calls, {name: work.get(name, work["heddle"]) for name in calls}, self.device)
        return [[batch, row.heads, row.heads, length, length], error, True, error < TOLERANCE[row.dtype]], times


def sdpa(torch, q, k, v, causal):
    from torch.nn.attention import SDPBackend, sdpa_kernel

    def through(backend):
        def call():
            with sdpa_kernel(backend):
                torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return call
    return {"fa2": through(SDPBackend.FLASH_ATTENTION), "cudnn": through(SDPBackend.CUDNN_ATTENTION)}


def flex(torch, q, k, v, length, mask_mod, score_mod):
    """FlexAttention, compiled; its block mask is made without a compiler."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention
    blocks = None
    if mask_mod is not None:
        blocks = create_block_mask(mask_mod, q.shape[0], None, length, length, device=q.device)
        print("block mask made", file=sys.stderr, flush=True)
    torch.compiler.reset()  # what one process compiles is limited; beyond it runs uncompiled
    compiled = torch.compile(flex_attention, dynamic=False)

    def call():
        with torch.no_grad():
            return compiled(q, k, v, score_mod=score_mod, block_mask=blocks)
    return call


def one(options, name):
    if options.limit > 20:  # where it hangs, if it does
        faulthandler.dump_traceback_later(options.limit - 10, exit=True)
    bench = Bench(options.directory, options.runtime, options.device, name)
    result = {"name": name, "errors": [bench.check(shape) for shape in (SHAPES[:3] if options.check_only else SHAPES)], "timed": {}}
    for length in () if options.check_only else bench.row.lengths:
        checked, result["timed"][length] = bench.time(length, options.flex)
        result["errors"].append(checked)
    print(json.dumps(result), flush=True)


def describe(result):
    text = f", worst error {max(entry[1] for entry in result['errors']):.1e}"
    for length, rivals in result["timed"].items():
        text += f"\n  {length:>6}:" + "".join(f" {rival} {ms:.3f} ms {rate:.0f} TFLOP/s |" for rival, (ms, rate) in rivals.items())
        own = rivals["heddle"][1]
        text += "".join(f" {own / rate:.2f} of {name}" for name, (_, rate) in rivals.items() if name != "heddle")
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["build", "run", "one"])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--compiler", default="heddle-compile")
    parser.add_argument("--target", default="sm_90a")
    parser.add_argument("--runtime", default="build/runtime/libheddle_rt.so")
    parser.add_argument("--device", default="cuda", help="cpu: to try the script itself, with packs for --target=cpu")
    parser.add_argument("--name", help="specs, separated by commas (all)")
    parser.add_argument("--flex", action="store_true", help="FlexAttention as a rival, where weights are those of softmax")
    parser.add_argument("--limit", type=int, default=120, help="seconds of a spec")
    parser.add_argument("--check-only", action="store_true", help="with one: three shapes, no timing (for compute-sanitizer)")
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
