"""Run compiled kernels on a GPU and compare them with torch: python check_kernels.py FOLDER [--time].

FOLDER holds cubins and kernels.json, made by build_kernels.py. Every kernel runs in a process of its own under a watchdog,
because a barrier mistake hangs rather than fails. Outputs are poisoned with NaN; launches must agree bit by bit.
"""

import ctypes
import json
import math
import os
import time

import torch

import isolated

DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}
TOLERANCE = {"bf16": 5e-3, "f16": 1e-3, "f32": 1e-5}  # relative Frobenius


class Kernel:
    """A kernel of a cubin; arguments are tensors, ints and floats, flattened into 64-bit slots."""

    def __init__(self, folder, record):
        self.cuda = ctypes.CDLL("libcuda.so.1")
        torch.zeros(1, device="cuda")
        module, self.function = ctypes.c_void_p(), ctypes.c_void_p()
        with open(os.path.join(folder, record["cubin"]), "rb") as file:
            self.check(self.cuda.cuModuleLoadData(ctypes.byref(module), file.read()), "load")
        symbol = record["symbol"].encode()
        self.check(self.cuda.cuModuleGetFunction(ctypes.byref(self.function), module, symbol), "find")
        self.threads, self.shared = record["threads"], record["shared"]
        if self.shared > 48 * 1024:  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            self.check(self.cuda.cuFuncSetAttribute(self.function, 8, self.shared), "shared memory")

    @staticmethod
    def check(status, what):
        if status:
            raise RuntimeError(f"expected the driver to {what}, got error {status}")

    @staticmethod
    def slots(arguments):
        for argument in arguments:
            if isinstance(argument, torch.Tensor):
                yield ctypes.c_int64(argument.data_ptr())
                yield from map(ctypes.c_int64, argument.shape)
                yield from map(ctypes.c_int64, argument.stride())
            elif isinstance(argument, float):
                yield ctypes.c_int64(ctypes.c_uint32.from_buffer(ctypes.c_float(argument)).value)
            else:
                yield ctypes.c_int64(argument)

    def bind(self, grid, *arguments):
        slots = list(self.slots(arguments))
        pointers = (ctypes.c_void_p * len(slots))(*(ctypes.addressof(slot) for slot in slots))
        grid = list(grid) + [1] * (3 - len(grid))

        def launch():
            stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
            self.check(
                self.cuda.cuLaunchKernel(self.function, *grid, self.threads, 1, 1, self.shared, stream, pointers, None),
                "launch")
            return slots
        return launch


def error(found, expected):
    found, expected = found.double(), expected.double()
    if not torch.isfinite(found).all():
        return math.inf
    return float((found - expected).norm() / max(expected.norm(), 1e-30))


def reference_attend(q, k, v, causal, scale):
    """float32 softmax of the rows in the middle of the score matrix, and the base-2 log of the sums."""
    heads = q.shape[1]
    k, v = (x.repeat_interleave(heads // x.shape[1], 1).float() for x in (k, v))
    scores = (q.double() @ k.double().transpose(-1, -2)) * scale
    if causal:
        rows = torch.arange(q.shape[2], device=q.device)[:, None]
        scores = scores.masked_fill(torch.arange(k.shape[2], device=q.device)[None] > rows, -math.inf)
    return (scores.softmax(-1) @ v.double()), torch.logsumexp(scores, -1) / math.log(2)


def check_attend(kernel, case):
    dtype, width, value = DTYPES[case["dtype"]], case["width"], case["value"]
    results = []
    for batch, heads, kv_heads, queries, keys, layout in case["shapes"]:
        def make(count, length, size):
            if layout == "bthd":
                return torch.randn(batch, length, count, size, device="cuda", dtype=dtype).transpose(1, 2)
            if layout == "odd":  # rows are not 16-byte aligned
                return torch.randn(batch, count, length, size + 1, device="cuda", dtype=dtype)[..., 1:]
            return torch.randn(batch, count, length, size, device="cuda", dtype=dtype)
        torch.manual_seed(7)
        q, k, v = make(heads, queries, width), make(kv_heads, keys, width), make(kv_heads, keys, value)
        out = make(heads, queries, value).fill_(math.nan)
        lse = torch.full((batch, heads, queries), math.nan, device="cuda")
        scale = width**-0.5
        launch = kernel.bind((-(-queries // case["rows"]), heads, batch), q, k, v, out, lse, scale * math.log2(math.e))
        launch()
        torch.cuda.synchronize()
        first = out.clone()
        launch()
        torch.cuda.synchronize()
        part = slice(0, min(heads, 2 * heads // kv_heads))
        kv_part = slice(0, max(1, min(kv_heads, 2)))
        expected, sums = reference_attend(q[:, part], k[:, kv_part], v[:, kv_part], case["causal"], scale)
        results.append({"shape": [batch, heads, kv_heads, queries, keys, layout],
                        "error": error(out[:, part], expected), "lse": error(lse[:, part], sums),
                        "finite": bool(torch.isfinite(out).all()), "same": bool(torch.equal(first, out))})
    tolerance = TOLERANCE[case["dtype"]]
    good = all(r["error"] < tolerance and r["lse"] < 1e-4 and r["same"] and r["finite"] for r in results)
    return good, results


def check_moves(kernel, case):
    torch.manual_seed(7)
    x = torch.randn(1, 64, 48, device="cuda")
    poison = lambda *shape: torch.full(shape, math.nan, device="cuda")
    t, s, z = poison(1, 48, 64), poison(1, 40, 48), poison(1, 64, 48)
    r, c = poison(48), poison(40)
    kernel.bind((1,), x, t, s, r, c, z)()
    torch.cuda.synchronize()
    a = x[0]
    cc = torch.cat([a[5:45, 3:24], a[5:45, 24:43]], 1)
    d1 = a - a.sum(0) + cc.max(1).values.sum()
    errors = {"transpose": error(t[0], a.T), "concat": error(s[0, :, :40], cc), "rows": error(r, a.sum(0)),
              "columns": error(c, cc.max(1).values), "outside": float(s[0, :, 40:].isnan().all()) - 1,
              "renamed": error(z[0], torch.cat([d1[:, 8:24], d1[:, 24:48], d1[:, 0:8]], 1))}
    return all(e < 1e-6 for e in errors.values()), errors


def check_products(kernel, case):
    dtype = DTYPES[case["dtype"]]
    torch.manual_seed(7)
    a, b = (torch.randn(256, 64, device="cuda").to(dtype) for _ in "ab")
    x, y, z, w, g = (torch.full((64, 64), math.nan, device="cuda") for _ in "xyzwg")
    status = torch.zeros(2, device="cuda", dtype=torch.int32)
    kernel.bind((1,), a, b, x, y, z, w, g, status)()
    torch.cuda.synchronize()
    A, B = a[:64].double(), b[:64].double()
    carried = torch.zeros(64, 64, device="cuda", dtype=torch.float64)
    for i in range(4):
        block = b[64 * i:64 * i + 64].clone()
        block[max(0, 100 - 64 * i):] = 0
        carried += (block + 2).double().T @ block.double()
    halved, steps = A @ B.T, 0
    while halved.max() > 10:
        halved, steps = halved / 2, steps + 1
    delta = torch.arange(64, device="cuda")[None] - torch.arange(64, device="cuda")[:, None]
    gathered = torch.where(delta >= steps, carried.gather(1, delta.clamp(0, 63)), 0)
    errors = {"plain": error(x, A @ B + A.T @ B.T), "one": error(y, 2 * A.T @ B + 2 * B @ A.T), "carried": error(z, carried),
              "while": error(w, halved), "gather": error(g, gathered),
              "status": float((status != steps).any())}
    limit = 1e-5 if case["dtype"] == "f32" else 1e-3
    return all(e < limit for e in errors.values()), errors


def check_scalars(kernel, case):
    torch.manual_seed(7)
    x = torch.randn(5, 37, device="cuda")
    y = torch.full_like(x, math.nan)
    kernel.bind((5,), x, y, 0.5, 3)()
    torch.cuda.synchronize()
    expected = x[:, 3:].double().tanh().square().cumsum(1) * 0.5
    errors = {"sum": error(y[:, 3:], expected), "skipped": float(y[:, :3].isnan().all()) - 1}
    return all(e < 1e-6 for e in errors.values()), errors


def time_attend(kernel, case, rounds=5):
    """TFLOP/s by CUDA events: bursts of about 15 ms after a pause, median over rounds; torch's flash attention beside it."""
    dtype, width = DTYPES[case["dtype"]], case["width"]
    rows = []
    for length in case.get("lengths", []):
        batch, heads = max(1, 16384 // length), 16
        q, k, v = (torch.randn(batch, heads, length, width, device="cuda", dtype=dtype) for _ in "qkv")
        out, lse = torch.empty_like(q), torch.empty(batch, heads, length, device="cuda")
        launch = kernel.bind((-(-length // case["rows"]), heads, batch), q, k, v, out, lse, width**-0.5 * math.log2(math.e))
        work = 4 * batch * heads * length * length * width / (2 if case["causal"] else 1)
        torch_attend = torch.nn.functional.scaled_dot_product_attention
        def flash():
            with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.FLASH_ATTENTION):
                return torch_attend(q, k, v, is_causal=case["causal"])
        found = {}
        for name, run in {"ours": launch, "flash": flash}.items():
            run()
            torch.cuda.synchronize()
            count = max(1, int(0.015 / (work / 300e12)))
            rates = []
            for _ in range(rounds):
                time.sleep(0.1)
                begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                begin.record()
                for _ in range(count):
                    run()
                end.record()
                torch.cuda.synchronize()
                rates.append(work * count / begin.elapsed_time(end) / 1e9)
            found[name] = round(sorted(rates)[rounds // 2], 1)
        rows.append({"length": length, **found})
    return rows


CHECKS = {"attend": check_attend, "moves": check_moves, "products": check_products, "scalars": check_scalars}


def records(folder):
    with open(os.path.join(folder, "kernels.json")) as file:
        return {record["name"]: record for record in json.load(file)}


def run_one(folder, name, timed):
    record = records(folder)[name]
    kernel, case = Kernel(folder, record), record["case"]
    good, detail = CHECKS[case["kind"]](kernel, case)
    print(("ok   " if good else "FAIL ") + name, json.dumps(detail), flush=True)
    if timed and case.get("lengths"):
        print("time", name, json.dumps(time_attend(kernel, case)), flush=True)
    return good


if __name__ == "__main__":
    isolated.main(__file__, records, run_one, 60)
