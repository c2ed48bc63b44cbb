"""Paged caches: heddle.attend with a block_table against float64 NumPy on the gathered keys."""
import re

import numpy as np
import pytest

import heddle
import layouts
import oracle
from random_cases import Pool


class Cache(Pool):
    """Random sequences of keys and values in a pool."""

    def __init__(self, generator, lengths, most_pages, page, heads, width, value_width, element="f32"):
        arrays = (layouts.random(generator, (len(lengths), heads, most_pages * page, w), element) for w in (width, value_width))
        self.keys, self.values = arrays
        super().__init__(generator, self.keys, self.values, lengths, page)

    def pools(self, layout):
        """In the order of a layout: rows of a page before or after heads."""
        order = (lambda x: x) if layout == "bhtd" else (lambda x: np.ascontiguousarray(x.swapaxes(1, 2)))
        return order(self.k), order(self.v)


def expected(cache, q, **options):
    """(o, lse) of q (b, h, t, d) over the keys of each sequence."""
    causal, window, mask_mod = (options.pop(name, None) for name in ("causal", "window", "mask_mod"))
    parts = []
    for b, length in enumerate(cache.lengths):
        seen = oracle.visible(q.shape[2], int(length), causal, window)
        mod = mask_mod and (lambda b_, h, i, j, b=b: mask_mod(b_ + b, h, i, j))
        parts.append(oracle.attend(q[b:b + 1], cache.keys[b:b + 1, :, :length], cache.values[b:b + 1, :, :length], seen,
                                   scale=1 / np.sqrt(q.shape[3]), mask_mod=mod, **options))
    return tuple(np.concatenate([part[n] for part in parts]) for n in range(2))


@pytest.mark.parametrize("layout", ["bhtd", "bthd"])
@pytest.mark.parametrize("page, most_pages, element", [(16, 9, "f32"), (64, 3, "bf16"), (7, 11, "f16"), (128, 2, "f32"), (1, 40, "f32")])
def test_pages_anywhere(layout, page, most_pages, element):
    generator = np.random.default_rng([page, most_pages])
    room = page * most_pages
    cache = Cache(generator, [0, 1, room, room // 2 + 1, page], most_pages, page, 2, 32, 24, element)
    swap = (lambda x: x) if layout == "bhtd" else (lambda x: np.ascontiguousarray(x.swapaxes(1, 2)))
    k, v = cache.pools(layout)
    for rows, causal in ((1, False), (1, True), (5, True), (70, False)):
        q = layouts.random(generator, (5, 6, rows, 32), element)
        output = layouts.Output(swap(np.empty((5, 6, rows, 24))).shape, q.dtype)
        status = heddle.Status()
        _, lse = heddle.attend(swap(q), k, v, causal=causal, layout=layout, block_table=cache.table, page_size=page,
                               cache_seqlens=cache.lengths, return_lse=True, out=output.array, status=status)
        o, log_sum = expected(cache, q, causal=causal)
        oracle.check(o, swap(output.array), element, f"rows {rows}, causal {causal}")
        oracle.check(log_sum, lse, "f32" if element == "f32" else element)
        assert output.intact() and status.word == 0
        assert not np.asarray(swap(output.array), np.float32)[0].any(), "a sequence without keys gives 0"


def test_more_pages_and_lengths_compile_nothing():
    from heddle import _compiler
    generator = np.random.default_rng(2)
    before = None
    for most_pages, lengths in ((4, [10, 64]), (7, [112, 3]), (1, [0, 16])):
        cache = Cache(generator, lengths, most_pages, 16, 2, 16, 16)
        q = layouts.random(generator, (2, 4, 3, 16), "f32")
        got = heddle.attend(q, *cache.pools("bhtd"), block_table=cache.table, cache_seqlens=cache.lengths)
        oracle.check(expected(cache, q)[0], got, "f32")
        before = len(_compiler._packs) if before is None else before
        assert len(_compiler._packs) == before


def test_without_lengths_every_key_exists():
    generator = np.random.default_rng(3)
    cache = Cache(generator, [48, 48], 3, 16, 1, 16, 16)
    q = layouts.random(generator, (2, 2, 4, 16), "f32")
    got = heddle.attend(q, *cache.pools("bhtd"), block_table=cache.table, causal=True)
    oracle.check(expected(cache, q, causal=True)[0], got, "f32")


def test_holes_behind_a_window_and_under_a_mask():
    generator = np.random.default_rng(4)
    cache = Cache(generator, [150, 97], 10, 16, 2, 16, 16)
    q = layouts.random(generator, (2, 2, 1, 16), "f32")
    # Pages that no row sees any more were given back: -1. What page 0 holds is a number.
    table, k, v = cache.table.copy(), *(np.nan_to_num(pool) for pool in cache.pools("bhtd"))
    for b, length in enumerate(cache.lengths):
        table[b, :(length - 1 - 20) // 16] = -1
    assert (table[:, 0] == -1).all()
    got = heddle.attend(q, k, v, block_table=table, cache_seqlens=cache.lengths, causal=True, window=(20, -1))
    oracle.check(expected(cache, q, causal=True, window=(20, -1))[0], got, "f32")
    # Holes anywhere, where the mask says so.
    table = cache.table.copy()
    table[0, 2] = table[1, 0] = table[1, 4] = -1
    got = heddle.attend(q, k, v, block_table=table, cache_seqlens=cache.lengths, mask_mod=lambda b, h, i, j: table[b, j // 16] >= 0)
    oracle.check(expected(cache, q, mask_mod=lambda b, h, i, j: table[b, j // 16] >= 0)[0], got, "f32")


def test_packed_rows_over_pages():
    generator = np.random.default_rng(5)
    cache = Cache(generator, [40, 0, 33, 7], 4, 16, 2, 16, 16)
    rows = [3, 2, 33, 7]
    starts = np.concatenate([[0], np.cumsum(rows)]).astype(np.int32)
    q = layouts.random(generator, (int(starts[-1]), 4, 16), "f32")
    got, lse = heddle.attend(q, *cache.pools("thd"), layout="thd", cu_seqlens_q=starts, block_table=cache.table,
                             cache_seqlens=cache.lengths, causal=True, return_lse=True)
    for b, length in enumerate(cache.lengths):
        mine = slice(int(starts[b]), int(starts[b + 1]))
        o, log_sum = oracle.attend(q[None, mine].swapaxes(1, 2), cache.keys[b:b + 1, :, :length], cache.values[b:b + 1, :, :length],
                                   oracle.visible(rows[b], int(length), True), scale=1 / 4)
        oracle.check(o[0].swapaxes(0, 1), got[mine], "f32")
        oracle.check(log_sum[0], lse[:, mine], "f32")


@pytest.mark.parametrize("splits", [0, 1, 2, 3, 16])
def test_shares_of_the_keys(splits):
    generator = np.random.default_rng(6)
    cache = Cache(generator, [0, 5, 200, 130], 13, 16, 2, 16, 16)
    q = layouts.random(generator, (4, 4, 1, 16), "f32")
    results = [heddle.attend(q, *cache.pools("bhtd"), block_table=cache.table, cache_seqlens=cache.lengths, num_splits=splits,
                             return_lse=True) for _ in range(2)]
    for expectation, got, again in zip(expected(cache, q), *results):
        oracle.check(expectation, got, "f32")
        assert np.array_equal(got, again)


def test_a_plain_cache_has_the_same_lengths():
    generator = np.random.default_rng(7)
    q, k, v = (layouts.random(generator, (2, heads, rows, 16), "f32") for heads, rows in ((4, 2), (2, 30), (2, 30)))
    lengths = np.array([30, 11], np.int32)
    got = heddle.attend(q, k, v, cache_seqlens=lengths, causal=True)
    assert np.array_equal(got, heddle.attend(q, k, v, kv_lengths=lengths, causal=True))


def test_pages_are_a_view_in_the_text(accepted):
    @heddle.spec(q="?x?x?x64xbf16", k="?x?x16x64xbf16", v="?x?x16x64xbf16", table="?x?xi32", lengths="?xi32")
    def paged(q, k, v, table, lengths):
        return heddle.attend(q, k, v, block_table=table, cache_seqlens=lengths, causal=True, page_size=16)

    text = paged.text
    accepted(text)
    assert len(re.findall(r"attn\.view %[kv] ", text)) == 2
    assert text.count("attn.attend") == 1 and "lengths(%lengths)" in text


Q, K, V = np.ones((2, 4, 1, 16), np.float32), np.ones((9, 2, 8, 16), np.float32), np.ones((9, 2, 8, 16), np.float32)
TABLE, LENGTHS = np.arange(6, dtype=np.int32).reshape(2, 3), np.array([24, 9], np.int32)


@pytest.mark.parametrize("changed, error, message", [
    ({"block_table": TABLE[0]}, ValueError, "expected block_table of shape (2, pages of a sequence), got (3,)"),
    ({"block_table": TABLE[:1]}, ValueError, "expected block_table of shape (2, pages of a sequence), got (1, 3)"),
    ({"block_table": TABLE.astype(np.int64)}, TypeError, "expected block_table of int32, got int64"),
    ({"block_table": TABLE.tolist()}, TypeError, "expected an array as block_table, got list"),
    ({"block_table": np.asfortranarray(TABLE)}, ValueError, "expected block_table with a contiguous last dimension"),
    ({"block_table": TABLE + 7}, ValueError, "expected entries of block_table from 0 to 8 (or -1 where no row sees the page), got 9 at (0, 2)"),
    ({"block_table": TABLE - 2}, ValueError, "got -2 at (0, 0)"),
    ({"page_size": 16}, ValueError, "expected page_size=16 rows in a page of k and v, got 8 (shape (9, 2, 8, 16), layout 'bhtd')"),
    ({"block_table": None, "page_size": 8}, ValueError, "expected a block_table with page_size, got page_size=8 alone"),
    ({"v": V[:, :, :4]}, ValueError, "expected k and v of one number of pages and one page size, got (9, 8) and (9, 4)"),
    ({"v": V[:8]}, ValueError, "expected k and v of one number of pages and one page size, got (9, 8) and (8, 8)"),
    ({"k": K[:0], "v": V[:0]}, ValueError, "expected at least one page in k and v for a block_table of shape (2, 3), got none"),
    ({"k": K[0]}, ValueError, "expected q of rank 4 and pools of pages k and v of rank 4 for layout 'bhtd' with a block_table"),
    ({"cache_seqlens": LENGTHS[:1]}, ValueError, "expected cache_seqlens of shape (2,), got (1,)"),
    ({"cache_seqlens": LENGTHS + 1}, ValueError, "expected cache_seqlens from 0 to 24, got [25, 10]"),
    ({"cache_seqlens": LENGTHS.astype(np.int64)}, TypeError, "expected cache_seqlens of int32, got int64"),
    ({"kv_lengths": LENGTHS}, ValueError, "expected kv_lengths or cache_seqlens (they mean the same), got both"),
    ({"num_splits": -1}, ValueError, "expected num_splits from 0 (chosen) to 256, got -1"),
    ({"num_splits": True}, ValueError, "expected num_splits from 0 (chosen) to 256, got True"),
    ({"deterministic": 1}, ValueError, "expected deterministic=True or False, got 1"),
    ({"cu_seqlens_k": LENGTHS}, ValueError, "expected no cu_seqlens for layout 'bhtd'"),
])
def test_refusals(changed, error, message):
    given = {"q": Q, "k": K, "v": V, "block_table": TABLE, "cache_seqlens": LENGTHS, "out": np.full_like(Q, 3.0), **changed}
    with pytest.raises(error) as caught:
        heddle.attend(**given)
    assert message in str(caught.value)
    assert (given["out"] == 3.0).all()
