"""`heddle-bench --table hopper`: the rows of rows.py, and keys through views, each beside its rivals in this process.

    heddle-bench --table hopper --device cuda                  all of it, without FlexAttention
    heddle-bench --table hopper --device cuda --row softcap_bf16_128 bias_bf16_128 --flex
"""

import heddle

from . import measure, rows, timing

VIEWS = ("decode_32x8192", "decode_1x65536", "decode_128x2048", "paged_16", "paged_64", "packed")
NAMES = (*(name for name, row in rows.ROWS.items() if row.lengths), *VIEWS)


def launcher(name, arguments):
    """A row's spec, compiled for where its arrays are."""
    spec, count = rows.spec(name), 1 + len(rows.ROWS[name].stats)
    inputs, out = arguments[:-count], arguments[-count:] if count > 1 else arguments[-1]
    return lambda: spec(*inputs, out=out)


def show(torch, device, names, tokens, with_flex):
    """Print the rows of these names; False if one was wrong. `tokens` of all sequences, where the table has 16384."""
    good = True
    for name in names:
        if name in VIEWS:
            error, same, times, unit = view(torch, device, name, tokens / rows.TOKENS)
            print(f"{name}: error {error:.1e}{verdict(error, same)}" +
                  "".join(f" | {who} {ms:.3f} ms {rate:.3g} {unit}" for who, (ms, rate) in times.items()), flush=True)
            good &= not verdict(error, same)
            continue
        bench = measure.Measure(torch, device, name, launcher)
        for length in sorted({min(length, tokens) for length in bench.row.lengths}):
            (_, error, same, _), times = bench.time(length, tokens, with_flex)
            wrong = verdict(error, same, bench.row.dtype)
            print(f"{name} {length}: error {error:.1e}{wrong} |{measure.describe(bench.row, times)}", flush=True)
            good &= not wrong
    return good


def verdict(error, same, dtype="bf16"):
    """What is wrong with a result, or nothing."""
    return " NOT REPEATABLE" if not same else "" if error < measure.TOLERANCE[dtype] else " WRONG"


def view(torch, device, name, share):
    """(error against float64, whether four runs agree, {candidate: [ms, TB/s or TFLOP/s]}, the unit) of keys through lengths,
    pages and packing."""
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
        wanted = torch.cat([measure.attended(torch, *(x[span].transpose(0, 1) for x in (q, k, v)), True).transpose(0, 1) for span in spans])
        work, unit = 4.0 * 16 * 128 * sum((s.stop - s.start) * (s.stop - s.start + 1) / 2 for s in spans), "TFLOP/s"
        calls = {"heddle": lambda: heddle.attend(q, k, v, out=out, **given)}
    else:
        batch, length = (int(n) for n in name.split("_")[1].split("x")) if name.startswith("decode") else (32, 8192)
        length = max(64, int(length * share) // 64 * 64)  # whole pages
        q, k, v, out = random(batch, 32, 1, 128), random(batch, 8, length, 128), random(batch, 8, length, 128), random(batch, 32, 1, 128)
        wanted = torch.stack([measure.attended(torch, *(x[b] for x in (q, k, v)), False) for b in range(batch)])
        other, work, unit = torch.empty_like(k), 2 * k.numel() * 2, "TB/s"
        calls = {"heddle": lambda: heddle.attend(q, k, v, out=out), "copy": lambda: other.copy_(k)}
        if name.startswith("paged"):
            page = int(name.split("_")[1])
            pools, table = measure.in_pages(torch, (k, v), page, torch.Generator().manual_seed(3))
            lengths = torch.full((batch,), length, dtype=torch.int32, device=device)
            calls = {"heddle": lambda: heddle.attend(q, *pools, out=out, block_table=table, cache_seqlens=lengths),
                     "contiguous": calls["heddle"]}
    (result,), same = measure.four_launches(torch, calls["heddle"], [out])
    return measure.error(result, wanted), same, timing.rates(torch, calls, work, device), unit
