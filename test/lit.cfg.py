"""How lit runs the tests of this tree: `lit build/test`, or `ninja -C build check-lit`.

A test sees the tools of this build, then those of the LLVM that the build uses, then the system's. What a machine may
lack is a feature, named by capability and never by product:

    heddle-compile      the tool is part of this build
    ptxas               a PTX assembler was found (on PATH, in a CUDA toolkit, or in .venv)
    cuda-device         a CUDA device answers
    avx2, avx512, amx   this CPU has them
    clang-format        the formatter that the format check needs
"""
import glob
import os
import shutil
import sys

import lit.formats

config.name = "heddle"
config.test_format = lit.formats.ShTest()
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "python", "gpu"]
config.test_source_root = os.path.join(config.source_root, "test")
config.test_exec_root = os.path.join(config.build_root, "test")

toolkits = ["/usr/local/cuda/bin"] + glob.glob(
    os.path.join(config.source_root, ".venv/lib/python3*/site-packages/nvidia/cu13/bin")
)
path = [os.path.join(config.build_root, "bin"), config.llvm_tools, os.environ.get("PATH", "")] + toolkits
config.environment["PATH"] = os.pathsep.join(path)
config.environment["FILECHECK_OPTS"] = "-enable-var-scope"
for name in ("HOME", "XDG_CACHE_HOME", "LD_LIBRARY_PATH", "HEDDLE_NUM_THREADS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

# Tests of numbers need NumPy: the tree's own environment, where it is there.
own_python = os.path.join(config.source_root, ".venv/bin/python")
config.substitutions.append(("%python", own_python if os.path.exists(own_python) else sys.executable))
config.substitutions.append(("%root", config.source_root))
config.substitutions.append(("%build", config.build_root))


def has(tool):
    return shutil.which(tool, path=config.environment["PATH"]) is not None


def cpu_flags():
    try:
        with open("/proc/cpuinfo") as info:
            return next((line.split() for line in info if line.startswith("flags")), [])
    except OSError:
        return []


flags = cpu_flags()
capabilities = {
    "heddle-compile": has("heddle-compile"),
    "ptxas": has("ptxas"),
    "cuda-device": os.path.exists("/dev/nvidia0"),
    "clang-format": has("clang-format-22"),
    "avx2": "avx2" in flags,
    "avx512": "avx512f" in flags and "avx512vl" in flags,
    "amx": "amx_tile" in flags and "amx_bf16" in flags,
}
config.available_features.update(name for name, present in capabilities.items() if present)
