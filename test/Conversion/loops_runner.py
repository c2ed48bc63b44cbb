"""Run what attn-to-loops leaves, with upstream tools only: no back-end of ours takes part.

`compile(text)` gives a function: it takes an entry's name, its arguments (NumPy arrays and numbers) and then its results.
"""
import ctypes
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

LOWER = ["--allow-unregistered-dialect", "--scf-forall-to-for", "--convert-scf-to-cf", "--expand-strided-metadata",
         "--lower-affine", "--convert-math-to-llvm", "--convert-math-to-libm", "--arith-expand=include-bf16=true",
         "--convert-arith-to-llvm", "--convert-cf-to-llvm", "--finalize-memref-to-llvm",
         "--llvm-request-c-wrappers", "--convert-func-to-llvm", "--reconcile-unrealized-casts"]


def run(command, text=None):
    done = subprocess.run(command, input=text, text=True, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stderr[:2000]}")
    return done.stdout


def descriptor(array):
    """A memref of the array: two pointers, an offset, sizes, strides in elements."""
    rank = array.ndim

    class MemRef(ctypes.Structure):
        _fields_ = [("allocated", ctypes.c_void_p), ("aligned", ctypes.c_void_p), ("offset", ctypes.c_int64),
                    ("sizes", ctypes.c_int64 * rank), ("strides", ctypes.c_int64 * rank)]

    strides = (ctypes.c_int64 * rank)(*[stride // array.itemsize for stride in array.strides])
    return MemRef(array.ctypes.data, array.ctypes.data, 0, (ctypes.c_int64 * rank)(*array.shape), strides)


def compile(text, precision="f64"):
    tile = run(["heddle-opt", "--attn-link-prelude", "--verify-attn", f"--attn-to-loops=precision={precision}"], text)
    # A launch is a call here; the kernels hold upstream dialects only.
    calls = re.sub(r"tile\.launch (@\w+)\((.*?)\) : (.*)", r"func.call \1(\2) : (\3) -> ()", tile)
    llvm = run(["mlir-translate", "--mlir-to-llvmir"], run(["mlir-opt", *LOWER], calls))
    folder = pathlib.Path(tempfile.mkdtemp())
    run(["llc", "-O2", "-filetype=obj", "-relocation-model=pic", "-o", folder / "loops.o"], llvm)
    run(["cc", "-shared", "-o", folder / "loops.so", folder / "loops.o", "-lm"])
    library = ctypes.CDLL(str(folder / "loops.so"))

    def call(name, *arguments):
        passed = []
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                passed.append(ctypes.byref(descriptor(argument)))
            else:
                passed.append(ctypes.c_float(argument) if isinstance(argument, float) else ctypes.c_int64(argument))
        getattr(library, f"_mlir_ciface_{name}")(*passed)

    return call


def worst(got, expected):
    """The largest error relative to the largest value, and where; infinities must agree."""
    got, expected = got.astype(float), np.asarray(expected, float)
    both = np.isfinite(got) & np.isfinite(expected)
    close = np.abs(np.where(both, got, 0) - np.where(both, expected, 0))
    error = np.where(both, close, np.where(got == expected, 0, np.inf))
    index = np.unravel_index(error.argmax(), error.shape)
    return error[index] / max(1e-30, np.abs(expected[np.isfinite(expected)]).max(initial=0)), index


def empty(*shape):
    """An output that nothing has been written to yet."""
    return np.full(shape, np.nan, np.float32)


def heads(x, count):
    """An array of as many heads, in float64."""
    return np.repeat(x, count // x.shape[1], axis=1).astype(np.float64)


class Checks:
    """Functions that call entries of a spec and yield (name, got, expected)."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.functions = []

    def check(self, spec):
        """A decorator that registers a function for `spec`."""
        return lambda function: self.functions.append((spec, function))

    def normal(self, *shape):
        return self.random.standard_normal(shape).astype(np.float32)

    def run(self):
        failed = 0
        for spec, function in self.functions:
            for name, got, expected in function(compile(spec)):
                error, index = worst(got, expected)
                failed += not error < 2e-7
                print(f"{function.__name__}, {name}: ", end="")
                print(f"{error:.1e}" if error < 2e-7 else f"expected {np.asarray(expected)[index]}, got {got[index]} at {index}")
        sys.exit(failed != 0)
