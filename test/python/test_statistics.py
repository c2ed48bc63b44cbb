"""Statistics of the weights: `heddle.attend(.., stats=)` against the matrix of probabilities in float64."""
import numpy as np
import pytest

import heddle
import layouts
import oracle

ROWS = ("lse", "max", "entropy", "mean_score", "score_variance", "collision", "mean_position", "count")
ALL = (*ROWS, "colsum")
SLOPES = np.array([0.1, -0.2, 0.3, 0.05], np.float32)


def arrays(seed, batch, heads, key_heads, rows, keys, width=16, element="f32"):
    generator = np.random.default_rng(seed)
    return [layouts.random(generator, shape, element) for shape in
            ((batch, heads, rows, width), (batch, key_heads, keys, width), (batch, key_heads, keys, width))]


def scores(q, k, score_mod=None):
    q, k = (np.asarray(x).astype(np.float64) for x in (q, k))
    s = q @ np.repeat(k, q.shape[1] // k.shape[1], 1).swapaxes(2, 3) / np.sqrt(q.shape[3])
    return s if score_mod is None else score_mod(s, *oracle.positions(*s.shape))


def expected(s, seen, sink=None, extra=0.0, normalizer=None):
    """Every statistic, from all probabilities at once."""
    x = np.abs(s) if normalizer == "signed" else s
    seen = np.broadcast_to(seen, s.shape) & (s > -np.inf)
    p, lse = oracle.softmax(x, seen, sink, extra)
    x, some = np.where(seen, x, 0.0), seen.any(-1)
    mass = np.where(some, p.sum(-1), 1.0)
    mean = (p * x).sum(-1) / mass
    return {"lse": lse, "max": np.where(seen, x, -np.inf).max(-1, initial=-np.inf),
            "entropy": -(p * np.log(np.where(p > 0, p, 1.0))).sum(-1), "mean_score": mean,
            "score_variance": (p * (x - mean[..., None]) ** 2).sum(-1) / mass, "collision": (p * p).sum(-1),
            "mean_position": (p * np.arange(s.shape[3])).sum(-1) / mass, "count": seen.sum(-1), "colsum": p.sum(2)}


def check(want, got, names=ALL, what="", tolerance=1e-5):
    assert list(got) == list(names)
    for name in names:
        assert got[name].dtype == np.float32
        found = oracle.error(want[name], got[name])
        assert found < tolerance, f"{what} {name}: expected an error below {tolerance}, got {found}"


@pytest.mark.parametrize("options", [{}, {"causal": True}, {"causal": True, "window": (20, -1)}, {"num_splits": 3}], ids=str)
@pytest.mark.parametrize("heads, key_heads", [(2, 2), (4, 2)])
def test_against_all_probabilities(options, heads, key_heads):
    q, k, v = arrays(heads, 2, heads, key_heads, 67, 150)
    out, stats = heddle.attend(q, k, v, stats=ALL, **options)
    seen = oracle.visible(67, 150, options.get("causal", False), options.get("window"))
    check(expected(scores(q, k), seen), stats)
    oracle.check(heddle.attend(q, k, v, **options).astype(np.float64), out, "f32")


def test_masks_scores_and_rows_that_see_nothing():
    q, k, v = arrays(3, 1, 4, 1, 70, 90)
    score = lambda s, b, h, i, j: heddle.where(j % 7 == 3, -float("inf"), s + SLOPES[h] * (j - i))
    mask = lambda b, h, i, j: (i % 10 != 4) & (j > 5) & (j < i + 30)
    out, lse, stats = heddle.attend(q, k, v, score_mod=score, mask_mod=mask, stats=list(ALL), return_lse=True)
    b, h, i, j = oracle.positions(1, 4, 70, 90)
    s = np.where(j % 7 == 3, -np.inf, scores(q, k) + SLOPES[h] * (j - i))
    want = expected(s, (i % 10 != 4) & (j > 5) & (j < i + 30))
    check(want, stats)
    assert stats["lse"] is lse and (stats["entropy"][:, :, 4::10] == 0).all() and (stats["colsum"][..., :6] == 0).all()
    assert (stats["lse"][:, :, 4::10] == -np.inf).all() and (stats["count"][:, :, 4::10] == 0).all()


@pytest.mark.parametrize("normalizer", ["softmax_plus_one", "signed", "sink"])
def test_other_normalizers(normalizer):
    q, k, v = arrays(4, 1, 2, 2, 40, 60)
    sink = np.array([0.5, 2.0], np.float32) if normalizer == "sink" else None
    given = {"sink": sink} if normalizer == "sink" else {"normalizer": normalizer}
    out, stats = heddle.attend(q, k, v, causal=True, stats=ALL, **given)
    want = expected(scores(q, k), oracle.visible(40, 60, True), sink, normalizer == "softmax_plus_one", normalizer)
    if normalizer == "signed":  # columns have the sign of their weights
        w, _ = oracle.weights("signed", scores(q, k), np.broadcast_to(oracle.visible(40, 60, True), (1, 2, 40, 60)))
        want["colsum"] = w.sum(2)
    check(want, stats)
    oracle.check(heddle.attend(q, k, v, causal=True, **given).astype(np.float64), out, "f32")


@pytest.mark.parametrize("size", [1, 40])
def test_a_reference_that_lags(size):
    """Scores that grow from block to block; of large ones nearly all weight is at one key, and the entropy near 0 is as exact."""
    q, k, v = arrays(5, 1, 1, 1, 30, 900)
    k *= np.linspace(0.1, size, 900, dtype=np.float32)[:, None]
    names = [name for name in ALL if name != "max"]
    _, stats = heddle.attend(q, k, v, lag=8, stats=names)
    want = expected(scores(q, k), True)
    check(want, stats, names, tolerance=2e-5 * size)  # scores of hundreds have no more digits
    assert np.abs(stats["entropy"] - want["entropy"]).max() < 1e-6 * size


@pytest.mark.parametrize("element", ["bf16", "f16"])
def test_half_precision(element):
    q, k, v = arrays(6, 1, 2, 1, 33, 70, 32, element)
    _, stats = heddle.attend(q, k, v, causal=True, stats=ALL)
    check(expected(scores(q, k), oracle.visible(33, 70, True)), stats, tolerance=1e-4)


@pytest.mark.parametrize("layout", ["bhtd", "bthd"])
def test_decoding_with_lengths(layout):
    """One query of each sequence: heads of q are read as rows, but where columns are asked for."""
    q, k, v = arrays(7, 3, 4, 2, 1, 80)
    lengths = np.array([80, 0, 33], np.int32)
    swap = (lambda x: x) if layout == "bhtd" else (lambda x: np.ascontiguousarray(x.swapaxes(1, 2)))
    want = expected(scores(q, k), np.arange(80) < lengths[:, None, None, None])
    for names in (ROWS, ALL):
        _, stats = heddle.attend(swap(q), swap(k), swap(v), layout=layout, kv_lengths=lengths, causal=True, stats=names)
        check(want, stats, names)


def test_pages():
    q, k, v = arrays(8, 2, 4, 2, 5, 48)
    order = np.random.default_rng(1).permutation(6)
    pool_k, pool_v = (np.empty((6, 2, 16, 16), np.float32) for _ in range(2))
    for pool, x in ((pool_k, k), (pool_v, v)):
        pool[order] = x.reshape(2, 2, 3, 16, 16).swapaxes(1, 2).reshape(6, 2, 16, 16)
    table, lengths = order.reshape(2, 3).astype(np.int32), np.array([48, 20], np.int32)
    _, stats = heddle.attend(q, pool_k, pool_v, block_table=table, cache_seqlens=lengths, stats=ALL)
    check(expected(scores(q, k), np.arange(48) < lengths[:, None, None, None]), stats)


def test_packed_sequences():
    lengths, heads = [30, 0, 41, 7], 2
    starts = np.cumsum([0, *lengths]).astype(np.int32)
    generator = np.random.default_rng(9)
    q, k, v = (generator.standard_normal((starts[-1], heads, 16)).astype(np.float32) for _ in range(3))
    _, stats = heddle.attend(q, k, v, layout="thd", cu_seqlens_q=starts, causal=True, stats=ALL)
    for first, length in zip(starts, lengths):
        part = slice(first, first + length)
        own = [x[part].swapaxes(0, 1)[None] for x in (q, k)]
        want = expected(scores(*own), oracle.visible(length, length, True))
        for name in ALL if length else ():
            assert stats[name].shape == (heads, starts[-1])
            assert oracle.error(want[name][0], stats[name][:, part]) < 1e-5, name


def test_packed_sequences_of_other_lengths_than_their_keys():
    rows, keys = np.array([0, 9, 9, 20], np.int32), np.array([0, 30, 35, 80], np.int32)
    generator = np.random.default_rng(15)
    q, k, v = (generator.standard_normal((total, 2, 16)).astype(np.float32) for total in (20, 80, 80))
    _, stats = heddle.attend(q, k, v, layout="thd", cu_seqlens_q=rows, cu_seqlens_k=keys, causal=True, stats=("entropy", "colsum"))
    for b in range(3):
        own = slice(rows[b], rows[b + 1]), slice(keys[b], keys[b + 1])
        x = [part[place].swapaxes(0, 1)[None] for part, place in zip((q, k), own)]
        want = expected(scores(*x), oracle.visible(x[0].shape[2], x[1].shape[2], True))
        assert oracle.error(want["colsum"][0], stats["colsum"][:, own[1]]) < 1e-5
        assert oracle.error(want["entropy"][0], stats["entropy"][:, own[0]]) < 1e-5


def test_no_rows_and_no_keys():
    for rows, keys in ((0, 5), (5, 0)):
        q, k, v = arrays(16, 1, 2, 2, rows, keys)
        _, stats = heddle.attend(q, k, v, stats=ALL)
        assert (stats["colsum"] == 0).all() and (stats["entropy"] == 0).all() and (stats["lse"] == -np.inf).all()


def test_in_a_spec_and_what_follows_from_them():
    q, k, v = arrays(10, 1, 4, 2, 50, 50)
    first = heddle.scalar(0.5)

    @heddle.spec
    def weighed(q, k, v):
        out, stats = heddle.attend(q, k, v, causal=True, stats=("entropy", "colsum", "topk_mass"))
        return out, stats["entropy"] * first, stats["colsum"], stats["topk_mass"]

    out, half, columns, _ = weighed(q, k, v)
    want = expected(scores(q, k), oracle.visible(50, 50, True))
    assert oracle.error(want["entropy"] / 2, half) < 1e-5 and oracle.error(want["colsum"], columns) < 1e-5
    assert weighed.specialize(q, k, v).verify(), "the reference semantics"


def test_ones_own_statistics():
    """Captured arrays, positions, and two statistics that share a sum."""
    q, k, v = arrays(11, 2, 2, 2, 40, 60)
    values = np.random.default_rng(2).standard_normal(60).astype(np.float32)
    weighed = heddle.statistics.Sum(lambda x, m, w, b, h, i, j: w * values[j])
    own = (heddle.statistics.Statistic("mean_value", (weighed,)),
           heddle.statistics.Statistic("scaled_value", (weighed,), lambda m, c, total, value, b, h, i: c * value * SLOPES[h], empty=-1.0),
           heddle.statistics.mass(lambda b, h, i, j: abs(i - j) < 3, "near"),
           heddle.statistics.ColumnSum("squares", lambda p, b, h, i, j: p * p * values[j]))
    for _ in range(2):  # other values, nothing compiled again
        _, stats = heddle.attend(q, k, v, mask_mod=lambda b, h, i, j: i != 7, stats=own)
        p, _ = oracle.softmax(scores(q, k), np.arange(40)[:, None] != 7)
        i, j = np.ogrid[:40, :60]
        mean = p @ values.astype(np.float64)
        want = {"mean_value": mean, "scaled_value": np.where(np.arange(40) == 7, -1.0, mean * SLOPES[:2, None]),
                "near": (p * (abs(i - j) < 3)).sum(-1), "squares": (p * p).sum(2) * values}
        check(want, stats, ("mean_value", "scaled_value", "near", "squares"))
        values *= -2


@pytest.mark.parametrize("options", [{}, {"causal": True, "lag": 8}, {"num_splits": 3}], ids=str)
def test_largest_probabilities(options):
    """Scores of few values, so that many are equal, and of all values; more ranks than keys."""
    q, k, v = arrays(14, 2, 4, 2, 50, 200)
    few = [np.round(x) / 2 for x in (q, k)]
    own = [heddle.statistics.TopMass(count, f"top{count}") for count in (1, 2, 5)]
    for q, k in ((q, k), few):
        mask = lambda b, h, i, j: (i % 10 != 3) & ((i != 5) | (j == 2))
        _, stats = heddle.attend(q, k, v, mask_mod=mask, stats=(*own, "topk_mass"), **options)
        i, j = np.ogrid[:50, :200]
        p, _ = oracle.softmax(scores(q, k), oracle.visible(50, 200, options.get("causal", False)) & (i % 10 != 3) & ((i != 5) | (j == 2)))
        p = np.sort(p, -1)[..., ::-1]
        want = {f"top{count}": p[..., :count].sum(-1) for count in (1, 2, 5)} | {"topk_mass": p[..., :4].sum(-1)}
        check(want, stats, list(want))


def test_the_functions_are_those_of_the_prelude():
    from heddle._softmax import FUNCTIONS
    q, k, v = arrays(12, 1, 2, 2, 20, 50)
    for name, functions in FUNCTIONS.items():
        (mine, lse), (theirs, other) = (heddle.attend(q, k, v, normalizer=n, return_lse=True) for n in (functions, name))
        assert np.array_equal(mine, theirs) and np.array_equal(lse, other), name


def test_what_cannot_be():
    q, k, v = arrays(13, 1, 1, 1, 8, 8)
    for stats, more, error, text in (
            (("entropie",), {}, ValueError, "expected one of lse, max, entropy, .*, got 'entropie'"),
            ("entropy", {}, TypeError, "expected stats as a tuple of names and statistics, got 'entropy'"),
            (("max", "max"), {}, ValueError, "expected statistics of different names in stats, got max twice"),
            ((3.5,), {}, TypeError, "expected names and statistics of heddle.statistics in stats, got float"),
            (("max",), {"lag": 8}, ValueError, "expected no lag where the largest scores are asked for, got 8"),
            (("entropy",), {"normalizer": "relu"}, ValueError, "expected one of softmax, softmax_plus_one, signed or a heddle.Normalizer"),
            (("lse",), {"normalizer": "relu"}, ValueError, "expected a normalizer with the statistic lse, got 'relu'")):
        with pytest.raises(error, match=text):
            heddle.attend(q, k, v, stats=stats, **more)
    moved = heddle.statistics.Sum(lambda x, m, w: w * w)  # which does not move as w does
    with pytest.raises(heddle.CompileError, match=r"expected weight\(s, m'\) = rescale"):
        heddle.attend(q, k, v, stats=(heddle.statistics.Statistic("wrong", (moved,)),))
