"""What is timed: a shape, an element type and a mask, its FLOPs, and its value in float64 on sampled rows."""

import dataclasses
import math

import numpy as np

# Relative Frobenius error against float64 on the same inputs.
TOLERANCE = {"f32": 1e-5, "f16": 2e-3, "bf16": 1e-2}


@dataclasses.dataclass(frozen=True)
class Case:
    length: int
    heads: int
    key_heads: int
    width: int
    dtype: str
    mask: str  # "full", "causal", or "window:N": the last N keys up to the diagonal
    batch: int = 1

    @property
    def window(self):
        return int(self.mask.split(":")[1]) if self.mask.startswith("window:") else None

    def first_key(self, row):
        return 0 if self.window is None else max(0, row - self.window + 1)

    def end_key(self, row):
        return self.length if self.mask == "full" else row + 1

    def flops(self):
        """Two products over the visible pairs."""
        n, w = self.length, min(self.window or self.length, self.length)
        pairs = n * n if self.mask == "full" else w * (w + 1) // 2 + (n - w) * w
        return 4 * self.width * pairs * self.heads * self.batch

    def arguments(self):
        """How heddle.attend is asked for the mask."""
        if self.mask == "full":
            return {}
        return {"causal": True} if self.window is None else {"causal": True, "window": (self.window - 1, -1)}

    def __str__(self):
        return f"{self.dtype} B={self.batch} H={self.heads}/{self.key_heads} T={self.length} D={self.width} {self.mask}"


def inputs(case, seed=0):
    """q, k, v in (b, h, t, d) as float32 arrays of values that the element type can hold."""
    random = np.random.default_rng(seed)
    shape = lambda heads: (case.batch, heads, case.length, case.width)
    arrays = [random.standard_normal(shape(heads), np.float32) for heads in (case.heads, case.key_heads, case.key_heads)]
    if case.dtype == "f16":
        return [array.astype(np.float16).astype(np.float32) for array in arrays]
    if case.dtype == "bf16":
        import ml_dtypes

        return [array.astype(ml_dtypes.bfloat16).astype(np.float32) for array in arrays]
    return arrays


def sampled_rows(case, count=24):
    ends = [0, min(1, case.length - 1), case.length // 2, case.length - 1]
    return sorted(set(ends) | set(np.random.default_rng(1).integers(0, case.length, count).tolist()))


def reference(case, q, k, v, rows):
    """Rows of the result in float64, (b, h, rows, d)."""
    group = case.heads // case.key_heads
    result = np.empty((case.batch, case.heads, len(rows), case.width))
    for b, h in np.ndindex(case.batch, case.heads):
        keys, values = k[b, h // group].astype(np.float64), v[b, h // group].astype(np.float64)
        for n, row in enumerate(rows):
            seen = slice(case.first_key(row), case.end_key(row))
            scores = keys[seen] @ q[b, h, row].astype(np.float64) / math.sqrt(case.width)
            weights = np.exp(scores - scores.max())
            result[b, h, n] = weights @ values[seen] / weights.sum()
    return result
