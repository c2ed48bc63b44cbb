"""Keys and rows through views on a GPU: packed sequences, lengths, pages, and few rows over many keys.

  views.py build DIR [--compiler heddle-compile]   here, with the Python package: compile every case to DIR/<name>.pack
  views.py run DIR --runtime libheddle_rt.so       on the device: check against float64, time, print (and write to $OUT)

What lies beyond a length is NaN, as are outputs before a run. They run in a process under a watchdog.
"""
import json
import math
import sys

import isolated
import matrix
from bench import measure, timing  # noqa: E402

TOLERANCE = measure.TOLERANCE["bf16"]
CASES = ("packed", "lengths", "pages_64", "pages_16", "decode", "decode_lengths", "decode_pages_64", "decode_pages_16")
DECODED = ((32, 8192), (1, 65536), (128, 2048))  # sequences, keys of each: what is timed


def texts():
    import heddle
    rank4 = "?x?x?x128xbf16"

    @heddle.spec(q="?x?x128xbf16", k="?x?x128xbf16", v="?x?x128xbf16", starts="?xi32")
    def packed(q, k, v, starts):
        return heddle.attend(q, k, v, cu_seqlens_q=starts, cu_seqlens_k=starts, causal=True, layout="thd")

    @heddle.spec(q=rank4, k=rank4, v=rank4, lengths="?xi32")
    def lengths(q, k, v, lengths):
        return heddle.attend(q, k, v, kv_lengths=lengths, causal=True)

    # Few rows: the query heads that share keys are rows of one head.
    @heddle.spec(q="?x?x4x128xbf16", k=rank4, v=rank4)
    def decode(q, k, v):
        return heddle.attend(q, k, v)

    @heddle.spec(q="?x?x4x128xbf16", k=rank4, v=rank4, lengths="?xi32")
    def decode_lengths(q, k, v, lengths):
        return heddle.attend(q, k, v, kv_lengths=lengths)

    def pages(size, rows="?", causal=True):
        pool = f"?x?x{size}x128xbf16"

        @heddle.spec(q=f"?x?x{rows}x128xbf16", k=pool, v=pool, table="?x?xi32", lengths="?xi32")
        def paged(q, k, v, table, lengths):
            return heddle.attend(q, k, v, block_table=table, cache_seqlens=lengths, causal=causal)
        return paged
    specs = {"packed": packed, "lengths": lengths, "decode": decode, "pages_64": pages(64), "pages_16": pages(16),
             "decode_lengths": decode_lengths, "decode_pages_64": pages(64, 4, False), "decode_pages_16": pages(16, 4, False)}
    return {name: specs[name].text for name in CASES}


def one(options, name):
    import torch
    from packs import Pack
    device = options.device

    def launcher(values, of=name):
        return Pack(options.runtime, options.directory / f"{of}.pack").launcher(values)

    generator = torch.Generator(device=device).manual_seed(1)
    result = {"name": name, "errors": [], "timed": {}}
    decoded, tokens = (DECODED, 16384) if device != "cpu" else (((2, 64),), 256)
    if options.check_only:
        decoded, tokens = (), 0

    def random(*shape):
        return torch.randn(*shape, generator=generator, device=device).to(torch.bfloat16)

    def ints(values):
        return torch.tensor(values, dtype=torch.int32, device=device)

    def reference(q, k, v, causal):
        return measure.attended(torch, q, k, v, causal)

    def in_pages(tensors, page):
        return measure.in_pages(torch, tensors, page, generator)

    def verify(run, output, wanted):
        """`wanted`: pairs of a slice of the output and its reference."""
        (first,), same = measure.four_launches(torch, run, [output])
        worst = max(measure.error(part(first), want) for part, want in wanted)
        result["errors"].append([worst, same, worst < TOLERANCE and same])

    def without_pages_beyond(table, spans, page):
        """-1 for every page that has no key."""
        first = torch.tensor(spans, device=device)[:, None]
        return table.where(page * torch.arange(table.shape[1], device=device)[None] < first, -1)

    if name == "packed":
        for spans in ([5, 0, 1, 700, 128, 129, 1000], [64] * 9, [2048]):
            total, starts = sum(spans), [sum(spans[:n]) for n in range(len(spans) + 1)]
            q, k, v, o = (random(total, h, 128) for h in (4, 2, 2, 4))
            wanted = [(lambda x, a=a, b=b: x[a:b].transpose(0, 1), reference(*(x[a:b].transpose(0, 1) for x in (q, k, v)), True))
                      for a, b in zip(starts, starts[1:]) if b > a]
            verify(launcher([q, k, v, ints(starts), o]), o, wanted)
        if tokens:
            spans = (torch.rand(12, generator=torch.Generator().manual_seed(2)) + 0.1)
            spans = (spans / spans.sum() * tokens).int().tolist()
            spans[-1] += tokens - sum(spans)
            starts = [sum(spans[:n]) for n in range(len(spans) + 1)]
            q, k, v, o = (random(tokens, 16, 128) for _ in range(4))
            pairs = sum(n * (n + 1) / 2 for n in spans)
            result["timed"][f"{tokens} tokens"] = timing.rates(torch, {"heddle": launcher([q, k, v, ints(starts), o])}, 4.0 * pairs * 16 * 128, device)
    elif name == "decode":
        for b, h, s in ((2, 3, 1000), (1, 8, 65536), (3, 1, 1), (2, 2, 0)):
            q, k, v, o = random(b, h, 4, 128), random(b, h, s, 128), random(b, h, s, 128), random(b, h, 4, 128)
            verify(launcher([q, k, v, o]), o, [(lambda x, n=n: x[n], reference(q[n], k[n], v[n], False)) for n in range(b)])
        for b, s in decoded:
            q, k, v, o = random(b, 8, 4, 128), random(b, 8, s, 128), random(b, 8, s, 128), random(b, 8, 4, 128)
            copy = torch.empty_like(k)
            moved = 2 * k.numel() * 2
            # "TFLOP/s" here are TB/s: bytes of keys and values, and bytes that a copy reads and writes.
            times = timing.rates(torch, {"heddle": launcher([q, k, v, o]), "copy": lambda: copy.copy_(k)}, moved, device)
            result["timed"][f"{b} x {s} (TB/s)"] = times
    elif name.startswith("decode_"):
        page = int(name.split("_")[-1]) if "pages" in name else None
        for spans, most in (([0, 1, 700, 129], 768), ([640, 64, 65, 3, 768, 128, 127], 768), ([65531], 65536)):
            b = len(spans)
            q, k, v, o = random(b, 8, 4, 128), random(b, 8, most, 128), random(b, 8, most, 128), random(b, 8, 4, 128)
            wanted = [(lambda x, n=n: x[n], reference(q[n], k[n, :, :span], v[n, :, :span], False)) for n, span in enumerate(spans)]
            for n, span in enumerate(spans):
                k[n, :, span:] = v[n, :, span:] = math.nan
            arguments = [k, v]
            if page:
                pools, table = in_pages([k, v], page)
                arguments = [*pools, without_pages_beyond(table, spans, page)]
            verify(launcher([q, *arguments, ints(spans), o]), o, wanted)
        if page:
            # An entry below 0 inside of a length is the first page of the pool, as one beyond the pool is the last.
            q, k, v, o = random(2, 8, 4, 128), random(2, 8, 256, 128), random(2, 8, 256, 128), random(2, 8, 4, 128)
            pools, table = in_pages([k, v], page)
            for pool, x in zip(pools, (k, v)):
                pool[0], pool[-1] = random(8, page, 128), random(8, page, 128)
                x[0, :, page:2 * page], x[1, :, :page] = pool[0], pool[-1]
            table[0, 1], table[1, 0] = -1, len(pools[0]) + 5
            wanted = [(lambda x, n=n: x[n], reference(q[n], k[n], v[n], False)) for n in range(2)]
            verify(launcher([q, *pools, table, ints([256, 256]), o]), o, wanted)
        for b, s in decoded:
            q, k, v, o = random(b, 8, 4, 128), random(b, 8, s, 128), random(b, 8, s, 128), random(b, 8, 4, 128)
            copy = torch.empty_like(k)
            lengths = ints([s] * b)
            candidates = {"contiguous": launcher([q, k, v, o], "decode"), "copy": lambda: copy.copy_(k)}
            if page:
                pools, table = in_pages([k, v], page)
                candidates["heddle"] = launcher([q, *pools, table, lengths, o])
                # A pool that has heads inside of rows, as vLLM and FlashAttention lay it out.
                inner = [pool.transpose(1, 2).contiguous().transpose(1, 2) for pool in pools]
                candidates["rows before heads"] = launcher([q, *inner, table, lengths, o])
            else:
                candidates["heddle"] = launcher([q, k, v, lengths, o])
            result["timed"][f"{b} x {s} (TB/s)"] = timing.rates(torch, candidates, 2 * k.numel() * 2, device)
    else:
        for page, spans, rows in ((64, [0, 1, 700, 129], 5), (64, [640, 64, 65, 3], 1), (64, [512, 300, 700, 129], 200)):
            page = 16 if name == "pages_16" else page
            most, b = 768, len(spans)
            q, k, v, o = random(b, 4, rows, 128), random(b, 2, most, 128), random(b, 2, most, 128), random(b, 4, rows, 128)
            wanted = [(lambda x, n=n: x[n], reference(q[n], k[n, :, :span], v[n, :, :span], True)) for n, span in enumerate(spans)]
            for n, span in enumerate(spans):
                k[n, :, span:] = v[n, :, span:] = math.nan
            arguments = [q, k, v, ints(spans), o]
            if name != "lengths":
                pools, table = in_pages([k, v], page)
                arguments = [q, *pools, without_pages_beyond(table, spans, page), ints(spans), o]
            verify(launcher(arguments), o, wanted)
    print(json.dumps(result), flush=True)


def describe(result):
    text = f", worst error {max(entry[0] for entry in result['errors']):.1e}"
    for what, times in result["timed"].items():
        text += f"\n  {what}: " + " | ".join(f"{rival} {ms:.3f} ms {rate:.3g}" for rival, (ms, rate) in times.items())
    return text


if __name__ == "__main__":
    options = isolated.parser(__doc__, "cases", 90).parse_args()
    names = options.name.split(",") if options.name else list(CASES)
    if options.mode == "build":
        matrix.build(options.directory, options.compiler, options.target, {name: texts()[name] for name in names})
    elif options.mode == "one":
        for name in names:
            one(options, name)
    else:
        sys.exit(isolated.report(__file__, options, names, describe, options.limit, ["--device", options.device]))
