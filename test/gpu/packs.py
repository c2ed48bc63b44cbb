"""Packs through the runtime's C interface, on PyTorch tensors of a CUDA device or the CPU."""
import ctypes as c
from typing import NamedTuple

import torch

CODES = {torch.float32: 1, torch.float16: 2, torch.bfloat16: 3, torch.int32: 5, torch.int64: 6, torch.int8: 7}


class View(NamedTuple):
    """What PyTorch's tensors cannot say: strides may be negative. Offset and strides count elements of a contiguous tensor."""

    tensor: torch.Tensor
    offset: int
    shape: tuple
    strides: tuple


class Arg(c.Structure):
    _fields_ = [("kind", c.c_uint32), ("dtype", c.c_uint32), ("rank", c.c_uint32), ("reserved", c.c_uint32),
                ("data", c.c_void_p), ("sizes", c.POINTER(c.c_int64)), ("strides", c.POINTER(c.c_int64)),
                ("i64", c.c_int64), ("f64", c.c_double)]


class Device(c.Structure):
    _fields_ = [("kind", c.c_uint32), ("index", c.c_int32)]


class Pack:
    def __init__(self, runtime, path):
        self.rt = c.CDLL(str(runtime))
        self.rt.heddle_last_error.restype = c.c_char_p
        self.handle = c.c_void_p()
        self.check(self.rt.heddle_load_file(str(path).encode(), c.byref(self.handle)))

    def check(self, status):
        if status:
            raise RuntimeError(self.rt.heddle_last_error().decode())

    def launcher(self, values):
        """A function that runs the pack's entry on these tensors and numbers, outputs last, on the current stream; its
        attribute `workspace` is what it needs of that in bytes. Workspace is poisoned once.

        The tensors' device is the one that runs it."""
        args, keep, on_cpu = (Arg * len(values))(), [], True
        for arg, value in zip(args, values):
            if isinstance(value, int):
                arg.kind, arg.i64 = 2, value
                continue
            if isinstance(value, float):
                arg.kind, arg.f64 = 3, value
                continue
            view = value if isinstance(value, View) else View(value, 0, value.shape, value.stride())
            tensor, rank = view.tensor, len(view.shape)
            arg.kind, arg.dtype, arg.rank, arg.data = 1, CODES[tensor.dtype], rank, tensor.data_ptr() + view.offset * tensor.element_size()
            keep += [(c.c_int64 * rank)(*view.shape), (c.c_int64 * rank)(*view.strides)]
            arg.sizes, arg.strides = keep[-2], keep[-1]
            on_cpu &= not tensor.is_cuda
        size, device, count = c.c_size_t(), Device(1 if on_cpu else 2, 0), c.c_uint32(len(values))
        self.check(self.rt.heddle_workspace_bytes(self.handle, 0, device, args, count, c.byref(size)))
        workspace = torch.empty(size.value + 256, dtype=torch.uint8, device="cpu" if on_cpu else "cuda").fill_(255)
        base = c.c_void_p((workspace.data_ptr() + 255) // 256 * 256)

        def run(_alive=(keep, values, workspace)):
            stream = None if on_cpu else c.c_void_p(torch.cuda.current_stream().cuda_stream)
            self.check(self.rt.heddle_run(self.handle, 0, device, args, count, base, size, stream))

        run.workspace = size.value
        return run
