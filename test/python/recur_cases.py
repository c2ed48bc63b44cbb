"""The table of compiled recurrences that the random suites run, on a CPU and on a GPU, and random cases of its rows.

A row is what is compiled; sizes, strides, decays, states and resets are drawn for every case. Arrays are NumPy's, of float32 with values
that the row's element type holds; Heddle is imported only where a row is called.
"""
import dataclasses
import zlib

import numpy as np

from random_cases import packed_offsets, rounded
from recur_oracle import recurrence, spread, wide
from strides import STRIDES, strided

TOKENS = (1, 2, 5, 15, 16, 17, 33, 63, 64, 65, 100, 127, 128, 129, 150, 200)
# Decays: their product over 64 tokens is near 1, usual, 1e-15, 1e-40, or 0; or every fifth token forgets.
STRENGTHS = ("near 1", "usual", "1e-15", "1e-40", "strong", "resets")
MAPS = {"none": lambda x: x, "exp": lambda x: np.exp(x / 2), "squares": lambda x: np.concatenate([x * x, np.maximum(x, 0)], -1)}
PLACES = {"": None, "behind": lambda i: i - 20, "blocks": lambda i: i // 64 * 64 - 1, "end": lambda i: i * 0 + 2**30}


@dataclasses.dataclass(frozen=True)
class Row:
    """One compiled recurrence."""

    gate: str = "none"        # "head", "token", "channel"
    element: str = "f32"
    width: int = 32
    value_width: int = 32
    layout: str = "bhtd"
    features: str = "none"
    normalizer: str = "none"
    initial: bool = True
    mass: bool = False        # is returned, too
    segments: bool = False
    at: str = ""              # which token's state a row reads: a name of PLACES
    chunk: int = 0            # 0: the compiler's choice
    step: bool = False        # one token, by its own kernel

    def __str__(self):
        parts = [self.gate, self.element, f"{self.width}x{self.value_width}", self.layout, *(x for x in (self.features, self.normalizer) if x != "none"),
                 "" if self.initial else "from 0", "mass" * self.mass, "segments" * self.segments, self.at and f"reads {self.at}",
                 f"chunks of {self.chunk}" if self.chunk else "", "step" * self.step]
        return "-".join(part for part in parts if part)


GATES = ("none", "head", "token", "channel")
TABLE = [
    *(Row(gate) for gate in GATES), *(Row(gate, layout="bthd", value_width=48) for gate in GATES),
    *(Row(gate, layout="thd", width=16) for gate in GATES), *(Row(gate, features="exp", normalizer="sum") for gate in GATES),
    *(Row(gate, "f16", 64, 64, features="squares", normalizer="sum", initial=False) for gate in ("none", "token")),
    *(Row(gate, "bf16", 64, 64) for gate in GATES), *(Row(gate, width=8, value_width=24, segments=True) for gate in GATES),
    *(Row(gate, at=at, features="exp", normalizer="sum", mass=True) for gate, at in (("token", "behind"), ("none", "end"), ("head", "blocks"))),
    *(Row(gate, chunk=chunk) for gate, chunk in (("token", 16), ("token", 128), ("channel", 16), ("channel", 64), ("head", 256))),
    *(Row(gate, step=True, features="exp", normalizer="sum") for gate in GATES), Row("token", step=True), Row("channel", "bf16", 64, 64, step=True),
    Row("token", "bf16", 64, 64, "thd", "exp", "sum"), Row("token", layout="bthd", features="squares", normalizer="sum", mass=True, segments=True),
]


def gates(generator, shape, strength):
    """Logarithms of decays."""
    x = generator.standard_normal(shape)
    if strength == "resets":
        return np.where(generator.random(shape) < 0.2, -np.inf, -np.abs(x) / 8).astype(np.float32)
    if strength.startswith("1e"):
        return (np.log(float(strength)) / 64 * generator.uniform(0.5, 1.5, shape)).astype(np.float32)
    return {"near 1": -np.abs(x) * 1e-4, "usual": -np.log1p(np.exp(-x)), "strong": -20 * np.abs(x)}[strength].astype(np.float32)


class Case:
    def __init__(self, row, number, seed=0):
        self.row, self.number, self.seed = row, number, seed
        generator = self.generator = np.random.default_rng([zlib.crc32(str(row).encode()), number, seed])
        pick = lambda values: values[int(generator.integers(len(values)))]
        self.heads = pick((1, 2, 4))
        divisors = [n for n in (1, 2, 4) if self.heads % n == 0]
        self.tokens = 1 if row.step else pick(TOKENS)
        self.batch = 1 if row.layout == "thd" else int(generator.integers(1, 4))
        rows = pick(TOKENS) if row.at else self.tokens
        self.stride = STRIDES[number % len(STRIDES)]
        self.q, self.k, self.v = (rounded(generator.standard_normal((self.batch, heads, length, width)), row.element) for heads, length, width in (
            (self.heads, rows, row.width), (pick(divisors), self.tokens, row.width), (pick(divisors), self.tokens, row.value_width)))
        self.features = MAPS[row.features](self.q[..., :1, :]).shape[-1] if row.features != "none" else row.width
        self.scale = float(self.features ** -0.5 if number % 2 else 0.25)
        self.strength = STRENGTHS[number % len(STRENGTHS)] if row.gate != "none" else "none"
        shape = {"none": None, "head": (pick(divisors),), "token": (self.batch, pick(divisors), self.tokens),
                 "channel": (self.batch, pick(divisors), self.tokens, self.features)}[row.gate]
        self.gate = None if shape is None else gates(generator, shape, self.strength)
        self.starts = packed_offsets(generator, int(generator.integers(1, 5)), self.tokens) if row.layout == "thd" else None
        sequences = self.batch if self.starts is None else len(self.starts) - 1
        self.state = self.z = None
        if row.initial:
            self.state = np.abs(generator.standard_normal((sequences, self.heads, self.features, row.value_width))).astype(np.float32)
            self.z = np.abs(generator.standard_normal(self.state.shape[:3])).astype(np.float32) if row.normalizer == "sum" else None
        self.ids = (generator.random((self.batch, self.tokens)) < 0.05).cumsum(1).astype(np.int32) if row.segments else None

    def __str__(self):
        return (f"{self.row} number {self.number} seed {self.seed}: b={self.batch} h={self.heads}/{self.k.shape[1]}/{self.v.shape[1]} "
                f"rows={self.q.shape[2]} tokens={self.tokens} decays={self.strength} scale={self.scale} strides={self.stride}")

    def arrays(self):
        """What the row takes, by name, in the order of its layout; q, k and v with the case's strides."""
        order = {"bhtd": lambda x: x, "bthd": lambda x: x.swapaxes(1, 2), "thd": lambda x: x[0].swapaxes(0, 1)}[self.row.layout]
        shaped = lambda x: x if x is None or x.ndim == 1 else np.ascontiguousarray(order(x))
        found = {name: strided(shaped(x), self.stride) for name, x in (("q", self.q), ("k", self.k), ("v", self.v))}
        found |= {"gate": shaped(self.gate), "cu_seqlens": self.starts, "segments": self.ids, "state": self.state, "mass": self.z}
        return {name: x for name, x in found.items() if x is not None}

    def shapes(self):
        """(shape, element type) of each result."""
        sizes = (self.batch, self.heads, self.q.shape[2], self.row.value_width)
        order = {"bhtd": (0, 1, 2, 3), "bthd": (0, 2, 1, 3), "thd": (2, 1, 3)}[self.row.layout]
        sequences = self.batch if self.starts is None else len(self.starts) - 1
        found = [(tuple(sizes[axis] for axis in order), self.row.element)] + [(sizes[:3], "f32")] * self.row.mass
        state = (sequences, self.heads, self.features, self.row.value_width)
        return found + [(state, "f32")] + [(state[:3], "f32")] * (self.row.normalizer == "sum")

    def expected(self):
        """Every result in float64, as `shapes` says."""
        row, spans = self.row, [slice(0, self.tokens)] if self.starts is None else [slice(a, b) for a, b in zip(self.starts, self.starts[1:])]
        q, k = (wide(MAPS[row.features](x.astype(np.float64)), self.heads) for x in (self.q, self.k))
        gate, v, divide = spread(self.gate, self.heads), wide(self.v, self.heads), row.normalizer == "sum"
        begins = None
        if self.ids is not None:
            begins = np.zeros(self.ids.shape, bool)
            begins[:, 1:] = self.ids[:, 1:] != self.ids[:, :-1]
        parts = []
        for n, span in enumerate(spans):
            cut = lambda x: x if x is None or x.shape[2] == 1 < self.tokens else x[:, :, span]
            own = lambda x: None if x is None else x if self.starts is None else x[n:n + 1]
            where = dict(begins=begins, at=PLACES[row.at](np.arange(self.q.shape[2])) if row.at else None)
            rows = q if row.at else cut(q)
            o, s, z = recurrence(rows, cut(k), cut(v), cut(gate), own(self.state), own(self.z), scale=self.scale, divide=divide, **where)
            masses = []
            if row.mass:
                first = None if self.z is None else own(self.z)[..., None]
                masses = [recurrence(rows, cut(k), np.ones((*k.shape[:2], span.stop - span.start, 1)), cut(gate), first, **where)[0][..., 0]]
            parts.append((o, *masses, s, *([z] if divide else [])))
        if self.starts is None:
            o, *more = parts[0]
            return [o.swapaxes(1, 2) if row.layout == "bthd" else o, *more]
        o, *more = zip(*parts)
        return [np.concatenate(o, 2)[0].swapaxes(0, 1), *(np.concatenate(x, 0) for x in more)]

    def options(self):
        """How heddle.recur or recur_step is asked for the row, its arrays left out."""
        import heddle
        traced = {"none": None, "exp": lambda x: heddle.exp(x / 2), "squares": lambda x: heddle.concat([x * x, heddle.maximum(x, 0.0)])}
        found = {"feature_map": traced[self.row.features], "normalizer": self.row.normalizer, "scale": self.scale}
        if not self.row.step:
            found |= {"layout": self.row.layout, "at": "end" if self.row.at == "end" else PLACES[self.row.at], "return_mass": self.row.mass,
                      "chunk_size": self.row.chunk or None, "return_final_state": True}
        return found
