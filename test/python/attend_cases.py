"""The table of compiled attends that the random suites run, on a CPU and on a GPU.

A row of the table is what is compiled; all else is drawn for every case (random_cases.py). Mods are written with NumPy's
functions: the compiled one is traced from the very function that the oracle evaluates on arrays of positions. Heddle is
imported only where something is traced.
"""
import dataclasses
from typing import Any, Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Row:
    """One compiled attend. `mods` makes (score_mod, mask_mod, arguments for the oracle) from a Draw."""

    element: str = "f32"
    width: int = 32
    value_width: int = 32
    layout: str = "bhtd"
    causal: Any = False
    window: str = ""  # which sides are bounded: "l", "r", "lr"
    lengths: bool = False
    sink: bool = False
    lse: bool = True
    normalizer: str = "softmax"
    mods: Callable = None
    magnitude: float = 1.0
    page: int = 0  # rows of a page, where keys and values are in pages (and have lengths)

    def __str__(self):
        parts = [self.element, f"{self.width}x{self.value_width}", self.layout, f"causal={self.causal}" if self.causal else "",
                 f"window={self.window}" if self.window else "", "lengths" if self.lengths else "", f"pages of {self.page}" if self.page else "", "sink" if self.sink else "",
                 self.normalizer if self.normalizer != "softmax" else "", self.mods.__name__ if self.mods else "",
                 f"scores of {self.magnitude:g}" if self.magnitude != 1.0 else "", "" if self.lse else "no lse"]
        return "-".join(part for part in parts if part)


@dataclasses.dataclass
class Draw:
    """The sizes of a case and the random values of its mods. `number(n)` is a run-time integer: traced as an argument,
    plain for the oracle."""

    generator: np.random.Generator
    batch: int
    heads: int
    rows: int
    keys: int
    plain: bool = False
    values: list = dataclasses.field(default_factory=list)
    traced: list = dataclasses.field(default_factory=list)  # what stood for each value when it was traced
    at: int = 0

    def take(self, make):
        """The same value for the traced and for the plain function."""
        if self.at == len(self.values):
            self.values.append(make())
            self.traced.append(self.values[-1])
        self.at += 1
        return self.values[self.at - 1]

    def scalar(self, make):
        value = self.take(make)
        if self.plain:
            return value
        import heddle
        self.traced[self.at - 1] = heddle.scalar(value)
        return self.traced[self.at - 1]

    def number(self, low, high):
        return self.scalar(lambda: int(self.generator.integers(low, high + 1)))

    def real(self, low, high):
        return self.scalar(lambda: float(np.float32(self.generator.uniform(low, high))))

    def table(self, *shape, dtype=np.float32, below=None):
        if below is not None:
            return self.take(lambda: self.generator.integers(0, below, shape).astype(dtype))
        return self.take(lambda: self.generator.standard_normal(shape).astype(dtype))


def alibi(draw):
    slopes = draw.table(draw.heads)
    return lambda s, b, h, i, j: s + slopes[h] * (j - i) * 0.125, None


def softcap(draw):
    cap = draw.real(1.0, 20.0)
    return lambda s, b, h, i, j: cap * np.tanh(s / cap), None


def pair_bias(draw):
    bias = draw.table(draw.heads, draw.rows, draw.keys)
    return lambda s, b, h, i, j: s + bias[h, i, j], None


def relative_bias(draw):
    most = draw.rows + draw.keys
    table, span = draw.table(draw.heads, 2 * most), draw.number(most, most)
    return lambda s, b, h, i, j: s + table[h, j - i + span], None


def half_precision_table(draw):
    table = draw.table(draw.batch, draw.keys, dtype=np.float16)
    return lambda s, b, h, i, j: s * table[b, j], None


def hidden_by_score(draw):
    limit = draw.number(-20, 20)
    return lambda s, b, h, i, j: np.where(j > i + limit, -np.inf, s), None


def positive(draw):
    return lambda s, b, h, i, j: np.abs(s) + 0.25, None


def documents(draw):
    rows, keys = draw.table(draw.batch, draw.rows, dtype=np.int32, below=4), draw.table(draw.batch, draw.keys, dtype=np.int32, below=4)
    return None, lambda b, h, i, j: rows[b, i] == keys[b, j]


def sorted_documents(draw):
    ids = np.sort(draw.table(draw.batch, max(draw.rows, draw.keys), dtype=np.int64, below=5), axis=1)
    ids = draw.take(lambda: ids)
    return None, lambda b, h, i, j: (ids[b, i] == ids[b, j]) & (j <= i)


def padding(draw):
    real = draw.table(draw.batch, draw.keys, dtype=np.int8, below=2)
    real = draw.take(lambda: real.astype(bool))
    return None, lambda b, h, i, j: real[b, j]


def prefix(draw):
    length = draw.number(0, 40)
    return None, lambda b, h, i, j: (j < length) | (j <= i)


def dilated(draw):
    step = draw.number(1, 7)
    return None, lambda b, h, i, j: (i - j) % step == 0


def dilated_by_three(draw):
    return None, lambda b, h, i, j: (i - j) % 3 == 0


def shifted_by_head(draw):
    return None, lambda b, h, i, j: (i + 2 * h - j) % 5 == 0


def dilated_documents(draw):
    (_, same), bias = sorted_documents(draw), draw.table(draw.heads, draw.rows, draw.keys)
    return (lambda s, b, h, i, j: s + bias[h, i, j]), lambda b, h, i, j: ((i - j) % 2 == 0) & same(b, h, i, j)


def strided_by_four(draw):
    width = draw.number(1, 60)
    return None, lambda b, h, i, j: (abs(i - j) < width) | ((i - j) % 4 == 0)


def blocks(draw):
    size = draw.number(1, 50)
    return None, lambda b, h, i, j: i // size == j // size


def per_head_window(draw):
    width = draw.table(draw.heads, dtype=np.int32, below=60)
    return None, lambda b, h, i, j: (j <= i) & (j > i - width[h])


def strided_or_local(draw):
    width, step = draw.number(1, 30), draw.number(2, 9)
    return None, lambda b, h, i, j: ((i - j < width) & (j <= i)) | (j % step == step - 1)


def bit_pattern(draw):
    return None, lambda b, h, i, j: ((i ^ j) & 5) != 4


def nothing(draw):
    limit = draw.number(-3, 0)
    return None, lambda b, h, i, j: j < limit


def not_the_self(draw):
    return None, lambda b, h, i, j: ~(i == j) & (h % 2 == 0) | (j < i)


def both(draw):
    slopes, width = draw.table(draw.heads), draw.number(1, 64)
    return (lambda s, b, h, i, j: s - abs(slopes[h] * (i - j)) * 0.25), (lambda b, h, i, j: (i - j < width) & (j - i < width))


# Masks of which long rows are taken by residue classes.
RESIDUES = [
    Row(mods=dilated_by_three), Row("bf16", 64, 64, causal=True, window="l", layout="bthd", mods=dilated_by_three),
    Row(mods=shifted_by_head, causal=True, lengths=True), Row("f16", mods=dilated_documents),
    Row(mods=strided_by_four, causal=True), Row("bf16", 40, 72, normalizer="signed", mods=strided_by_four),
]
TABLE = [
    Row(), Row("f16"), Row("bf16"), Row(lse=False),
    Row(width=64, value_width=64), Row("bf16", 64, 64), Row("f16", 128, 128), Row("bf16", 128, 128),
    Row(normalizer="linear", lse=False, mods=positive),
    Row(width=8, value_width=24), Row("bf16", 40, 72), Row("f16", 96, 16), Row("f32", 200, 8), Row("bf16", 256, 512),
    Row(causal=True), Row("bf16", 64, 64, causal=True), Row(causal="top-left"), Row("f16", causal="top-left", window="l"),
    Row(window="l"), Row(window="r"), Row(window="lr"), Row("bf16", window="lr"), Row(causal=True, window="l"),
    Row(layout="bthd"), Row("bf16", 64, 64, layout="bthd", causal=True), Row("f16", layout="bthd", window="lr", lengths=True),
    Row(lengths=True), Row("bf16", lengths=True, causal=True), Row(lengths=True, window="l", causal="top-left"),
    Row(layout="thd"), Row("bf16", 64, 64, layout="thd", causal=True), Row("f16", layout="thd", window="lr"),
    Row(layout="thd", causal="top-left", lse=False),
    Row(sink=True), Row("bf16", sink=True, causal=True, window="l"), Row(layout="thd", sink=True),
    Row(normalizer="softmax_plus_one"), Row(normalizer="sigmoid", lse=False), Row(normalizer="relu", lse=False),
    Row(normalizer="relu2", lse=False, causal=True), Row(normalizer="signed"), Row(normalizer="none", lse=False),
    Row(mods=alibi), Row("bf16", mods=alibi, causal=True), Row(mods=softcap), Row(mods=pair_bias), Row(mods=relative_bias),
    Row(mods=half_precision_table), Row(mods=hidden_by_score), Row(mods=documents), Row("f16", mods=sorted_documents),
    Row(mods=padding), Row(mods=prefix), Row(mods=dilated), Row(mods=blocks), Row(mods=per_head_window),
    Row(mods=strided_or_local), Row(mods=bit_pattern), Row(mods=both, layout="bthd"), Row(mods=nothing, magnitude=1e2),
    *RESIDUES,
]
assert len(TABLE) <= 66
