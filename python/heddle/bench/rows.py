"""The specs of the table of figures, each one function of numbers: Heddle traces it, PyTorch evaluates it on arrays of
positions as the reference, FlexAttention compiles it as a rival.

Heddle is imported only where a text is asked for, so that figures can be taken where nothing but packs and PyTorch is.
"""

import dataclasses
import functools
import inspect
import operator
import types
from typing import Any, Callable, Optional

TOKENS = 16384  # of all sequences together, where something is timed


@dataclasses.dataclass
class Draw:
    """The sizes of a case; makes what its functions read."""

    torch: Any
    generator: Any
    batch: int
    heads: int
    rows: int
    keys: int
    device: str = "cuda"

    @property
    def long(self):
        return self.rows > 4096

    def normal(self, *shape, dtype="float32"):
        made = self.torch.randn(*shape, generator=self.generator, device=self.device)
        return made.to(getattr(self.torch, dtype))

    def chance(self, *shape, of):
        made = self.torch.rand(*shape, generator=self.generator, device=self.device)
        return (made < of).to(self.torch.int32)

    def count(self, size):
        return self.torch.arange(size, device=self.device)


@dataclasses.dataclass(frozen=True)
class Change:
    """What a row adds to attention: functions of (f, *values), where f has tanh, minimum and maximum."""

    types: tuple = ()                  # ("name: type", ..) of its values, as in attn text
    values: Callable = lambda draw: ()
    mask: Optional[Callable] = None    # gives a mask_mod
    score: Optional[Callable] = None   # gives a score_mod


@dataclasses.dataclass(frozen=True)
class Row:
    dtype: str = "bf16"
    d: int = 128
    e: int = 128
    change: Change = Change()
    normalizer: str = "softmax"        # a name of heddle.attend's, or "sinks": softmax with the row's only value as sinks
    heads: int = 16                    # where it is timed
    lengths: tuple = ()                # that are timed
    plain: Optional[str] = None        # the row whose rate this one's is a share of
    must: tuple = ()                   # ((rival or "plain", least ratio of rates), ..)
    lag: Optional[float] = None        # of heddle.attend
    stats: tuple = ()                  # more results, by their names; see STATISTICS

    @property
    def is_plain(self):
        """PyTorch's scaled_dot_product_attention computes it."""
        return self.change in (FULL, CAUSAL) and self.normalizer == "softmax"


def _below(mask):
    """A mask of (f, *values) that no key behind the diagonal passes."""
    def both(f, *values):
        inner = mask(f, *values)
        return lambda b, h, i, j: (j <= i) & inner(b, h, i, j)
    return both


def _causal(f, *values):
    return lambda b, h, i, j: j <= i


def _in_window(f, width):
    return lambda b, h, i, j: j > i - width


def _first_or_in_window(f, first, width):
    return lambda b, h, i, j: (j < first) | (j > i - width)


def _prefix(f, length):
    return lambda b, h, i, j: (j < length) | (j <= i)


def _same_document(f, document):
    return lambda b, h, i, j: document[b, i] == document[b, j]


def _strided(f):
    return lambda b, h, i, j: (i - j < 128) | ((i - j) % 128 == 0)


def _dilated(f):
    return lambda b, h, i, j: (i - j) % 4 == 0


def _dilated_in_window(f, width):
    return lambda b, h, i, j: ((i - j) % 3 == 0) & (abs(i - j) < width)


def _strided_or_in_window(f, width):
    return lambda b, h, i, j: (i - j < width) | ((i - j) % 5 == 0)


def _seen_block(f, seen):
    return lambda b, h, i, j: seen[i // 128, j // 128] != 0


def _grid(shape, sizes, strides):
    """Of a grid of tokens: on each axis a window of so many tokens around the row, moved at borders, that a number of rows share."""
    def window(f):
        def mask(b, h, i, j):
            seen, outer = [], len(shape) - 1
            for axis in range(outer, -1, -1):  # the last one is innermost
                extent, size, stride = shape[axis], sizes[axis], strides[axis]
                x, y = (i % extent, j % extent) if axis else (i, j)
                i, j = i // extent, j // extent
                leader = x if stride == 1 else f.minimum(x // stride * stride + stride // 2, extent - 1)
                start = f.minimum(f.maximum(leader - size // 2, 0), extent - size)
                seen.append((y >= start) & (y < start + size))
            return functools.reduce(operator.and_, seen)
        return mask
    return window


def _slopes(f, slope):
    return lambda s, b, h, i, j: s + slope[h] * (j - i)


def _bias(f, table):
    return lambda s, b, h, i, j: s + table[h, i, j]


def _softcap(f):
    return lambda s, b, h, i, j: 30.0 * f.tanh(s / 30.0)


def _relative(f, table):
    return lambda s, b, h, i, j: s + table[h, f.minimum(f.maximum(i - j, 0), 127)]


def _documents(draw):
    width = max(draw.rows, draw.keys)
    ids = draw.count(width) * (16 if draw.long else 4) // max(width, 1)
    return [ids.to(draw.torch.int32).expand(draw.batch, width).contiguous()]


def _blocks(draw):
    return [draw.chance((draw.rows + 127) // 128, max((draw.keys + 127) // 128, 1), of=0.1)]


def _falling_slopes(draw):
    return [2.0 ** -draw.torch.arange(1, draw.heads + 1, device=draw.device, dtype=draw.torch.float32)]


FULL, CAUSAL = Change(), Change(mask=_causal)
WINDOW = Change(("width: index",), lambda draw: [1024 if draw.long else 50], mask=_below(_in_window))
SINK_WINDOW = Change(("first: index", "width: index"), lambda draw: [4, 1024 if draw.long else 50], mask=_below(_first_or_in_window))
PREFIX = Change(("length: index",), lambda draw: [2048 if draw.long else 90], mask=_prefix)
DOCUMENTS = Change(("document: ?x?xi32",), _documents, mask=_below(_same_document))
DILATED_WINDOW = Change(("width: index",), lambda draw: [500 if draw.long else 50], mask=_dilated_in_window)
STRIDED_WINDOW = Change(("width: index",), lambda draw: [200 if draw.long else 20], mask=_below(_strided_or_in_window))
STRIDED, DILATED = Change(mask=_below(_strided)), Change(mask=_below(_dilated))
BLOCKS = Change(("seen: ?x?xi32",), _blocks, mask=_seen_block)
SLOPES = Change(("slope: ?xf32",), _falling_slopes, mask=_causal, score=_slopes)
BIAS = Change(("bias: ?x?x?xbf16",), lambda draw: [draw.normal(draw.heads, draw.rows, draw.keys, dtype="bfloat16")], mask=_causal, score=_bias)
SOFTCAP = Change(mask=_causal, score=_softcap)
RELATIVE = Change(("table: ?x128xf32",), lambda draw: [draw.normal(draw.heads, 128)], mask=_causal, score=_relative)
SINKS = Change(("sink: ?xf32",), lambda draw: [draw.normal(draw.heads)], mask=_causal)

AREA, VOLUME = ((64, 64), (16, 16)), ((16, 32, 32), (6, 8, 8))
WINDOW_2D, BLOCKS_2D = Change(mask=_grid(*AREA, (1, 1))), Change(mask=_grid(*AREA, (16, 16)))
WINDOW_3D, BLOCKS_3D = Change(mask=_grid(*VOLUME, (1, 1, 1))), Change(mask=_grid(*VOLUME, (2, 8, 8)))

LONG, MIDDLE = (TOKENS,), (8192,)
ALL = (2048, 4096, 8192, 16384)
WIDTHS = (("fa2", 1.3), ("flex", 1.3), ("cudnn", 1.0))
ROWS = {
    "full_bf16_128": Row(lengths=ALL, must=(("cudnn", 1.03),)),
    "causal_bf16_128": Row(change=CAUSAL, lengths=ALL, must=(("cudnn", 1.10),)),
    "full_bf16_64": Row("bf16", 64, 64, heads=32, lengths=(4096, 16384), must=(("cudnn", 1.0),)),
    "causal_bf16_64": Row("bf16", 64, 64, CAUSAL, heads=32, lengths=(4096, 16384), must=(("cudnn", 1.0),)),
    "full_bf16_256": Row("bf16", 256, 256, heads=8, lengths=(4096, 16384), must=(("cudnn", 0.95),)),
    "causal_bf16_256": Row("bf16", 256, 256, CAUSAL, heads=8, lengths=(4096, 16384), must=(("cudnn", 0.95),)),
    "causal_bf16_80": Row("bf16", 80, 80, CAUSAL, lengths=MIDDLE, must=WIDTHS),
    "causal_bf16_96": Row("bf16", 96, 96, CAUSAL, lengths=MIDDLE, must=WIDTHS),
    "causal_bf16_192_128": Row("bf16", 192, 128, CAUSAL, lengths=MIDDLE, must=WIDTHS),
    "full_bf16_512": Row("bf16", 512, 512, heads=4, lengths=MIDDLE, must=WIDTHS),
    "window_bf16_128": Row(change=WINDOW, lengths=LONG, plain="causal_bf16_128", must=(("flex", 2.0),)),
    "sink_window_bf16_128": Row(change=SINK_WINDOW, lengths=LONG, plain="causal_bf16_128", must=(("flex", 2.0),)),
    "documents_bf16_128": Row(change=DOCUMENTS, lengths=LONG, plain="causal_bf16_128", must=(("flex", 2.0), ("plain", 0.8))),
    "prefix_bf16_128": Row(change=PREFIX, lengths=LONG, plain="causal_bf16_128", must=(("flex", 2.0), ("plain", 0.8))),
    "strided_bf16_128": Row(change=STRIDED, lengths=LONG, plain="causal_bf16_128", must=(("flex", 2.0),)),
    "dilated_bf16_128": Row(change=DILATED, lengths=LONG, plain="causal_bf16_128", must=(("flex", 2.0),)),
    "blocks_bf16_128": Row(change=BLOCKS, lengths=LONG, plain="full_bf16_128", must=(("flex", 2.0), ("plain", 0.8))),
    "slopes_bf16_128": Row(change=SLOPES, lengths=MIDDLE, plain="causal_bf16_128", must=(("plain", 0.9),)),
    "bias_bf16_128": Row(change=BIAS, lengths=MIDDLE, plain="causal_bf16_128", must=(("plain", 0.85),)),
    "softcap_bf16_128": Row(change=SOFTCAP, lengths=MIDDLE, plain="causal_bf16_128", must=(("plain", 0.75),)),
    "relative_bf16_128": Row(change=RELATIVE, lengths=MIDDLE, plain="causal_bf16_128", must=(("plain", 0.85),)),
    "sigmoid_bf16_128": Row(change=CAUSAL, normalizer="sigmoid", lengths=MIDDLE, plain="causal_bf16_128", must=(("plain", 0.95),)),
    "relu2_bf16_128": Row(change=CAUSAL, normalizer="relu2", lengths=MIDDLE, plain="causal_bf16_128", must=(("plain", 0.95),)),
    "sinks_bf16_128": Row(change=SINKS, normalizer="sinks", lengths=MIDDLE, plain="causal_bf16_128", must=(("plain", 0.95),)),
    "window_2d_bf16_128": Row(change=WINDOW_2D, lengths=(4096,), plain="full_bf16_128", must=(("plain", 0.35),)),
    "blocks_2d_bf16_128": Row(change=BLOCKS_2D, lengths=(4096,), plain="full_bf16_128", must=(("plain", 0.6),)),
    "window_3d_bf16_128": Row(change=WINDOW_3D, lengths=LONG, plain="full_bf16_128", must=(("plain", 0.35),)),
    "blocks_3d_bf16_128": Row(change=BLOCKS_3D, lengths=LONG, plain="full_bf16_128", must=(("plain", 0.6),)),
    "full_lag_bf16_128": Row(lengths=ALL, plain="full_bf16_128", lag=8.0),
    "causal_lag_bf16_128": Row(change=CAUSAL, lengths=ALL, plain="causal_bf16_128", lag=8.0),
    "entropy_bf16_128": Row(stats=("entropy",), lengths=(4096, 16384), plain="full_bf16_128", must=(("plain", 0.95),)),
    "entropy_causal_bf16_128": Row(change=CAUSAL, stats=("entropy",), lengths=(4096, 16384), plain="causal_bf16_128", must=(("plain", 0.95),)),
    "moments_bf16_128": Row(stats=("entropy", "mean_score", "score_variance", "collision"), lengths=(4096,), plain="full_bf16_128"),
    "colsum_bf16_128": Row(change=CAUSAL, stats=("colsum",), lengths=(4096, 16384), plain="causal_bf16_128"),
    "topk_mass_bf16_128": Row(stats=("topk_mass",), lengths=(4096,), plain="full_bf16_128"),
    # Checked, not timed.
    "causal_f16_64": Row("f16", 64, 64, CAUSAL),
    "causal_f32_64": Row("f32", 64, 64, CAUSAL),
    "dilated_window_f16_64": Row("f16", 64, 64, DILATED_WINDOW),
    "strided_window_bf16_80_96": Row("bf16", 80, 96, STRIDED_WINDOW),
    "full_bf16_8_24": Row("bf16", 8, 24),
    "causal_bf16_80_96": Row("bf16", 80, 96, CAUSAL),
}


def spec(name, row=None):
    """The heddle.Spec of a row: a function of q, k, v and what it reads."""
    import heddle

    row = row or ROWS[name]
    given = {name: f"?x?x?x{width}x{row.dtype}" for name, width in zip("qkv", (row.d, row.d, row.e))}
    given |= dict(each.split(": ") for each in row.change.types)

    def attend(q, k, v, *values):
        mask, score = (make and make(heddle, *values) for make in (row.change.mask, row.change.score))
        weights = {"sink": values[0]} if row.normalizer == "sinks" else {"normalizer": row.normalizer}
        result = heddle.attend(q, k, v, mask_mod=mask, score_mod=score, lag=row.lag, stats=row.stats, **weights)
        return (result[0], *result[1].values()) if row.stats else result

    attend.__name__ = name
    attend.__signature__ = inspect.Signature([inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in given])
    return heddle.Spec(attend, given)


def functions(torch):
    """What a row's functions call, for arrays of PyTorch."""
    return types.SimpleNamespace(tanh=torch.tanh, minimum=lambda x, most: torch.clamp(x, max=most),
                                 maximum=lambda x, least: torch.clamp(x, min=least))


def modifiers(torch, row, values):
    """(mask_mod, score_mod), None where the row has none, of PyTorch's arrays of positions."""
    return tuple(make and make(functions(torch), *values) for make in (row.change.mask, row.change.score))


def reference(torch, row, q, k, v, values, rows=None):
    """The result in float64, of all rows or of those that an array names. Computed from the definition."""
    return results(torch, row, q, k, v, values, rows)[0]


def results(torch, row, q, k, v, values, rows=None):
    """The result and the statistics, likewise; None for what some rows do not tell."""
    values = [x.double() if hasattr(x, "is_floating_point") and x.is_floating_point() and x.numel() < 1 << 20 else x for x in values]
    mask, score = modifiers(torch, row, values)
    heads, keys = q.shape[1], k.shape[2]
    k, v = (x.double().repeat_interleave(heads // x.shape[1], 1) for x in (k, v))
    rows = torch.arange(q.shape[2], device=q.device) if rows is None else rows
    at = [torch.arange(q.shape[0], device=q.device)[:, None, None, None], torch.arange(heads, device=q.device)[:, None, None],
          rows[:, None], torch.arange(keys, device=q.device)]
    x = q[:, :, rows].double() @ k.transpose(-1, -2) / row.d ** 0.5
    if score is not None:
        x = score(x, *at)
    seen = torch.ones_like(x, dtype=torch.bool) if mask is None else mask(*at).expand(x.shape)
    p = weights(torch, row, x, seen, values)
    return [p @ v, *(None if name == "colsum" and len(rows) < q.shape[2] else STATISTICS[name](torch, p, x) for name in row.stats)]


# Of the probabilities p of scores x. No key: 0.
STATISTICS = {"entropy": lambda torch, p, x: -torch.xlogy(p, p).sum(-1), "mean_score": lambda torch, p, x: (p * x).sum(-1),
              "score_variance": lambda torch, p, x: (p * (x - (p * x).sum(-1, keepdim=True)) ** 2).sum(-1),
              "collision": lambda torch, p, x: (p * p).sum(-1), "colsum": lambda torch, p, x: p.sum(-2),
              "topk_mass": lambda torch, p, x: p.topk(min(4, p.shape[-1]), -1).values.sum(-1)}


def weights(torch, row, x, seen, values):
    if row.normalizer == "sigmoid":
        return torch.sigmoid(x).masked_fill(~seen, 0.0)
    if row.normalizer == "relu2":
        return x.clamp(min=0.0).square().masked_fill(~seen, 0.0)
    x = x.masked_fill(~seen, -torch.inf)
    if row.normalizer == "sinks":
        x = torch.cat([x, values[0][None, :, None, None].expand(*x.shape[:3], 1)], -1)
        return torch.softmax(x, -1)[..., :-1]
    return torch.softmax(x, -1).nan_to_num(0.0) if x.shape[-1] else x


def visible_pairs(torch, row, values, length, device="cuda"):
    """How many pairs of a row and a key the first sequence and head have, which all others have, too."""
    mask, _ = modifiers(torch, row, values)
    if mask is None:
        return length * length
    zero, j = torch.zeros((), dtype=torch.long, device=device), torch.arange(length, device=device)
    chunks = torch.arange(length, device=device).split(1024)
    return sum(int(mask(zero, zero, i[:, None], j).sum()) for i in chunks)
