"""Time heddle.recur on a CPU beside PyTorch's eager chunked form, after a check of both against each other; where gates are
per channel, for which there is no such form, after a check against a loop over tokens in float64.

Usage: bench_recur.py [LENGTH [HEADS [WIDTH [THREADS]]]]

Both take turns, PyTorch with chunks of 32, 64 and 128 tokens, of which the fastest counts. Beside the least time on the clock stands the least
processor time of all threads, which a machine that others use changes less.
"""
import sys
import time

import torch

import heddle

CHUNKS, ROUNDS = (32, 64, 128), 7


def eager(q, k, v, gate, chunk=64):
    """Chunks of tokens as a dimension, the state in a loop over chunks; gate (b, h, t) or None."""
    b, h, t, d = q.shape
    n = t // chunk
    q, k, v = (x.reshape(b, h, n, chunk, -1) for x in (q, k, v))
    g = torch.zeros(b, h, n, chunk) if gate is None else gate.reshape(b, h, n, chunk).cumsum(-1)
    mask = torch.tril(torch.ones(chunk, chunk, dtype=torch.bool))
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


def least(functions):
    """[(milliseconds on the clock, of the processors)] of each, in turns."""
    found = [[] for _ in functions]
    for number in range(ROUNDS + 1):
        for function, times in zip(functions, found):
            begin = time.perf_counter(), time.process_time()
            function()
            if number:  # the first warms up
                times.append((1e3 * (time.perf_counter() - begin[0]), 1e3 * (time.process_time() - begin[1])))
    return [tuple(map(min, zip(*times))) for times in found]


def main(length=4096, heads=4, width=128, threads=0):
    torch.manual_seed(0)
    if threads:
        torch.set_num_threads(threads)
    threads = torch.get_num_threads()
    heddle.set_num_threads(threads)
    print(f"T={length} H={heads} D={width}, {threads} threads: ms of heddle, of PyTorch, ratio; the same of processor time")
    for dtype in (torch.float32, torch.bfloat16):
        q, k, v = (torch.randn(1, heads, length, width).to(dtype) for _ in range(3))
        gates = {"none": None, "head": -torch.rand(heads) / 16, "token": torch.nn.functional.logsigmoid(torch.randn(1, heads, length))}
        for name, gate in gates.items():
            whole = None if gate is None else gate if gate.ndim == 3 else gate[None, :, None].expand(1, heads, length)
            check(heddle.recur(q, k, v, gate=gate), eager(q, k, v, whole))
            ours, *theirs = least([lambda: heddle.recur(q, k, v, gate=gate), *(lambda chunk=chunk: eager(q, k, v, whole, chunk) for chunk in CHUNKS)])
            theirs = tuple(map(min, zip(*theirs)))
            print(f"{str(dtype):15} {name:7}" + "".join(f" {a:8.2f} {b:8.2f} {b / a:6.2f}" for a, b in zip(ours, theirs)), flush=True)
        channel = torch.nn.functional.logsigmoid(torch.randn(1, heads, length, width)) / 16
        check(heddle.recur(q, k, v, gate=channel), token_by_token(q, k, v, channel))
        (clock, processors), = least([lambda: heddle.recur(q, k, v, gate=channel)])
        print(f"{str(dtype):15} channel {clock:8.2f} {'':15} {processors:8.2f}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
