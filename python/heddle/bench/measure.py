"""One row of the table of figures, checked against float64 and timed beside its rivals in this process.

Imports nothing of Heddle, so that packs can be measured where only they and PyTorch are; who measures says how a spec is run.
"""

import math
import sys

from . import rows, timing

TOLERANCE = {"f32": 1e-5, "f16": 2e-3, "bf16": 1e-2}
TORCH_NAMES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}


class Measure:
    """`launcher(name, arguments)` gives a function that runs the spec of a row on q, k, v, what it reads, and its result."""

    def __init__(self, torch, device, name, launcher):
        self.torch, self.device, self.name, self.row, self.launcher = torch, device, name, rows.ROWS[name], launcher
        self.generator = torch.Generator(device).manual_seed(len(name))

    def synchronize(self):
        if self.device != "cpu":
            self.torch.cuda.synchronize()

    def draw(self, batch, heads, key_heads, length, keys):
        """(q, k, v, what the spec reads)."""
        draw = rows.Draw(self.torch, self.generator, batch, heads, length, keys, self.device)
        sizes = ((heads, length, self.row.d), (key_heads, keys, self.row.d), (key_heads, keys, self.row.e))
        return *(draw.normal(batch, *size, dtype=TORCH_NAMES[self.row.dtype]) for size in sizes), list(self.row.change.values(draw))

    def error(self, got, want):
        scale = want.norm().item()
        return (got.double() - want).norm().item() / scale if scale else got.double().abs().max().item() if got.numel() else 0.0

    def four_launches(self, run, o):
        """(the first result, whether all agree bit by bit), each into NaN."""
        results = []
        for _ in range(4):
            o.fill_(math.nan)
            run()
            self.synchronize()
            results.append(o.clone())
        return results[0], all(bool((result == results[0]).all()) for result in results[1:])

    def check(self, shape):
        """[shape, error, whether four launches agree, whether all is well]."""
        q, k, v, values = self.draw(*shape)
        o = self.torch.full((*q.shape[:3], v.shape[3]), math.nan, dtype=q.dtype, device=self.device)
        result, same = self.four_launches(self.launcher(self.name, [q, k, v, *values, o]), o)
        error = self.error(result, rows.reference(self.torch, self.row, q, k, v, values))
        return [list(shape), error, same, error < TOLERANCE[self.row.dtype] and same]

    def time(self, length, tokens=rows.TOKENS, with_flex=False):
        """(as `check`, on some rows; {candidate: [milliseconds, TFLOP/s]}) of sequences of a length."""
        torch, row, batch = self.torch, self.row, max(1, tokens // length)
        q, k, v, values = self.draw(batch, row.heads, row.heads, length, length)
        o = torch.empty_like(v)
        calls = {"heddle": self.launcher(self.name, [q, k, v, *values, o])}
        flops = 2.0 * batch * row.heads * (row.d + row.e)
        work = {"heddle": flops * rows.visible_pairs(torch, row, values, length, self.device)}
        some = torch.randint(length, (16,), generator=self.generator, device=self.device)
        result, same = self.four_launches(calls["heddle"], o)
        error = self.error(result[:, :, some], rows.reference(torch, row, q, k, v, values, some))
        if row.is_plain:
            calls |= sdpa(torch, q, k, v, row.change is rows.CAUSAL)
        if row.plain:
            calls["plain"] = self.launcher(row.plain, [q, k, v, torch.empty_like(v)])
            work["plain"] = flops * rows.visible_pairs(torch, rows.ROWS[row.plain], [], length, self.device)
        if with_flex and row.normalizer == "softmax" and self.device != "cpu":
            calls["flex"] = flex(torch, q, k, v, length, *rows.modifiers(torch, row, values))
        times = timing.rates(torch, calls, {name: work.get(name, work["heddle"]) for name in calls}, self.device)
        shape = [batch, row.heads, row.heads, length, length]
        return [shape, error, same, error < TOLERANCE[row.dtype] and same], times


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
