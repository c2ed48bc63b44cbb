"""Compile the tile programs of tile_programs.py: python build_kernels.py HEDDLE_OPT FOLDER TARGET [NAME...].

Writes, for each, NAME.mlir, .nvvm, .ll, .ptx and NAME.cubin, and kernels.json for check_kernels.py. Prints registers and
spills as ptxas reports them. Needs no GPU.
"""

import json
import os
import re
import subprocess
import sys

import tile_programs as programs

TARGETS = {
    "sm_80": ("+ptx80", 'name = "sm_80", isGpu = true, sharedBytesPerBlock = 166912, hasAsyncCopy = true'),
    "sm_89": ("+ptx80", 'name = "sm_89", isGpu = true, sharedBytesPerBlock = 101376, hasAsyncCopy = true'),
    "sm_90a": ("+ptx86", 'name = "sm_90a", isGpu = true, sharedBytesPerBlock = 232448, hasAsyncCopy = true'),
}
SHAPES = [  # batch, heads, key heads, queries, keys, layout
    (2, 4, 2, 256, 256, "bhtd"), (1, 4, 1, 333, 333, "bthd"), (2, 2, 2, 1, 70, "bhtd"), (1, 2, 1, 100, 500, "bthd"),
    (1, 2, 2, 65, 17, "bhtd")]


def attend(name, dtype="bf16", width=128, value=None, rows=128, keys=64, causal=True, alignment=16, pad=None, lengths=()):
    value = value or width
    shapes = [s if alignment else (*s[:5], "odd") for s in SHAPES]
    case = {"kind": "attend", "dtype": dtype, "width": width, "value": value, "rows": rows, "causal": causal,
            "shapes": shapes, "lengths": list(lengths)}
    return programs.attend(name, dtype, width, value, rows, keys, causal, alignment, pad), case


def products(name, dtype, aligned):
    text = programs.PRODUCTS.replace("@products", "@" + name).replace("DT", dtype)
    text = text.replace("ALIGN", "{tile.alignment = 16 : i64}" if aligned else "")
    return text, {"kind": "products", "dtype": dtype}


LONG = (2048, 8192, 16384)
CASES = {
    "causal128": lambda n: attend(n, lengths=LONG),
    "full128": lambda n: attend(n, causal=False, lengths=LONG),
    "causal64": lambda n: attend(n, width=64, rows=128, keys=64, lengths=LONG[1:2]),
    "causal64k128": lambda n: attend(n, width=64, rows=128, keys=128, lengths=LONG[1:2]),
    "causal128k32": lambda n: attend(n, keys=32, lengths=LONG[1:2]),
    "causal128r64": lambda n: attend(n, rows=64, keys=64, lengths=LONG[1:2]),
    "causal128f16": lambda n: attend(n, dtype="f16"),
    "causal256": lambda n: attend(n, width=256, rows=64, keys=32, lengths=LONG[1:2]),
    "unaligned": lambda n: attend(n, alignment=0),
    "float": lambda n: attend(n, dtype="f32", width=64, rows=64, keys=32),
    "float128": lambda n: attend(n, dtype="f32", width=128, rows=64, keys=32),
    "narrow": lambda n: attend(n, width=40, pad=48, rows=32, keys=16, causal=False),
    "small": lambda n: attend(n, width=64, value=32, rows=16, keys=32),
    "moves": lambda n: (programs.MOVES, {"kind": "moves"}),
    "products_bf16": lambda n: products(n, "bf16", True),
    "products_f16": lambda n: products(n, "f16", False),
    "products_f32": lambda n: products(n, "f32", True),
    "scalars": lambda n: (programs.SCALARS, {"kind": "scalars"}),
}


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[:4000]}")
    return done.stderr + done.stdout


def build(heddle_opt, folder, target, name):
    text, case = CASES[name](name)
    features, attribute = TARGETS[target]
    path = lambda suffix: os.path.join(folder, name + suffix)
    with open(path(".mlir"), "w") as file:
        file.write(text.replace("func.func", "module attributes {tile.target = #tile.target<" + attribute + ">} {\nfunc.func", 1)
                   + "\n}\n")
    llvm = "/usr/lib/llvm-22/bin/"
    run([heddle_opt, path(".mlir"), "--pass-pipeline=builtin.module(tile-to-nvvm)", "-o", path(".nvvm")])
    with open(path(".nvvm")) as file:
        lowered = file.read()
    with open(path(".nvvm"), "w") as file:  # mlir-translate does not know our target attribute
        file.write(re.sub(r"module attributes \{.*\} \{", "module {", lowered, count=1))
    run([llvm + "mlir-translate", "--mlir-to-llvmir", path(".nvvm"), "-o", path(".0.ll")])
    run([llvm + "opt", "-O3", "-mtriple=nvptx64-nvidia-cuda", "-mcpu=" + target, path(".0.ll"), "-S", "-o", path(".ll")])
    run([llvm + "llc", "-O3", "-march=nvptx64", "-mcpu=" + target, "-mattr=" + features, path(".ll"), "-o", path(".ptx")])
    report = run(["ptxas", "-v", "-arch=" + target, path(".ptx"), "-o", path(".cubin")])
    symbol = re.search(r"llvm.func @(\w+)\(", lowered).group(1)
    number = lambda key: int(re.search(key + r" = (\d+)", lowered).group(1))
    registers = re.search(r"Used (\d+) registers", report).group(1)
    spills = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", report).groups()
    shared = number("warp.shared_bytes")
    print(f"{name}: {registers} registers (estimate {number('warp.registers')}), spills {spills}, shared {shared}", flush=True)
    return {"name": name, "cubin": name + ".cubin", "symbol": symbol, "threads": number("warp.threads"), "shared": shared,
            "case": case}


def main():
    heddle_opt, folder, target, *names = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    records = [build(heddle_opt, folder, target, name) for name in names or CASES]
    with open(os.path.join(folder, "kernels.json"), "w") as file:
        json.dump(records, file, indent=1)


if __name__ == "__main__":
    main()
