"""One row of the table of figures, checked against float64 and timed beside its rivals in this process, and what checks of
other figures share with it.

Imports nothing of Heddle, so that packs can be measured where only they and PyTorch are; who measures says how a spec is run.
"""

import math
import sys

from . import rows, timing

TOLERANCE = {"f32": 1e-5, "f16": 2e-3, "bf16": 1e-2}
TORCH_NAMES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}


def four_launches(torch, run, outputs):
    """(copies of what the first launch writes, whether all agree with it bit by bit), each into NaN."""
    launches = []
    for _ in range(4):
        for output in outputs:
            output.fill_(math.nan)
        run()
        if outputs[0].is_cuda:
            torch.cuda.synchronize()
        launches.append([output.clone() for output in outputs])
    return launches[0], all(bool((a == b).all()) for launch in launches[1:] for a, b in zip(launch, launches[0]))


def error(got, want):
    """The relative Frobenius error; where all of `want` is 0, the largest of `got`. Infinite where something is NaN."""
    got, scale = got.double(), want.norm().item()
    found = (got - want).norm().item() / scale if scale else got.abs().max().item() if got.numel() else 0.0
    return found if found == found else math.inf


def attended(torch, q, k, v, causal):
    """Attention of one sequence in float64, (h, t, d) over (h', s, d), a few rows at a time; the last row is at the last key."""
    k, v = (x.double().repeat_interleave(q.shape[0] // x.shape[0], 0) for x in (k, v))
    parts, at = [], torch.arange(k.shape[1], device=q.device)
    for rows_of in torch.arange(q.shape[1], device=q.device).split(512):
        x = q[:, rows_of].double() @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        if causal:
            x = x.masked_fill(at > rows_of[:, None] + k.shape[1] - q.shape[1], -math.inf)
        parts.append((torch.softmax(x, -1).nan_to_num(0.0) if x.shape[-1] else x) @ v)
    return torch.cat(parts, 1)


def in_pages(torch, tensors, page, generator):
    """Pools of pages (pages, h, page, d) in random order, the first and last of which are NaN and belong to nobody, and the
    table (b, pages of a sequence) of where each page is."""
    b, h, s, d = tensors[0].shape
    order = torch.randperm(b * s // page, generator=generator, device=generator.device).to(tensors[0].device) + 1
    pools = [torch.full((len(order) + 2, h, page, d), math.nan, dtype=x.dtype, device=x.device) for x in tensors]
    for pool, x in zip(pools, tensors):
        pool[order] = x.reshape(b, h, s // page, page, d).transpose(1, 2).reshape(-1, h, page, d)
    return pools, order.reshape(b, s // page).to(torch.int32)


class Measure:
    """`launcher(name, arguments)` gives a function that runs the spec of a row on q, k, v, what it reads, and its result."""

    def __init__(self, torch, device, name, launcher):
        self.torch, self.device, self.name, self.row, self.launcher = torch, device, name, rows.ROWS[name], launcher
        self.generator = torch.Generator(device).manual_seed(len(name))

    def draw(self, batch, heads, key_heads, length, keys):
        """(q, k, v, what the spec reads)."""
        draw = rows.Draw(self.torch, self.generator, batch, heads, length, keys, self.device)
        sizes = ((heads, length, self.row.d), (key_heads, keys, self.row.d), (key_heads, keys, self.row.e))
        return *(draw.normal(batch, *size, dtype=TORCH_NAMES[self.row.dtype]) for size in sizes), list(self.row.change.values(draw))

    def check(self, shape):
        """[shape, error, whether four launches agree, whether all is well]."""
        q, k, v, values = self.draw(*shape)
        results, same = four_launches(self.torch, *self.call(self.name, q, k, v, values))
        worst = self.worst(results, rows.results(self.torch, self.row, q, k, v, values))
        return [list(shape), worst, same, worst < TOLERANCE[self.row.dtype] and same]

    def call(self, name, q, k, v, values):
        """(what runs the spec of a row, its results)."""
        outputs = [self.torch.empty(*q.shape[:3], v.shape[3], dtype=q.dtype, device=self.device)]
        for statistic in rows.ROWS[name].stats:
            length = (k if statistic == "colsum" else q).shape[2]
            outputs.append(self.torch.empty(*q.shape[:2], length, dtype=self.torch.float32, device=self.device))
        return self.launcher(name, [q, k, v, *values, *outputs]), outputs

    @staticmethod
    def worst(results, wanted):
        return max(error(got, want) for got, want in zip(results, wanted) if want is not None)

    def time(self, length, tokens=rows.TOKENS, with_flex=False):
        """(as `check`, on some rows; {candidate: [milliseconds, TFLOP/s]}) of sequences of a length."""
        torch, row, batch = self.torch, self.row, max(1, tokens // length)
        q, k, v, values = self.draw(batch, row.heads, row.heads, length, length)
        run, outputs = self.call(self.name, q, k, v, values)
        calls = {"heddle": run}
        flops = 2.0 * batch * row.heads * (row.d + row.e)
        work = {"heddle": flops * rows.visible_pairs(torch, row, values, length, self.device)}
        some = torch.randint(length, (16,), generator=self.generator, device=self.device)
        results, same = four_launches(torch, run, outputs)
        wanted = rows.results(torch, row, q, k, v, values, some)
        worst = self.worst([result[:, :, some] if want is not None else result for result, want in zip(results, wanted)], wanted)
        if row.is_plain:
            calls |= sdpa(torch, q, k, v, row.change is rows.CAUSAL)
        if row.plain:
            calls["plain"] = self.call(row.plain, q, k, v, [])[0]
            work["plain"] = flops * rows.visible_pairs(torch, rows.ROWS[row.plain], [], length, self.device)
        if with_flex and row.normalizer == "softmax" and self.device != "cpu":
            calls["flex"] = flex(torch, q, k, v, length, *rows.modifiers(torch, row, values))
        times = timing.rates(torch, calls, {name: work.get(name, work["heddle"]) for name in calls}, self.device)
        shape = [batch, row.heads, row.heads, length, length]
        return [shape, worst, same, worst < TOLERANCE[row.dtype] and same], times


def describe(row, times):
    """One line of a row's figures, with what the row must reach."""
    text = "".join(f" {name} {ms:.3f} ms {rate:.0f} TFLOP/s |" for name, (ms, rate) in times.items())
    for name, (_, rate) in times.items():
        if name != "heddle":
            must = next((f" (must {least:.2f})" for rival, least in row.must if rival == name), "")
            text += f" {times['heddle'][1] / rate:.2f} of {name}{must}"
    return text


def sdpa(torch, q, k, v, causal):
    """PyTorch's scaled_dot_product_attention by each of its back-ends that a device has."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    def through(backend):
        def call():
            with sdpa_kernel(backend):
                torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return call
    if not q.is_cuda:
        return {"sdpa": lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)}
    return {"fa2": through(SDPBackend.FLASH_ATTENTION), "cudnn": through(SDPBackend.CUDNN_ATTENTION)}


def flex(torch, q, k, v, length, mask_mod, score_mod):
    """FlexAttention, compiled; its block mask is made without a compiler. TORCHINDUCTOR_COMPILE_THREADS=1 keeps its compilation
    to seconds."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention
    blocks = None
    if mask_mod is not None:
        blocks = create_block_mask(mask_mod, q.shape[0], None, length, length, device=q.device)
        print("block mask made", file=sys.stderr, flush=True)
    torch.compiler.reset()  # what one process compiles is limited; beyond it runs uncompiled
    compiled = torch.compile(flex_attention, dynamic=False)

    def call():
        with torch.no_grad():
            return compiled(q, k, v, score_mod=score_mod, block_mask=blocks)
    return call
