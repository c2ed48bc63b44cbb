"""The cache, saved packs and the console script."""
import math
import os
import subprocess
import sys

import numpy as np
import pytest

import heddle
from heddle import _cli, _compiler, _heddle, _pack

WIDE = "?x?x?x16xf32"
X = np.random.default_rng(2).standard_normal((1, 2, 9, 16)).astype(np.float32)


@heddle.spec(q=WIDE, k=WIDE, v=WIDE, width="index")
def banded(q, k, v, width):
    """A window whose size is known at run time."""
    return heddle.attend(q, k, v, mask_mod=lambda b, h, i, j: (j <= i) & (j > i - width))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HEDDLE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(_compiler, "_packs", {})
    return tmp_path / "cache"


def packs(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def load(only=None):
    program = banded._program()[0].program
    return _compiler.load(program, "cpu", None, _compiler.checked(_heddle.content_key(program.text(), targets="cpu")), only)


def test_a_pack_is_compiled_once_and_then_read(cache, monkeypatch):
    load()
    (path,) = packs(cache)
    assert path.suffix == ".pack" and path.parent.name == "cpu" and path.parent.parent.name == heddle.__version__
    _compiler._packs.clear()
    monkeypatch.setattr(_compiler, "compile_text", lambda *_: pytest.fail("expected the pack to be read"))
    load()


def attend_apart():
    """A spec that has not run in this process."""
    @heddle.spec(q=WIDE, k=WIDE, v=WIDE)
    def apart(q, k, v):
        return heddle.attend(q, k, v)
    return apart


def attend_in_float64(q, k, v):
    scores = q.astype(np.float64) @ k.astype(np.float64).swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v.astype(np.float64)


@pytest.fixture
def asked(monkeypatch):
    """What compile_text is asked for; on a machine of two threads, so that one row of many keys is split."""
    compile_text, found = _compiler.compile_text, []

    def record(program, target, schedule, only):
        found.append(only)
        return compile_text(program, target, schedule, only)

    monkeypatch.setattr(_compiler, "compile_text", record)
    _heddle.set_num_threads(2)
    yield found
    _heddle.set_num_threads(0)


def test_a_kernel_is_compiled_when_a_call_needs_it(cache, asked):
    many = np.random.default_rng(3).standard_normal((1, 1, 5000, 16)).astype(np.float32)
    calls = [(X, X, X), (X, X, X), (many[:, :, :1], many, many), (X, X, X)]

    def run(spec):
        for q, k, v in calls:
            np.testing.assert_allclose(spec(q, k, v), attend_in_float64(q, k, v), atol=1e-5)

    run(attend_apart())
    plan, few, split = asked
    assert plan == "none" and len(few.split(",")) == 1 and len(split.split(",")) == 2 and few not in split.split(",")
    assert len(packs(cache)) == 3
    # Another process: nothing is compiled again.
    _compiler._packs.clear()
    run(attend_apart())
    assert len(asked) == 3


def test_what_is_not_in_the_cache_is_named(cache, asked, monkeypatch):
    attend_apart()(X, X, X)
    _compiler._packs.clear()
    monkeypatch.setenv("HEDDLE_COMPILE", "0")
    spec = attend_apart()
    spec(X, X, X)
    many = np.ones((1, 1, 5000, 16), np.float32)
    with pytest.raises(heddle.RunError, match="with 0:apart_[0-9]+,0:apart_[0-9]+ in the cache .HEDDLE_COMPILE=0., got none"):
        spec(many[:, :, :1], many, many)


def test_a_whole_pack_serves_every_call(cache, asked, monkeypatch):
    monkeypatch.setenv("HEDDLE_COMPILE", "all")
    attend_apart()(X, X, X)
    assert asked == [None] and len(packs(cache)) == 1
    _compiler._packs.clear()
    monkeypatch.setenv("HEDDLE_COMPILE", "0")
    many = np.random.default_rng(3).standard_normal((1, 1, 5000, 16)).astype(np.float32)
    np.testing.assert_allclose(attend_apart()(many[:, :, :1], many, many), attend_in_float64(many[:, :, :1], many, many), atol=1e-5)


def test_kernels_that_were_made_in_vain_are_followed_by_all():
    plan = _heddle.Pack.from_bytes(_compiler.compile_text(banded._program()[0].program, "cpu", only="none"))
    whole = _heddle.Pack.from_bytes(banded.compile())
    asked = []

    def complete(kernels):
        asked.append(kernels)
        return plan if kernels else whole

    names = ["q", "k", "v", "width", "out"]
    values = [X, X, X, 4, np.full_like(X, np.nan)]
    plan.entry("banded", "tttit", names, [[]] * 5, complete)(values)
    assert len(asked) == 2 and asked[0].startswith("0:banded_") and asked[1] == ""
    np.testing.assert_array_equal(values[-1], banded(X, X, X, 4))
    with pytest.raises(heddle.RunError, match="banded: expected kernel banded_[0-9]+ of variant 0 in the pack"):
        plan.entry("banded", "tttit", names, [[]] * 5)(values)


def test_a_damaged_pack_is_compiled_again(cache):
    load()
    (path,) = packs(cache)
    good = path.read_bytes()
    path.write_bytes(good[:len(good) // 2])
    _compiler._packs.clear()
    load()
    assert path.read_bytes() == good


def test_a_cache_that_cannot_be_written_is_no_error(cache, monkeypatch):
    cache.write_text("a file where the folder should be")
    load()


def test_never_compile_means_never(cache, monkeypatch):
    monkeypatch.setenv("HEDDLE_COMPILE", "0")
    with pytest.raises(heddle.RunError, match="with every kernel in the cache .HEDDLE_COMPILE=0., got none"):
        load()


def test_dumps_show_every_rung(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("HEDDLE_DUMP_DIR", str(tmp_path / "dump"))
    load()
    names = [path.name for path in packs(tmp_path / "dump")]
    assert any("attn" in name for name in names) and any("tile" in name for name in names)


def test_a_saved_pack_says_what_it_is(tmp_path):
    banded.save(tmp_path / "banded.pack")
    (entry,) = _pack.read((tmp_path / "banded.pack").read_bytes())
    assert entry.name == "banded" and entry.text.count("attn.attend") == 1
    assert [str(p) for p in entry.parameters[:1]] == ["input q: ?x?x?x16xf32"]
    assert [p.role for p in entry.parameters] == ["input", "input", "input", "scalar", "output"]


@pytest.mark.parametrize("keep", [0, 7, 40, 200])
def test_a_pack_that_is_none(keep):
    data = banded.compile()[:keep]
    with pytest.raises(heddle.RunError) as caught:
        _pack.read(data)
    assert caught.value.status == "BAD_PACK"


def test_compile_errors_are_data():
    with pytest.raises(heddle.CompileError) as caught:
        banded.compile("sm_12")
    (first, *_) = caught.value.diagnostics
    assert first.severity == "error" and "expected" in first.message and "sm_12" in first.message


def test_explain_and_verify_from_the_command_line(tmp_path, capsys):
    text, pack = tmp_path / "banded.mlir", tmp_path / "banded.pack"
    text.write_text(banded.text)
    banded.save(pack)
    assert _cli.main(["explain", str(text)]) == 0
    assert _cli.main(["explain", str(pack), "--text"]) == 0
    shown = capsys.readouterr().out
    assert "entry banded" in shown and "input q: ?x?x?x16xf32" in shown and "attn.attend" in shown
    for path in (text, pack):
        assert _cli.main(["verify", str(path)]) == 0
        assert "12 of 12 comparisons passed" in capsys.readouterr().out


def test_verify_finds_a_difference(tmp_path, capsys, monkeypatch):
    from heddle import _verify
    monkeypatch.setattr(_verify, "TOLERANCE", {"f32": 0.0})
    path = tmp_path / "banded.pack"
    banded.save(path)
    assert _cli.main(["verify", str(path)]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_the_cache_from_the_command_line(cache, capsys):
    load()
    assert _cli.main(["cache", "list"]) == 0
    assert "banded" in capsys.readouterr().out
    assert _cli.main(["cache", "clear"]) == 0
    assert not packs(cache)


def test_errors_go_to_stderr(tmp_path, capsys):
    bad = tmp_path / "bad.mlir"
    bad.write_text("func.func @f( {")
    assert _cli.main(["explain", str(bad)]) == 1
    assert _cli.main(["explain", str(tmp_path / "absent")]) == 1
    shown = capsys.readouterr()
    assert not shown.out and "error" in shown.err


def test_importing_heddle_imports_no_array_library_but_numpy():
    loaded = subprocess.run([sys.executable, "-c", "import heddle, sys; print(*sys.modules)"], capture_output=True, text=True,
                            check=True, env={**os.environ}).stdout.split()
    assert not {"torch", "jax", "cupy", "ml_dtypes"} & set(loaded)
