"""Random cases of the rows of attend_cases.TABLE: sizes, values, strides, lengths, pages, and what is expected of them.

Arrays are NumPy's, of float32 with values that the row's element type holds, so that nothing of Heddle and no library of
element types is needed to make a case.
"""
import zlib

import numpy as np

import oracle
from strides import STRIDES, strided

SHORT = (1, 2, 7, 16, 33, 64, 65, 100, 129, 150)
LONG = (*SHORT, 200, 257, 300, 515, 700)
# The first cases of every row are the degenerate ones.
DEGENERATE = ((1, 1), (1, 70), (5, 0), (37, 130), (130, 37))


def rounded(values, element):
    """float32 values that the element type holds, to nearest even."""
    values = values.astype(np.float32)
    if element == "bf16":
        bits = values.view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32).copy()  # views find their owner by type
    return values if element == "f32" else values.astype(np.float16).astype(np.float32)


def packed_offsets(generator, batch, total):
    inner = np.sort(generator.integers(0, total + 1, batch - 1))
    return np.concatenate([[0], inner, [total]]).astype(np.int32)


class Pool:
    """Keys and values in pages that lie anywhere in a pool; what is not used is NaN. Arrays k, v are (b, h, keys, d)."""

    def __init__(self, generator, k, v, lengths, page, spare=3):
        self.lengths, self.page = np.array(lengths, np.int32), page
        batch, heads, keys, _ = k.shape
        used = -(-self.lengths // page)
        pages = int(used.sum()) + spare
        self.k, self.v = (np.full((pages, heads, page, x.shape[3]), np.nan, np.float32).astype(x.dtype) for x in (k, v))
        self.table = np.full((batch, keys // page), -1, np.int32)
        free = list(generator.permutation(pages))
        for b in range(batch):
            for n in range(used[b]):
                self.table[b, n] = at = free.pop()
                part = slice(n * page, min((n + 1) * page, self.lengths[b]))  # the rest of the last page stays NaN
                self.k[at, :, :part.stop - part.start] = k[b, :, part]
                self.v[at, :, :part.stop - part.start] = v[b, :, part]

    def drop_before(self, first_keys):
        """Give back the pages that lie wholly before a key: -1, which reads page 0, so what that holds must be numbers."""
        for b, first in enumerate(first_keys):
            self.table[b, :max(0, first) // self.page] = -1
        self.k, self.v = np.nan_to_num(self.k), np.nan_to_num(self.v)


class Case:
    def __init__(self, row, number, draw, seed=0, lengths=SHORT):
        """`draw` makes the attend_cases.Draw of a case."""
        self.row, self.number, self.seed = row, number, seed
        generator = self.generator = np.random.default_rng([zlib.crc32(str(row).encode()), number, seed])
        self.batch, self.key_heads = int(generator.integers(1, 4)), int(generator.integers(1, 3))
        self.heads = self.key_heads * int(generator.integers(1, 4))
        self.rows, self.keys = DEGENERATE[number] if number < len(DEGENERATE) else tuple(int(generator.choice(lengths)) for _ in range(2))
        if row.page:
            self.keys = -(-self.keys // row.page) * row.page
        self.stride = STRIDES[number % len(STRIDES)]
        self.window = None if not row.window else tuple(int(generator.integers(0, 40)) if side in row.window else -1 for side in "lr")
        self.scale = None if number % 2 else float(np.float32(generator.uniform(0.05, 0.5)))
        self.magnitude = row.magnitude * (1.0, 1.0, 1.0, 10.0)[number % 4]
        self.grows = number % 7 == 6
        self.q, self.k = (self.values(heads, length, row.width, self.magnitude) for heads, length in
                          ((self.heads, self.rows), (self.key_heads, self.keys)))
        self.v = self.values(self.key_heads, self.keys, row.value_width, 1.0)
        if self.grows and self.keys:  # every block of keys has a larger maximum than those before
            self.q[..., 0] = 2.0
            self.k[..., 0] = rounded(np.linspace(0.0, 6.0 / self.used_scale, self.keys), row.element)
        self.sink = generator.standard_normal(self.heads).astype(np.float32) if row.sink else None
        has_lengths = row.lengths or row.page
        self.lengths = generator.integers(0, self.keys + 1, self.batch).astype(np.int32) if has_lengths else None
        self.pool = Pool(generator, self.k, self.v, self.lengths, row.page) if row.page else None
        if self.pool and row.window == "l" and row.causal is True and number % 2:
            # No row sees what lies before the first row's window.
            self.pool.drop_before(self.lengths - self.rows - self.window[0])
        self.starts_q = self.starts_k = None
        if row.layout == "thd":
            sequences = int(generator.integers(1, 6))
            self.starts_q = packed_offsets(generator, sequences, self.rows)
            # Either the same offsets for keys (self-attention) or others.
            self.starts_k = self.starts_q if self.rows == self.keys else packed_offsets(generator, sequences, self.keys)
        self.draw = draw(generator, self.batch, self.heads, self.rows, self.keys)

    def values(self, heads, length, width, magnitude):
        return rounded(self.generator.standard_normal((self.batch, heads, length, width)) * magnitude, self.row.element)

    @property
    def used_scale(self):
        return 1 / np.sqrt(self.row.width) if self.scale is None else self.scale

    def mods(self, plain):
        self.draw.plain, self.draw.at = plain, 0
        return self.row.mods(self.draw) if self.row.mods else (None, None)

    def __str__(self):
        return (f"{self.row} number {self.number} seed {self.seed}: b={self.batch} h={self.heads}/{self.key_heads} rows={self.rows} "
                f"keys={self.keys} window={self.window} scale={self.scale} strides={self.stride}{' growing' * self.grows}")

    def arrays(self, swap=lambda x: x):
        """q, k and v (or their pools) as they lie in memory: in the order of the layout, with the case's strides. `swap`
        exchanges heads and positions of an array in that order."""
        if self.row.layout == "thd":
            return [np.ascontiguousarray(x[0].swapaxes(0, 1)) for x in (self.q, self.k, self.v)]
        order = swap if self.row.layout == "bthd" else lambda x: x
        keys = (self.k, self.v) if not self.pool else (self.pool.k, self.pool.v)
        return [order(strided(x, self.stride)) for x in (self.q, *keys)]

    def expected(self):
        """(o, lse) in float64: (b, h, t, e) and (b, h, t), or None. Packed sequences are one after another in a batch of 1."""
        everything = [slice(0, self.rows), slice(0, self.keys)]
        if self.row.layout == "thd":
            spans = [[slice(int(a), int(b)) for a, b in zip(starts, starts[1:])] for starts in (self.starts_q, self.starts_k)]
            parts, axis = [self._part(0, *span, None) for span in zip(*spans)], 2
        else:
            parts = [self._part(b, *everything, None if self.lengths is None else int(self.lengths[b])) for b in range(self.batch)]
            axis = 0
        return tuple(None if each[0] is None else np.concatenate(each, axis) for each in zip(*parts))

    def _part(self, b, rows, keys, key_length):
        """(o, lse) of sequence b, for some of its rows and keys."""
        score_mod, mask_mod = self.mods(plain=True)
        at = lambda mod: mod and (lambda *args: mod(*args[:-4], args[-4] + b, *args[-3:]))
        seen = oracle.visible(rows.stop - rows.start, keys.stop - keys.start, self.row.causal, self.window, key_length)
        pick = lambda x, part: x[b:b + 1, :, part]
        with np.errstate(over="ignore"):
            return oracle.attend(pick(self.q, rows), pick(self.k, keys), pick(self.v, keys), seen, scale=self.used_scale, sink=self.sink,
                                 normalizer=self.row.normalizer, score_mod=at(score_mod), mask_mod=at(mask_mod))

    def check(self, expected, got, lse=None):
        """Compare with `expected()`; what sees nothing is exactly 0."""
        o, log_sum = expected
        oracle.check(o, got, self.row.element, str(self))
        empty = ~np.isfinite(log_sum) if log_sum is not None else np.zeros(o.shape[:-1], bool)
        assert not np.asarray(got, np.float32)[empty].any(), f"{self}: expected exactly 0 in rows that see nothing"
        if lse is not None:
            oracle.check(log_sum, lse, self.row.element, f"{self}, lse")
