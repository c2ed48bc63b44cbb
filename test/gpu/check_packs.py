"""Run whole packs on a GPU through the runtime's C interface and compare with torch: check_packs.py FOLDER [--time].

`check_packs.py FOLDER --build` makes FOLDER/NAME.pack for the names below, with heddle-compile, from test/python/attn_text.py; to run
them, put libheddle_rt.so beside them. Covers what single kernels do not: the plan, the split over keys, the variants by alignment. A
process and a watchdog for each pack.
"""

import json
import math
import os
import pathlib
import sys
import time

import torch

import isolated
from packs import Pack

TOLERANCE = {torch.bfloat16: 5e-3, torch.float16: 1e-3, torch.float32: 1e-5}
BF16, F16, F32 = torch.bfloat16, torch.float16, torch.float32
# dtype, width, value width, mask, score, heads (0: any), outputs beside the result
SPECS = {
    "bf16_64": (BF16, 64, 64, "full", "scaled", 0, 0),
    "bf16_128_below_diagonal": (BF16, 128, 128, "below_diagonal", "scaled", 0, 1),
    "bf16_128_grouped_band": (BF16, 128, 128, "band", "scaled", 32, 0),
    "f16_96_segments": (F16, 96, 96, "segments", "scaled", 0, 0),
    "bf16_192_to_128": (BF16, 192, 128, "below_diagonal", "scaled", 0, 0),
    "bf16_256": (BF16, 256, 256, "full", "scaled", 0, 0),
    "bf16_64_capped": (BF16, 64, 64, "full", "capped", 0, 0),
    "f32_32_biased": (F32, 32, 32, "below_diagonal", "biased", 0, 0),
    "f32_128": (F32, 128, 128, "full", "scaled", 0, 0),
}
# batch, heads, key heads, queries, keys, layout
SHAPES = [(2, 4, 2, 333, 333, "bthd"), (1, 4, 4, 256, 256, "odd"), (1, 4, 1, 5, 3000, "bhtd"), (2, 2, 2, 100, 1, "bhtd")]


def reference(spec, q, k, v, scale, band, table):
    dtype, width, value, mask, score, _, _ = SPECS[spec]
    heads = q.shape[1]
    k, v = (x.repeat_interleave(heads // x.shape[1], 1).double() for x in (k, v))
    s = (q.double() @ k.transpose(-1, -2)) * scale
    i, j = torch.arange(q.shape[2], device="cuda")[:, None], torch.arange(k.shape[2], device="cuda")[None]
    if score == "biased":
        s = s + scale * (j - i)
    if score == "capped":
        s = torch.tanh(s / 30) * 30
    visible = {"full": i >= 0, "below_diagonal": j <= i, "band": (j <= i) & (j + band > i),
               "segments": table[:q.shape[2], None] == table[None, :k.shape[2]]}[mask]
    s = s.masked_fill(~visible, -math.inf)
    sums = torch.logsumexp(s, -1)
    return torch.where(sums[..., None].isinf(), 0, s.softmax(-1).nan_to_num() @ v), sums


def error(found, expected):
    if not torch.isfinite(found).all():
        return math.inf
    return float((found.double() - expected).norm() / expected.norm().clamp_min(1e-30))


def check(pack, spec):
    dtype, width, value, mask, score, heads, extra = SPECS[spec]
    good, details = True, []
    for batch, rows, keys_heads, queries, keys, layout in SHAPES:
        if heads:
            rows, keys_heads = 32, 8

        def make(count, length, size):
            if layout == "bthd":
                return torch.randn(batch, length, count, size, device="cuda", dtype=dtype).transpose(1, 2)
            if layout == "odd":
                return torch.randn(batch, count, length, size + 1, device="cuda", dtype=dtype)[..., 1:]
            return torch.randn(batch, count, length, size, device="cuda", dtype=dtype)
        torch.manual_seed(7)
        q, k, v = make(rows, queries, width), make(keys_heads, keys, width), make(keys_heads, keys, value)
        out, lse = make(rows, queries, value).fill_(math.nan), torch.full((batch, rows, queries), math.nan, device="cuda")
        table = (torch.arange(max(queries, keys), device="cuda") // 70).int()
        run = pack.launcher([q, k, v, width**-0.5, 50, 0, table, out, *[lse][:extra]])
        run()
        torch.cuda.synchronize()
        first = out.clone()
        run()
        torch.cuda.synchronize()
        expected, sums = reference(spec, q, k, v, width**-0.5, 50, table)
        found = {"shape": [batch, rows, keys_heads, queries, keys, layout], "error": error(out, expected),
                 "same": bool(torch.equal(first, out)), "workspace": run.workspace}
        if extra:
            found["lse"] = error(lse, sums)
            good &= found["lse"] < 1e-5
        good &= found["error"] < TOLERANCE[dtype] and found["same"]
        details.append(found)
    return good, details


def measure(pack, spec, length=8192, rounds=5):
    dtype, width, value, mask, score, heads, extra = SPECS[spec]
    batch, count = max(1, 16384 // length), heads or 16
    q, k, v = (torch.randn(batch, count, length, w, device="cuda", dtype=dtype) for w in (width, width, value))
    if heads:
        k, v = k[:, :8].contiguous(), v[:, :8].contiguous()
    out, lse = torch.empty(batch, count, length, value, device="cuda", dtype=dtype), torch.empty(batch, count, length, device="cuda")
    table = torch.zeros(length, dtype=torch.int32, device="cuda")
    run = pack.launcher([q, k, v, width**-0.5, 1024, 0, table, out, *[lse][:extra]])
    work = 2 * batch * count * length * length * (width + value) / (2 if mask == "below_diagonal" else 1)
    run()
    torch.cuda.synchronize()
    rates = []
    for _ in range(rounds):
        time.sleep(0.1)
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(4):
            run()
        end.record()
        torch.cuda.synchronize()
        rates.append(work * 4 / begin.elapsed_time(end) / 1e9)
    return {"length": length, "tflops": round(sorted(rates)[rounds // 2], 1)}


def build(folder):
    import matrix
    sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "python"))
    import attn_text
    names = {torch.bfloat16: "bf16", torch.float16: "f16", torch.float32: "f32"}
    texts = {name: attn_text.attend(dtype=names[dtype], width=width, value_width=value, mask=mask, score=score, heads=heads or "?",
                                    key_heads=8 if heads else "?", stats=("lse",)[:extra])
             for name, (dtype, width, value, mask, score, heads, extra) in SPECS.items()}
    matrix.build(pathlib.Path(folder), "heddle-compile", "sm_90a", texts)


def run_one(folder, name, timed):
    pack = Pack(os.path.join(folder, "libheddle_rt.so"), os.path.join(folder, name + ".pack"))
    good, details = check(pack, name)
    print(("ok   " if good else "FAIL ") + name, json.dumps(details), flush=True)
    if timed and SPECS[name][3] in ("full", "below_diagonal"):
        print("time", name, json.dumps(measure(pack, name)), flush=True)
    return good


def names(folder):
    return [name for name in SPECS if os.path.exists(os.path.join(folder, name + ".pack"))]


if __name__ == "__main__":
    if "--build" in sys.argv:
        sys.exit(build(sys.argv[1]))
    isolated.main(__file__, names, run_one, 40)
