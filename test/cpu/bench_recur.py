"""Time heddle.recur on a CPU beside PyTorch's eager chunked form, after a check of both against each other; where gates are
per channel, for which there is no such form, after a check against a loop over tokens in float64.

Usage: bench_recur.py [LENGTH [HEADS [WIDTH]]]
"""
import sys
import time

import torch

import heddle

CHUNK = 64


def eager(q, k, v, gate):
    """Chunks of tokens as a dimension, the state in a loop over chunks; gate (b, h, t) or None."""
    b, h, t, d = q.shape
    n = t // CHUNK
    q, k, v = (x.reshape(b, h, n, CHUNK, -1) for x in (q, k, v))
    g = torch.zeros(b, h, n, CHUNK) if gate is None else gate.reshape(b, h, n, CHUNK).cumsum(-1)
    mask = torch.tril(torch.ones(CHUNK, CHUNK, dtype=torch.bool))
    decay = (g[..., :, None] - g[..., None, :]).masked_fill(~mask, -torch.inf).exp()
    inside = ((q @ k.transpose(-1, -2)) * decay.to(q.dtype)) @ v
    added = (k * (g[..., -1:] - g).exp()[..., None].to(k.dtype)).transpose(-1, -2) @ v
    state, before = torch.zeros(b, h, d, v.shape[-1]), []
    for index in range(n):
        before.append(state)
        state = state * g[:, :, index, -1].exp()[..., None, None] + added[:, :, index]
    carried = (q * g.exp()[..., None].to(q.dtype)) @ torch.stack(before, 2).to(q.dtype)
    return (inside + carried).reshape(b, h, t, -1) * d**-0.5


def token_by_token(q, k, v, gate):
    """In float64; gate (b, h, t, d)."""
    state, rows = torch.zeros(*q.shape[:2], q.shape[3], v.shape[3], dtype=torch.float64), []
    q, k, v, decay = (x.double() for x in (q, k, v, gate.double().exp()))
    for t in range(q.shape[2]):
        state = state * decay[:, :, t, :, None] + k[:, :, t, :, None] * v[:, :, t, None]
        rows.append((q[:, :, t, :, None] * state).sum(2))
    return torch.stack(rows, 2) * q.shape[3] ** -0.5


def check(got, expected):
    error = ((got.double() - expected.double()).norm() / expected.double().norm()).item()
    assert error < (1e-5 if got.dtype == torch.float32 else 2e-2), error


def seconds(function):
    function()
    best = min(timed(function) for _ in range(5))
    return best


def timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main(length=4096, heads=4, width=128):
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    heddle.set_num_threads(threads)
    print(f"T={length} H={heads} D={width}, {threads} threads: ms of heddle, of PyTorch, ratio")
    for dtype in (torch.float32, torch.bfloat16):
        q, k, v = (torch.randn(1, heads, length, width).to(dtype) for _ in range(3))
        gates = {"none": None, "head": -torch.rand(heads) / 16, "token": torch.nn.functional.logsigmoid(torch.randn(1, heads, length))}
        for name, gate in gates.items():
            whole = None if gate is None else gate if gate.ndim == 3 else gate[None, :, None].expand(1, heads, length)
            check(heddle.recur(q, k, v, gate=gate), eager(q, k, v, whole))
            ours, theirs = seconds(lambda: heddle.recur(q, k, v, gate=gate)), seconds(lambda: eager(q, k, v, whole))
            print(f"{str(dtype):15} {name:6} {ours * 1e3:8.2f} {theirs * 1e3:8.2f} {theirs / ours:6.2f}")
        channel = torch.nn.functional.logsigmoid(torch.randn(1, heads, length, width)) / 16
        check(heddle.recur(q, k, v, gate=channel), token_by_token(q, k, v, channel))
        print(f"{str(dtype):15} channel {seconds(lambda: heddle.recur(q, k, v, gate=channel)) * 1e3:7.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
