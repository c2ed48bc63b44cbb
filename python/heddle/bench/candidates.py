"""Who is timed: `heddle.attend` and, where it is installed, PyTorch's scaled_dot_product_attention with each of its back-ends."""

import contextlib
import dataclasses
from typing import Any, Callable

import numpy as np

import heddle


@dataclasses.dataclass
class Candidate:
    name: str
    run: Callable[[], Any]  # computes once; the result stays valid until the next run
    fetch: Callable[[Any], np.ndarray]  # the result as float32 on the host
    poison: Callable[[], None] = lambda: None


def torch_or_none():
    try:
        import torch

        return torch
    except ImportError:
        return None


def _as_array(array, dtype):
    if dtype == "bf16":
        import ml_dtypes

        return array.astype(ml_dtypes.bfloat16)
    return array.astype({"f32": np.float32, "f16": np.float16}[dtype])


def ours(case, q, k, v, device):
    """heddle.attend on NumPy arrays, or on PyTorch tensors of the device."""
    torch = torch_or_none()
    if device == "cpu" and case.dtype != "bf16" or torch is None:
        arrays = [_as_array(x, case.dtype) for x in (q, k, v)]
        out = np.empty_like(arrays[0])
        poison, fetch = lambda: out.fill(np.nan), lambda x: np.asarray(x, np.float32)
    else:
        arrays = _tensors(torch, case, q, k, v, device)
        out = torch.empty_like(arrays[0])
        poison, fetch = lambda: out.fill_(float("nan")), lambda x: x.float().cpu().numpy()
    arguments = case.arguments()

    def run():
        heddle.attend(*arrays, **arguments, out=out)
        return out

    return Candidate("heddle", run, fetch, poison)


def _tensors(torch, case, q, k, v, device):
    dtype = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[case.dtype]
    return [torch.from_numpy(x).to(device=device, dtype=dtype) for x in (q, k, v)]


def rivals(case, q, k, v, device):
    torch = torch_or_none()
    if torch is None:
        return
    tensors = _tensors(torch, case, q, k, v, device)
    arguments = {"enable_gqa": True} if case.heads != case.key_heads else {}
    if case.window is not None:
        at = torch.arange(case.length, device=device)
        arguments["attn_mask"] = (at[None] <= at[:, None]) & (at[None] > at[:, None] - case.window)
    elif case.mask == "causal":
        arguments["is_causal"] = True

    def run(backend):
        with torch.no_grad(), backend():
            return torch.nn.functional.scaled_dot_product_attention(*tensors, **arguments)

    for name, backend in _backends(torch, device):
        try:
            run(backend)
        except RuntimeError:  # this back-end does not do this case
            continue
        yield Candidate(name, lambda backend=backend: run(backend), lambda x: x.float().cpu().numpy())
    if device != "cpu":  # on the CPU, compiling it takes longer than all else
        yield _flex(torch, case, tensors, device)


def _flex(torch, case, tensors, device):
    """PyTorch's flex_attention, compiled, with its block mask made beforehand."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    def visible(b, h, i, j):
        near = True if case.window is None else j > i - case.window
        return (j <= i) & near

    mask = None if case.mask == "full" else create_block_mask(visible, None, None, case.length, case.length, device=device)
    compiled = torch.compile(flex_attention, dynamic=False)

    def run():
        with torch.no_grad():
            return compiled(*tensors, block_mask=mask, enable_gqa=case.heads != case.key_heads)

    run()
    return Candidate("torch flex", run, lambda x: x.float().cpu().numpy())


def _backends(torch, device):
    if device == "cpu":
        return [("torch sdpa", contextlib.nullcontext)]
    from torch.nn.attention import SDPBackend, sdpa_kernel

    kinds = {"torch cudnn": SDPBackend.CUDNN_ATTENTION, "torch flash": SDPBackend.FLASH_ATTENTION,
             "torch efficient": SDPBackend.EFFICIENT_ATTENTION}
    return [(name, lambda kind=kind: sdpa_kernel(kind)) for name, kind in kinds.items()]
