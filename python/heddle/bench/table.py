"""`heddle-bench --table hopper`: the rows of rows.py, and keys through views, each beside its rivals in this process.

    heddle-bench --table hopper --device cuda                  all of it, without FlexAttention
    heddle-bench --table hopper --device cuda --row softcap_bf16_128 bias_bf16_128 --flex
"""

import math

import heddle

from . import measure, rows, timing

VIEWS = ("decode_32x8192", "decode_1x65536", "decode_128x2048", "paged_16", "paged_64", "packed")
NAMES = (*(name for name, row in rows.ROWS.items() if row.lengths), *VIEWS)


def launcher(name, arguments):
    """A row's spec, compiled for where its arrays are."""
    spec, (*inputs, out) = rows.spec(name), arguments
    return lambda: spec(*inputs, out=out)


def show(torch, device, names, tokens, with_flex):
    """Print the rows of these names; False if one was wrong. `tokens` of all sequences, where the table has 16384."""
    good = True
    for name in names:
        if name in VIEWS:
            error, times, unit = view(torch, device, name, tokens / rows.TOKENS)
            fine = error < measure.TOLERANCE["bf16"]
            print(f"{name}: error {error:.1e}{'' if fine else ' WRONG'}" + "".join(f" | {who} {ms:.3f} ms {rate:.3g} {unit}" for who, (ms, rate) in
                                                                                  times.items()), flush=True)
            good &= fine
            continue
        bench = measure.Measure(torch, device, name, launcher)
        for length in sorted({min(length, tokens) for length in bench.row.lengths}):
            (_, error, same, fine), times = bench.time(length, tokens, with_flex)
            print(f"{name} {length}: error {error:.1e}{'' if fine else ' WRONG' if same else ' NOT REPEATABLE'}"
                  f" |{measure.describe(bench.row, times)}", flush=True)
            good &= fine
    return good


def view(torch, device, name, share):
    """(error against float64, {candidate: [ms, TB/s or TFLOP/s]}, the unit) of keys through lengths, pages and packing."""
    generator = torch.Generator(device).manual_seed(1)

    def random(*shape):
        return torch.randn(*shape, generator=generator, device=device).to(torch.bfloat16)

    if name == "packed":
        total = int(rows.TOKENS * share)
        ends = torch.randint(1, total, (11,), generator=torch.Generator().manual_seed(2)).sort().values.tolist()
        starts = [0, *ends, total]
        q, k, v, out = (random(total, 16, 128) for _ in range(4))
        given = {"cu_seqlens_q": torch.tensor(starts, dtype=torch.int32, device=device), "layout": "thd", "causal": True}
        spans = [slice(a, b) for a, b in zip(starts, starts[1:]) if b > a]
        wanted = torch.cat([attended(torch, *(x[span].transpose(0, 1) for x in (q, k, v)), True).transpose(0, 1) for span in spans])
        work, unit = 4.0 * 16 * 128 * sum((s.stop - s.start) * (s.stop - s.start + 1) / 2 for s in spans), "TFLOP/s"
        calls = {"heddle": lambda: heddle.attend(q, k, v, out=out, **given)}
    else:
        batch, length = (int(n) for n in name.split("_")[1].split("x")) if name.startswith("decode") else (32, 8192)
        length = max(64, int(length * share))
        q, k, v, out = random(batch, 32, 1, 128), random(batch, 8, length, 128), random(batch, 8, length, 128), random(batch, 32, 1, 128)
        wanted = torch.stack([attended(torch, *(x[b] for x in (q, k, v)), False) for b in range(batch)])
        other, work, unit = torch.empty_like(k), 2 * k.numel() * 2, "TB/s"
        calls = {"heddle": lambda: heddle.attend(q, k, v, out=out), "copy": lambda: other.copy_(k)}
        if name.startswith("paged"):
            page = int(name.split("_")[1])
            length = length // page * page
            order = torch.randperm(batch * length // page, generator=torch.Generator().manual_seed(3)).to(device)
            pools = [torch.empty(len(order), 8, page, 128, dtype=q.dtype, device=device) for _ in range(2)]
            for pool, x in zip(pools, (k, v)):
                pool[order] = x.reshape(batch, 8, -1, page, 128).transpose(1, 2).reshape(-1, 8, page, 128)
            table = order.reshape(batch, -1).to(torch.int32)
            lengths = torch.full((batch,), length, dtype=torch.int32, device=device)
            calls = {"heddle": lambda: heddle.attend(q, *pools, out=out, block_table=table, cache_seqlens=lengths),
                     "contiguous": calls["heddle"]}
    out.fill_(math.nan)
    calls["heddle"]()
    error = (out.double() - wanted).norm().item() / wanted.norm().item()
    return error if error == error else math.inf, timing.rates(torch, calls, work, device), unit


def attended(torch, q, k, v, causal):
    """(h, t, d) over (h', s, d) in float64, a few rows at a time."""
    k, v = (x.double().repeat_interleave(q.shape[0] // x.shape[0], 0) for x in (k, v))
    parts, at = [], torch.arange(k.shape[1], device=q.device)
    for rows_of in torch.arange(q.shape[1], device=q.device).split(512):
        x = q[:, rows_of].double() @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        if causal:
            x = x.masked_fill(at > rows_of[:, None] + k.shape[1] - q.shape[1], -math.inf)
        parts.append(torch.softmax(x, -1) @ v)
    return torch.cat(parts, 1)
