"""Compile a tile module for this machine's CPU and call its kernels on NumPy arrays.

Uses the tools of the build tree (HEDDLE_OPT) and of LLVM 22 (LLVM_BIN); the compiler itself does the same in process.
"""
import ctypes
import os
import pathlib
import subprocess
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HEDDLE_OPT = os.environ.get("HEDDLE_OPT", str(ROOT / "build/bin/heddle-opt"))
LLVM_BIN = os.environ.get("LLVM_BIN", "/usr/lib/llvm-22/bin")
FEATURES = {"avx2": ("vector-bits=256 vector-registers=16", ["-march=x86-64-v3"]),
            "avx512": ("vector-bits=512 vector-registers=32 scale-by-power=true", ["-march=x86-64-v4"]),
            # Vectors of 512 bits on a machine that has none: every instruction becomes two.
            "wide": ("vector-bits=512 vector-registers=32", ["-march=x86-64-v3"]),
            "sse": ("vector-bits=128 vector-registers=16 fma=false", ["-march=x86-64-v3"]),
            "amx": ("vector-bits=512 vector-registers=32 scale-by-power=true avx512-bf16=true amx=true", ["-march=sapphirerapids"]),
            # Slow, but any machine computes with it what the instructions would.
            "avx512-emulated": ("vector-bits=512 vector-registers=32 scale-by-power=true", ["-march=x86-64-v3"]),
            "amx-emulated": ("vector-bits=512 vector-registers=32 scale-by-power=true amx=true", ["-march=x86-64-v3"])}
EMULATION = {"x86_amx": "<256 x i32>", "@llvm.x86.tilezero.internal": "@tile.zero",
             "@llvm.x86.tileloadd64.internal": "@tile.load", "@llvm.x86.tilestored64.internal": "@tile.store",
             "@llvm.x86.tdpbf16ps.internal": "@tile.product",
             "@llvm.x86.avx512.mask.reduce.ps.512": "@exponent.fraction",
             "@llvm.x86.avx512.mask.scalef.ps.512": "@exponent.scale"}


def lower(text, passes):
    """The text after these passes on a module."""
    lowered = subprocess.run([HEDDLE_OPT, f"--pass-pipeline=builtin.module({passes})"], input=text, text=True,
                             capture_output=True)
    if lowered.returncode:
        raise RuntimeError(lowered.stderr)
    return lowered.stdout


def to_llvm(text, level="avx2"):
    options, _ = FEATURES[level]
    lowered = subprocess.run([HEDDLE_OPT, f"--tile-to-llvm-cpu={options}"], input=text, text=True, capture_output=True)
    if lowered.returncode:
        raise RuntimeError(lowered.stderr)
    return subprocess.run([f"{LLVM_BIN}/mlir-translate", "--mlir-to-llvmir"], input=lowered.stdout, text=True,
                          check=True, capture_output=True).stdout


def build(text, level="avx2", keep=None):
    """A loaded library of the code for `level`."""
    ir = to_llvm(text, level)
    folder = pathlib.Path(keep or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    flags = FEATURES[level][1]
    sources = [folder / "k.ll"]
    if level.endswith("-emulated"):
        for name, replacement in EMULATION.items():
            ir = ir.replace(name, replacement)
        isReplaced = lambda line: line.startswith("declare") and ("@tile." in line or "@exponent." in line)
        ir = "\n".join(line for line in ir.splitlines() if not isReplaced(line)) + "\n"
        for part in ("emulate_exponents.ll", "emulate_matrix_unit.ll"):
            known = set(line for line in ir.splitlines() if line.startswith("declare"))
            ir += "".join(line + "\n" for line in (HERE / part).read_text().splitlines() if line not in known)
        sources.append(HERE / "emulate_matrix_unit.c")
    (folder / "k.ll").write_text(ir)
    subprocess.run([f"{LLVM_BIN}/clang", "-O3", *flags, "-Wno-override-module", "-shared", "-fPIC", "-o",
                    folder / "k.so", *sources, "-lm"], check=True)
    return ctypes.CDLL(str(folder / "k.so"))


def slots_of(*args):
    """The slots of contract 3: arrays as address, sizes, strides in elements; integers and np.float32 as one word."""
    words = []
    for arg in args:
        if isinstance(arg, np.ndarray):
            words += [arg.ctypes.data, *arg.shape, *(s // arg.itemsize for s in arg.strides)]
        elif isinstance(arg, (float, np.float32)):
            words.append(int(np.float32(arg).view(np.uint32)))
        else:
            words.append(int(arg))
    return (ctypes.c_int64 * len(words))(*words)


def run(kernel, grid, *args):
    """Call every block of `grid`, one after another."""
    kernel.argtypes = [ctypes.c_void_p] + [ctypes.c_int64] * 3
    kernel.restype = None
    slots = slots_of(*args)
    nx, ny, nz = (list(grid) + [1, 1])[:3]
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                kernel(slots, x, y, z)


def kernel_text(name, args, body):
    return f"""
func.func @{name}({args}) attributes {{tile.kernel}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  scf.forall (%block) in (%c1) {{
{body}
  }}
  return
}}
"""


M = "memref<?x?xf32, strided<[?, 1], offset: ?>>"
V = "memref<?xf32, strided<[1], offset: ?>>"
