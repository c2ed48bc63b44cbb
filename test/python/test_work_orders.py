"""What only GPU schedules choose, on a CPU: which block computes what, and partial steps in a loop of their own. The tile
programs are those of a GPU with smaller tiles."""
import numpy as np
import pytest
from oracle import softmax

import heddle

WIDE = "?x?x?x16xf32"
SCHEDULES = ("partial-apart=true,work=counter", "partial-apart=true,work=rounds", "partial-apart=true,work=back-and-forth", "work=counter")
SHAPES = ((2, 4, 2, 200, 333), (1, 3, 3, 130, 77), (1, 2, 2, 1, 100), (2, 2, 2, 33, 0))  # batches, heads of q and k, rows, keys
MASKS = {
    "full": None,
    "causal": lambda b, h, i, j: j <= i,
    "window": lambda b, h, i, j: (j <= i) & (j > i - 40),
    "far": lambda b, h, i, j: (j > i + 10) | (j < i - 50),
}


def rng():
    return np.random.default_rng(5)


def expect(q, k, v, seen):
    k, v = (x.astype(np.float64).repeat(q.shape[1] // x.shape[1], 1) for x in (k, v))
    weights, _ = softmax(q.astype(np.float64) @ k.swapaxes(-1, -2) / 4, seen)
    return weights @ v


def check(spec, schedule, arguments, shape, want):
    spec._schedule = f"rows=32,keys=32,{schedule}"
    runs = []
    for _ in range(4):
        out = np.full(shape, np.nan, np.float32)
        spec(*arguments, out=out)
        runs.append(out)
    scale = np.linalg.norm(want)
    assert np.linalg.norm(runs[0] - want) <= 1e-5 * scale
    assert all(np.array_equal(runs[0], run) for run in runs[1:])


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", MASKS)
def test_masks_of_positions(name, schedule):
    @heddle.spec(q=WIDE, k=WIDE, v=WIDE)
    def spec(q, k, v):
        return heddle.attend(q, k, v, **({"mask_mod": MASKS[name]} if MASKS[name] else {}))

    for b, hq, hk, rows, keys in SHAPES:
        q, k, v = (rng().standard_normal((b, h, n, 16)).astype(np.float32) for h, n in ((hq, rows), (hk, keys), (hk, keys)))
        seen = MASKS[name](0, 0, np.arange(rows)[:, None], np.arange(keys)[None]) if MASKS[name] else np.True_
        check(spec, schedule, (q, k, v), q.shape, expect(q, k, v, seen))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("is_sorted", (True, False))
def test_tables(is_sorted, schedule):
    """Ranges that are searched for; if the table falls somewhere, every key is looked at."""
    @heddle.spec(q=WIDE, k=WIDE, v=WIDE, doc="?xi32")
    def spec(q, k, v, doc):
        return heddle.attend(q, k, v, mask_mod=lambda b, h, i, j: (doc[i] == doc[j]) & (j <= i))

    for b, hq, hk, rows, keys in SHAPES:
        q, k, v = (rng().standard_normal((b, h, n, 16)).astype(np.float32) for h, n in ((hq, rows), (hk, keys), (hk, keys)))
        doc = rng().integers(0, 6, max(rows, keys)).astype(np.int32)
        doc = np.sort(doc) if is_sorted else doc
        seen = (doc[:rows, None] == doc[None, :keys]) & (np.arange(keys) <= np.arange(rows)[:, None])
        check(spec, schedule, (q, k, v, doc), q.shape, expect(q, k, v, seen))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_lists(schedule):
    """A mask that is read at pairs is evaluated, and blocks are listed: partial ones from the front, whole ones from the end."""
    @heddle.spec(q=WIDE, k=WIDE, v=WIDE, seen="?x?xi32")
    def spec(q, k, v, seen):
        return heddle.attend(q, k, v, mask_mod=lambda b, h, i, j: seen[i // 16, j // 64] != 0)

    for b, hq, hk, rows, keys in SHAPES:
        q, k, v = (rng().standard_normal((b, h, n, 16)).astype(np.float32) for h, n in ((hq, rows), (hk, keys), (hk, keys)))
        blocks = rng().integers(0, 2, (-(-rows // 16), max(1, -(-keys // 64)))).astype(np.int32)
        seen = blocks.repeat(16, 0).repeat(64, 1)[:rows, :keys] != 0
        check(spec, schedule, (q, k, v, blocks), q.shape, expect(q, k, v, seen))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_packed_rows(schedule):
    """How many pieces a sequence has is known on the device only."""
    @heddle.spec(q="?x?x16xf32", k="?x?x16xf32", v="?x?x16xf32", starts="?xi32")
    def spec(q, k, v, starts):
        return heddle.attend(q, k, v, cu_seqlens_q=starts, cu_seqlens_k=starts, causal=True, layout="thd")

    for spans in ([5, 0, 1, 70, 32, 33, 100], [64] * 4, [130]):
        starts = np.cumsum([0, *spans]).astype(np.int32)
        q, k, v = (rng().standard_normal((starts[-1], h, 16)).astype(np.float32) for h in (4, 2, 2))
        want = np.zeros(q.shape)
        for begin, end in zip(starts, starts[1:]):
            part = [x[None, begin:end].swapaxes(1, 2) for x in (q, k, v)]
            if end > begin:
                want[begin:end] = expect(*part, np.tri(end - begin, dtype=bool))[0].swapaxes(0, 1)
        check(spec, schedule, (q, k, v, starts), q.shape, want)
