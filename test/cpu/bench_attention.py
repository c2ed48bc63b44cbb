"""Time attention kernels against PyTorch's CPU scaled_dot_product_attention, interleaved, medians.

    python test/cpu/bench_attention.py --d 64 128 --dtype f32 bf16 --rows 128 --keys 64

The kernels come from `attn-to-tile` of this build (or, with --by-hand, from attention.py) through `tile-to-llvm-cpu`
and clang. One thread is timed by its own clock, so that a busy machine disturbs less; more by the wall clock.
"""
import argparse
import ctypes
import itertools
import threading
import time

import ml_dtypes
import numpy as np
import torch
from attention import attention
from compile_tile import build, lower, slots_of

NUMPY = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}
TORCH = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
PASSES = ("attn-link-prelude,verify-attn,attn-to-tile{{split-keys=false rows={rows} keys={keys}}},"
          "canonicalize,cse,tile-sink-scale,tile-to-base-2,canonicalize,cse")


def spec(d, dtype, causal):
    tensor = f"tensor<?x?x?x{d}x{dtype}>"
    mask = """mask(%b, %h, %i, %j) {
      %m = arith.cmpi sle, %j, %i : index
      attn.yield %m : i1
    }""" if causal else ""
    return f"""func.func @sdpa(%q: {tensor}, %k: {tensor}, %v: {tensor}, %scale: f32) -> {tensor} {{
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax
    score(%s, %b, %h, %i, %j) {{
      %x = arith.mulf %s, %scale : f32
      attn.yield %x : f32
    }} {mask} : ({tensor}, {tensor}, {tensor}) -> {tensor}
  return %o : {tensor}
}}
"""


def kernel(args, d, dtype, causal):
    if args.by_hand:
        return build(attention(args.rows, args.keys, d, dtype=dtype, causal=causal), args.level).attend
    passes = PASSES.format(rows=args.rows, keys=args.keys)
    return build(lower(spec(d, dtype, causal), passes), args.level).sdpa_0


def time_case(args, d, dtype, causal):
    function = kernel(args, d, dtype, causal)
    function.argtypes, function.restype = [ctypes.c_void_p] + [ctypes.c_int64] * 3, None
    torch.set_num_threads(args.threads)
    tensors = [torch.randn(1, args.heads, args.length, d).to(TORCH[dtype]) for _ in range(3)]
    arrays = [t.view(torch.int16).numpy().view(NUMPY[dtype]) if dtype == "bf16" else t.numpy() for t in tensors]
    out, lse = np.zeros_like(arrays[0]), np.zeros((1, args.heads, args.length), np.float32)
    scale = np.float32(d**-0.5)
    slots = slots_of(*arrays, out, lse, scale) if args.by_hand else slots_of(*arrays, scale, out)
    blocks = list(itertools.product(range(-(-args.length // args.rows)), range(args.heads)))

    def ours():
        todo, lock = iter(blocks), threading.Lock()

        def work():
            while True:
                with lock:
                    block = next(todo, None)
                if block is None:
                    return
                function(slots, block[0], block[1], 0)

        workers = [threading.Thread(target=work) for _ in range(args.threads - 1)]
        for worker in workers:
            worker.start()
        work()
        for worker in workers:
            worker.join()

    theirs = lambda: torch.nn.functional.scaled_dot_product_attention(*tensors, is_causal=causal)
    ours()
    error = np.abs(out.astype(np.float32) - theirs().float().numpy()).max()
    clock = time.thread_time if args.threads == 1 else time.perf_counter
    work = 4 * args.heads * args.length**2 * d * (0.5 if causal else 1) / 1e9
    rates = {ours: [], theirs: []}
    for _ in range(args.rounds):
        for run in rates:
            start = clock()
            run()
            rates[run].append(work / (clock() - start))
    a, b = np.median(rates[ours]), np.median(rates[theirs])
    print(f"{dtype:5s} d={d:<4d} {'causal' if causal else 'full':7s} {a:8.1f} GFLOP/s, torch {b:8.1f}, ratio {a / b:.2f}, "
          f"difference {error:.1e}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--d", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--dtype", nargs="+", default=["f32"], choices=NUMPY)
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--heads", type=int, default=2)
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--keys", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--level", default="avx2", help="features to compile for: avx2, avx512, amx")
    parser.add_argument("--by-hand", action="store_true", help="time attention.py's program instead of attn-to-tile's")
    given = parser.parse_args()
    for dtype, d, causal in itertools.product(given.dtype, given.d, (False, True)):
        time_case(given, d, dtype, causal)
