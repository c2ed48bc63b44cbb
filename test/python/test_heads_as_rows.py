"""heddle.attend with one query per sequence and several heads of q for one of k and v: those heads are read as rows of one
head. Compared with float64 NumPy, which knows nothing of it."""
import re

import numpy as np
import pytest

import attend_cases
import heddle
import layouts
import oracle
import strides
from heddle import _compiler, _eager
from test_paged_cache import Cache, expected as expected_of_cache


def latest():
    """The plan that was made last."""
    return list(_eager._plans.values())[-1]


def arrays(generator, batch, heads, key_heads, keys, element="f32", width=32, value_width=24):
    return tuple(layouts.random(generator, shape, element) for shape in
                 ((batch, heads, 1, width), (batch, key_heads, keys, width), (batch, key_heads, keys, value_width)))


def expected(q, k, v, lengths=None, causal=False, window=None, **options):
    """(o, lse), one sequence after another since each has its own diagonal."""
    parts = []
    for b in range(len(q)):
        seen = oracle.visible(1, k.shape[2], causal, window, None if lengths is None else int(lengths[b]))
        mods = {name: options[name] and (lambda *given, b=b, name=name: options[name](*given[:-4], given[-4] + b, *given[-3:]))
                for name in ("score_mod", "mask_mod") if name in options}
        parts.append(oracle.attend(q[b:b + 1], k[b:b + 1], v[b:b + 1], seen, **{"scale": 1 / np.sqrt(q.shape[3]), **options, **mods}))
    return tuple(None if parts[0][n] is None else np.concatenate([part[n] for part in parts]) for n in range(2))


@pytest.mark.parametrize("layout", ["bhtd", "bthd"])
@pytest.mark.parametrize("group, element", [(2, "f32"), (4, "bf16"), (8, "f16"), (3, "f32")])
def test_against_float64(group, element, layout):
    generator = np.random.default_rng([group, len(layout)])
    swap = (lambda x: x) if layout == "bhtd" else (lambda x: x.swapaxes(1, 2))
    options = [{}, {"causal": True}, {"causal": "top-left"}, {"causal": True, "window": (20, -1)}, {"window": (9, 3)},
               {"causal": "top-left", "window": (2, -1)}]
    for number, how in enumerate(strides.STRIDES * 2):
        batch, key_heads, keys = int(generator.integers(1, 4)), int(generator.integers(1, 4)), int(generator.choice([1, 5, 64, 150]))
        q, k, v = arrays(generator, batch, group * key_heads, key_heads, keys, element)
        chosen = options[number % len(options)]
        sink = generator.standard_normal(q.shape[1]).astype(np.float32) if number % 2 else None
        lengths = generator.integers(0, keys + 1, batch).astype(np.int32) if number % 3 else None
        if lengths is not None:
            lengths[0] = 0
        output = layouts.Output(swap(np.empty((*q.shape[:3], 24))).shape, q.dtype)
        given = [strides.strided(swap(x), how) for x in (q, k, v)]
        result, lse = heddle.attend(*given, layout=layout, sink=sink, kv_lengths=lengths, return_lse=True, out=output.array, **chosen)
        assert result is output.array and lse.shape == q.shape[:3] and f"x{group}x32x{element}" in latest().program.text()
        o, log_sum = expected(q, k, v, lengths, sink=sink, **chosen)
        what = f"{how}, {chosen}, lengths {lengths}, sink {sink}"
        oracle.check(o, swap(output.array), element, what)
        oracle.check(log_sum, lse, element, what)
        assert output.intact()
        if lengths is not None:
            assert not np.asarray(swap(output.array), np.float32)[0].any() and np.isneginf(lse[0]).all()


@pytest.mark.parametrize("mods", sorted({row.mods for row in attend_cases.TABLE if row.mods}, key=lambda mods: mods.__name__))
def test_functions_see_the_heads_and_query_0(mods):
    generator = np.random.default_rng(11)
    q, k, v = arrays(generator, 2, 8, 2, 70)
    draw = attend_cases.Draw(generator, 2, 8, 1, 70)
    normalizer = "linear" if mods is attend_cases.positive else "softmax"
    score_mod, mask_mod = mods(draw)
    got = heddle.attend(q, k, v, score_mod=score_mod, mask_mod=mask_mod, normalizer=normalizer)
    assert latest().program.name == "attend_heads_as_rows"
    draw.plain, draw.at = True, 0
    score_mod, mask_mod = mods(draw)
    oracle.check(expected(q, k, v, score_mod=score_mod, mask_mod=mask_mod, normalizer=normalizer)[0], got, "f32")


def test_a_mask_that_tells_heads_apart():
    generator = np.random.default_rng(12)
    q, k, v = arrays(generator, 2, 12, 3, 90)
    first = generator.integers(0, 95, 12).astype(np.int32)  # some heads see nothing
    first[5] = 95

    def mask(b, h, i, j):
        return (j >= first[h]) & (j % 3 != (h + i) % 3) | (h == 7)

    got, lse = heddle.attend(q, k, v, mask_mod=mask, score_mod=lambda s, b, h, i, j: s * (h + 1) - i, return_lse=True, causal=True)
    o, log_sum = expected(q, k, v, causal=True, mask_mod=mask, score_mod=lambda s, b, h, i, j: s * (h + 1) - i)
    oracle.check(o, got, "f32")
    oracle.check(log_sum, lse, "f32")
    assert not got[:, 5].any()


def test_a_normalizer_that_knows_its_head():
    generator = np.random.default_rng(13)
    q, k, v = arrays(generator, 2, 8, 2, 40)
    factor = generator.uniform(0.5, 2.0, 8).astype(np.float32)
    mine = heddle.Normalizer(weight=lambda s, b, h, i, j: heddle.sigmoid(s * factor[h]), finish=lambda b, h, i: factor[h] + i)
    got = heddle.attend(q, k, v, normalizer=mine)
    by_head = factor.astype(np.float64)[None, :, None, None]
    s = np.einsum("bhic,bhjc->bhij", q, np.repeat(k, 4, axis=1).astype(np.float64)) / np.sqrt(32)
    w = by_head / (1 + np.exp(-s * by_head))
    oracle.check(np.einsum("bhij,bhje->bhie", w, np.repeat(v, 4, axis=1)), got, "f32")


@pytest.mark.parametrize("layout", ["bhtd", "bthd"])
@pytest.mark.parametrize("group", [2, 4, 8])
def test_pages(group, layout):
    generator = np.random.default_rng([14, group])
    swap = (lambda x: x) if layout == "bhtd" else (lambda x: np.ascontiguousarray(x.swapaxes(1, 2)))
    compiled = None
    for lengths, most_pages in (([0, 1, 144, 70], 9), ([33, 16, 0], 4)):
        cache = Cache(generator, lengths, most_pages, 16, 2, 32, 24)
        q = layouts.random(generator, (len(lengths), 2 * group, 1, 32), "f32")
        sink = generator.standard_normal(2 * group).astype(np.float32)
        got, lse = heddle.attend(swap(q), *cache.pools(layout), layout=layout, block_table=cache.table, cache_seqlens=cache.lengths,
                                 causal=True, sink=sink, return_lse=True)
        assert latest().program.name == "attend_heads_as_rows"
        o, log_sum = expected_of_cache(cache, q, causal=True, sink=sink)
        oracle.check(o, swap(got), "f32")
        oracle.check(log_sum, lse, "f32")
        compiled = compiled or len(_compiler._packs)
        assert len(_compiler._packs) == compiled


def test_a_call_like_one_before():
    generator = np.random.default_rng(15)
    q, k, v = arrays(generator, 3, 8, 2, 50, width=16, value_width=16)
    out, first = np.full_like(q, np.nan), heddle.attend(q, k, v, causal=True)
    plans, packs = len(_eager._plans), len(_compiler._packs)
    for _ in range(3):  # the same arrays, known by the memo, then others of their kind
        assert heddle.attend(q, k, v, causal=True, out=out) is out and np.array_equal(out, first)
        q, k, v = arrays(generator, 3, 8, 2, 50, width=16, value_width=16)
        first = heddle.attend(q, k, v, causal=True)
        oracle.check(expected(q, k, v)[0], first, "f32")
    assert len(_eager._plans) == plans + 1  # that with out=
    for keys in (1, 7, 300):
        q, k, v = arrays(generator, 2, 4, 1, keys, width=16, value_width=16)
        oracle.check(expected(q, k, v)[0], heddle.attend(q, k, v, causal=True), "f32")
    assert (len(_eager._plans), len(_compiler._packs)) == (plans + 1, packs)


def test_where_it_does_not_apply():
    generator = np.random.default_rng(16)
    q, k, v = arrays(generator, 2, 8, 2, 30)
    for given in ((q.repeat(2, 2), k, v), (q[:, :2], k, v), (q, k, v[:, :1])):
        got = heddle.attend(*given, normalizer="signed")
        assert latest().program.name == "attend"
        sides = [np.repeat(x, 2 // x.shape[1], axis=1) for x in given[1:]]
        oracle.check(expected(given[0], *sides, normalizer="signed")[0], got, "f32")


def test_no_keys_and_no_sequences():
    q, k, v = arrays(np.random.default_rng(20), 2, 8, 2, 30)
    out, lse = heddle.attend(q, k[:, :, :0], v[:, :, :0], return_lse=True, causal=True)
    assert out.shape == (2, 8, 1, 24) and not out.any() and np.isneginf(lse).all()
    assert heddle.attend(q[:0], k[:0], v[:0]).shape == (0, 8, 1, 24)


def test_an_array_that_heads_index_has_one_element_each():
    q, k, v = arrays(np.random.default_rng(17), 2, 8, 2, 30)
    short = np.ones(7, np.float32)
    with pytest.raises(ValueError, match="expected short to have 8 elements along axis 0, which h indexes, got 7"):
        heddle.attend(q, k, v, score_mod=lambda s, b, h, i, j: s * short[h])


def test_torch_and_numpy_by_turns():
    torch = pytest.importorskip("torch")
    q, k, v = arrays(np.random.default_rng(18), 2, 8, 2, 30, width=48)
    o, log_sum = expected(q, k, v)
    for number in range(4):
        kind = torch.from_numpy if number % 2 else (lambda x: x)
        got, lse = heddle.attend(kind(q), kind(k), kind(v), return_lse=True)
        assert type(got) is type(lse) is type(kind(q))
        oracle.check(o, np.asarray(got), "f32")
        oracle.check(log_sum, np.asarray(lse), "f32")


def test_explain_says_so(tmp_path, capsys):
    from heddle import _cli
    q, k, v = arrays(np.random.default_rng(21), 1, 8, 2, 30)
    heddle.attend(q, k, v, window=(8, -1))
    (tmp_path / "a.pack").write_bytes(_compiler.compile_text(latest().program, "cpu"))
    assert _cli.main(["explain", str(tmp_path / "a.pack")]) == 0
    assert "entry attend_heads_as_rows" in capsys.readouterr().out


@pytest.mark.parametrize("target", ["sm_90a", "sm_80"])
def test_gpu_text(target, accepted):
    q, k, v = arrays(np.random.default_rng(19), 2, 8, 2, 64, "bf16", 128, 128)
    slopes = np.ones(8, np.float32)
    heddle.attend(q, k, v, causal=True, window=(50, -1), sink=slopes, return_lse=True, kv_lengths=np.array([64, 9], np.int32),
                  score_mod=lambda s, b, h, i, j: s + slopes[h] * (j - i))
    program = latest().program
    assert re.search(r"attn\.attend dot.*\(tensor<\?x\?x4x128xbf16>, ", accepted(program.text()).replace("\n", " "))
    assert b"attend_heads_as_rows" in _compiler.compile_text(program, target)
