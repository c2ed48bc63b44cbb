"""The matrix of specs on a GPU: correct against float64, then timed beside PyTorch.

  matrix.py build DIR [--compiler heddle-compile]   here: compile every spec to DIR/<name>.pack
  matrix.py run DIR --runtime libheddle_rt.so       on the device: check, time, print tables (and write them to $OUT)

Each spec runs in a process of its own under a watchdog, because a wrong barrier hangs. Outputs are poisoned with NaN.
FLOPs count visible pairs only: 2 * pairs * (d + e).
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys

import isolated

TOLERANCE = {"f32": 1e-5, "f16": 2e-3, "bf16": 1e-2}
CAUSAL = "%m = arith.cmpi sle, %j, %i : index\n attn.yield %m : i1"
WINDOW = """%m = arith.cmpi sle, %j, %i : index
 %lo = arith.subi %i, %w : index
 %n = arith.cmpi sgt, %j, %lo : index
 %y = arith.andi %m, %n : i1
 attn.yield %y : i1"""
DOCUMENTS = """%a = tensor.extract %doc[%b, %i] : tensor<?x?xi32>
 %c = tensor.extract %doc[%b, %j] : tensor<?x?xi32>
 %e = arith.cmpi eq, %a, %c : i32
 %m = arith.cmpi sle, %j, %i : index
 %y = arith.andi %e, %m : i1
 attn.yield %y : i1"""
BLOCKS = """%c128 = arith.constant 128 : index
 %ib = arith.floordivsi %i, %c128 : index
 %jb = arith.floordivsi %j, %c128 : index
 %s = tensor.extract %seen[%ib, %jb] : tensor<?x?xi32>
 %c0 = arith.constant 0 : i32
 %y = arith.cmpi ne, %s, %c0 : i32
 attn.yield %y : i1"""
SLOPES = """%x = arith.mulf %s, %scale : f32
 %a = tensor.extract %slope[%h] : tensor<?xf32>
 %d = arith.subi %j, %i : index
 %n = arith.index_cast %d : index to i32
 %f = arith.sitofp %n : i32 to f32
 %y = math.fma %a, %f, %x : f32
 attn.yield %y : f32"""
SCALE = "%y = arith.mulf %s, %scale : f32\n attn.yield %y : f32"

# name: (dtype, d, e, mask, score, normalizer, extra arguments)
SPECS = {
    "full_bf16_128": ("bf16", 128, 128, None, SCALE, "softmax", ""),
    "causal_bf16_128": ("bf16", 128, 128, CAUSAL, SCALE, "softmax", ""),
    "full_bf16_64": ("bf16", 64, 64, None, SCALE, "softmax", ""),
    "causal_bf16_64": ("bf16", 64, 64, CAUSAL, SCALE, "softmax", ""),
    "causal_bf16_256": ("bf16", 256, 256, CAUSAL, SCALE, "softmax", ""),
    "causal_f16_64": ("f16", 64, 64, CAUSAL, SCALE, "softmax", ""),
    "causal_f32_64": ("f32", 64, 64, CAUSAL, SCALE, "softmax", ""),
    "full_bf16_8_24": ("bf16", 8, 24, None, SCALE, "softmax", ""),
    "causal_bf16_80_96": ("bf16", 80, 96, CAUSAL, SCALE, "softmax", ""),
    "causal_bf16_80": ("bf16", 80, 80, CAUSAL, SCALE, "softmax", ""),
    "causal_bf16_96": ("bf16", 96, 96, CAUSAL, SCALE, "softmax", ""),
    "full_bf16_512": ("bf16", 512, 512, None, SCALE, "softmax", ""),
    "causal_bf16_192_128": ("bf16", 192, 128, CAUSAL, SCALE, "softmax", ""),
    "full_bf16_256": ("bf16", 256, 256, None, SCALE, "softmax", ""),
    "window_bf16_128": ("bf16", 128, 128, WINDOW, SCALE, "softmax", ", %w: index"),
    "documents_bf16_128": ("bf16", 128, 128, DOCUMENTS, SCALE, "softmax", ", %doc: tensor<?x?xi32>"),
    "blocks_bf16_128": ("bf16", 128, 128, BLOCKS, SCALE, "softmax", ", %seen: tensor<?x?xi32>"),
    "slopes_bf16_128": ("bf16", 128, 128, CAUSAL, SLOPES, "softmax", ", %slope: tensor<?xf32>"),
    "sigmoid_bf16_128": ("bf16", 128, 128, CAUSAL, SCALE, "sigmoid", ""),
}
# Few heads, odd lengths, grouped heads, one row, no key, split keys.
SHAPES = [(1, 2, 2, 128, 128), (2, 4, 2, 200, 333), (1, 2, 1, 1, 1000), (1, 1, 1, 3, 5000), (2, 2, 2, 77, 0), (1, 3, 3, 1029, 1029)]
# name: (heads, sequence lengths; 16384 tokens in all)
TIMED = {"full_bf16_128": (16, [2048, 4096, 8192, 16384]), "causal_bf16_128": (16, [2048, 4096, 8192, 16384]),
         "full_bf16_64": (32, [4096, 16384]), "causal_bf16_64": (32, [4096, 16384]),
         "full_bf16_256": (8, [4096, 16384]), "causal_bf16_256": (8, [4096, 16384]),
         "causal_bf16_80": (16, [8192]), "causal_bf16_96": (16, [8192]), "full_bf16_512": (4, [8192]),
         "causal_bf16_192_128": (16, [8192]), "window_bf16_128": (16, [16384]), "documents_bf16_128": (16, [16384]),
         "blocks_bf16_128": (16, [16384]), "slopes_bf16_128": (16, [8192]), "sigmoid_bf16_128": (16, [8192])}


def text(name):
    dtype, d, e, mask, score, normalizer, extra = SPECS[name]
    q, v = f"tensor<?x?x?x{d}x{dtype}>", f"tensor<?x?x?x{e}x{dtype}>"
    body = f"\n mask(%b, %h, %i, %j) {{\n {mask}\n }}" if mask else ""
    return f"""func.func @{name}(%q: {q}, %k: {q}, %v: {v}{extra}) -> {v} {{
 %scale = arith.constant {1 / math.sqrt(d)} : f32
 %o = attn.attend dot(%q, %k) value(%v) normalize @{normalizer} score(%s, %b, %h, %i, %j) {{
 {score}
 }}{body} : ({q}, {q}, {v}) -> {v}
 return %o : {v}
}}
"""


def build(directory, compiler, target, names):
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        source = directory / f"{name}.mlir"
        source.write_text(text(name))
        subprocess.run([compiler, source, f"--target={target}", "-o", directory / f"{name}.pack"], check=True)
        print(name, flush=True)


def one(directory, runtime, name, check_only=False, with_flex=False):
    import torch
    from packs import Pack

    launcher = Pack(runtime, directory / f"{name}.pack").launcher
    dtype, d, e, mask, score, normalizer, extra = SPECS[name]
    torch_type = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[dtype]
    generator = torch.Generator(device="cuda").manual_seed(len(name))

    def random(*shape):
        return torch.randn(*shape, generator=generator, device="cuda", dtype=torch.float32).to(torch_type)

    def extras(b, h, t, s):
        if "%w" in extra:
            return [1024 if t > 4096 else 50]
        if "%doc" in extra:
            count = 16 if t > 4096 else 4
            width = max(t, s)
            ids = (torch.arange(width, device="cuda") * count // max(width, 1)).to(torch.int32)
            return [ids.expand(b, width).contiguous()]
        if "%seen" in extra:
            return [(torch.rand((t + 127) // 128, max((s + 127) // 128, 1), generator=generator, device="cuda") < 0.1).to(torch.int32)]
        if "%slope" in extra:
            return [2.0 ** -torch.arange(1, h + 1, device="cuda", dtype=torch.float32)]
        return []

    def visible(b, t, s, more):
        i, j = torch.arange(t, device="cuda")[:, None], torch.arange(s, device="cuda")[None]
        if mask is None:
            return torch.ones(1, t, s, dtype=torch.bool, device="cuda")
        if mask is CAUSAL:
            return (j <= i)[None]
        if mask is WINDOW:
            return ((j <= i) & (j > i - more[0]))[None]
        if mask is DOCUMENTS:
            return (more[0][:, :t, None] == more[0][:, None, :s]) & (j <= i)
        return (more[0][i // 128, j // 128] != 0)[None]

    result = {"name": name, "errors": []}
    for b, hq, hk, t, s in SHAPES[:3] if check_only else SHAPES:
        q, k, v = random(b, hq, t, d), random(b, hk, s, d), random(b, hk, s, e)
        o = torch.full((b, hq, t, e), math.nan, dtype=torch_type, device="cuda")
        more = extras(b, hq, t, s)
        run = launcher([q, k, v] + more + [o])
        run()
        torch.cuda.synchronize()
        first = o.clone()
        same = True
        for _ in range(3):
            o.fill_(math.nan)
            run()
            torch.cuda.synchronize()
            same &= bool((o == first).all())
        k64, v64 = (x.double().repeat_interleave(hq // hk, 1) for x in (k, v))
        x = q.double() @ k64.transpose(-1, -2) / math.sqrt(d)
        if score is SLOPES:
            x = x + more[0].double()[None, :, None, None] * (torch.arange(s, device="cuda")[None] - torch.arange(t, device="cuda")[:, None])
        seen = visible(b, t, s, more)[:, None]
        if normalizer == "softmax":
            w = torch.softmax(x.masked_fill(~seen, -math.inf), -1).nan_to_num(0.0) if s else x
        else:
            w = torch.sigmoid(x).masked_fill(~seen, 0.0)
        want = w @ v64
        scale = want.norm().item()
        error = (o.double() - want).norm().item() / scale if scale else o.double().abs().max().item()
        ok = error < TOLERANCE[dtype] and same
        result["errors"].append([list((b, hq, hk, t, s)), error, same, ok])

    heads, lengths = TIMED.get(name, (0, [])) if not check_only else (0, [])
    result["timed"] = {}
    for length in lengths:
        batch = max(1, 16384 // length)
        q, k, v = (random(batch, heads, length, width) for width in (d, d, e))
        o, more = torch.empty_like(v), extras(batch, heads, length, length)
        candidates = {"heddle": launcher([q, k, v] + more + [o])}
        pairs = sum(int(visible(1, length, length, [m[:1] if m.dim() == 2 and "%doc" in extra else m for m in more if not isinstance(m, int)] or more)[0, a:a + 1024].sum()) for a in range(0, length, 1024)) if mask is not None else length * length
        from torch.nn.attention import SDPBackend, sdpa_kernel
        if mask in (None, CAUSAL) and score is SCALE and normalizer == "softmax":
            def sdpa(backend):
                def call():
                    with sdpa_kernel(backend):
                        torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=mask is CAUSAL)
                return call
            candidates["fa2"] = sdpa(SDPBackend.FLASH_ATTENTION)
            candidates["cudnn"] = sdpa(SDPBackend.CUDNN_ATTENTION)
        if with_flex and (flex_mod := flex_modifiers(mask, score, more)):
            candidates["flex"] = flex(torch, q, k, v, length, *flex_mod)
        result["timed"][length] = time_all(torch, candidates, 2.0 * pairs * batch * heads * (d + e))
    print(json.dumps(result))


def flex_modifiers(mask, score, more):
    """(mask_mod, score_mod) of FlexAttention for the specs that are not plain; None for those that are."""
    causal = lambda b, h, i, j: i >= j  # noqa: E731
    if mask is WINDOW:
        return (lambda b, h, i, j: (i >= j) & (i - j < more[0])), None
    if mask is DOCUMENTS:
        return (lambda b, h, i, j: (i >= j) & (more[0][b, i] == more[0][b, j])), None
    if mask is BLOCKS:
        return (lambda b, h, i, j: more[0][i // 128, j // 128] != 0), None
    if score is SLOPES:
        return causal, (lambda s, b, h, i, j: s + more[0][h] * (j - i))
    return None


def flex(torch, q, k, v, length, mask_mod, score_mod):
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention
    compiled = torch.compile(flex_attention, dynamic=False)
    blocks = torch.compile(create_block_mask)(mask_mod, q.shape[0], None, length, length, device="cuda")
    return lambda: compiled(q, k, v, score_mod=score_mod, block_mask=blocks)


def time_all(torch, candidates, flops, rounds=5):
    """Medians over rounds in random order, each burst after a pause (clocks and heat even out)."""
    import random
    import statistics
    import time
    times = {name: [] for name in candidates}
    for name, call in list(candidates.items()):
        try:
            call()
            torch.cuda.synchronize()
        except RuntimeError as error:
            print(f"{name}: {error}", file=sys.stderr)
            del candidates[name], times[name]
    warm = {}
    for name, call in candidates.items():
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        warm[name] = start.elapsed_time(end)
    for _ in range(rounds):
        for name in random.sample(list(candidates), len(candidates)):
            time.sleep(0.1)
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            repeats = max(1, round(15 / warm[name]))
            for _ in range(repeats):
                candidates[name]()
            end.record()
            torch.cuda.synchronize()
            times[name].append(start.elapsed_time(end) / repeats)
    return {name: [statistics.median(t), flops / statistics.median(t) / 1e9] for name, t in times.items()}


def describe(result):
    text = f", worst error {max(entry[1] for entry in result['errors']):.1e}"
    for length, rivals in result["timed"].items():
        text += f"\n  {length:>6}:" + "".join(f" {rival} {ms:.3f} ms {rate:.0f} TFLOP/s |" for rival, (ms, rate) in rivals.items())
    return text


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["build", "run", "one"])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--compiler", default="heddle-compile")
    parser.add_argument("--target", default="sm_90a")
    parser.add_argument("--runtime", default="build/runtime/libheddle_rt.so")
    parser.add_argument("--name", help="specs, separated by commas (all)")
    parser.add_argument("--flex", action="store_true", help="with one: FlexAttention as a rival, where the spec is not plain (its compilation may take minutes)")
    parser.add_argument("--check-only", action="store_true", help="with one: three shapes, no timing (for compute-sanitizer)")
    options = parser.parse_args()
    if options.mode == "build":
        build(options.directory, options.compiler, options.target, options.name.split(",") if options.name else list(SPECS))
    elif options.mode == "one":
        one(options.directory, options.runtime, options.name, options.check_only, options.flex)
    else:
        sys.exit(isolated.report(__file__, options, options.name.split(",") if options.name else list(SPECS), describe, 120))
