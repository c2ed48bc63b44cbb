"""The compiler knows no normalizer and holds no kernel: names do not matter, and every part of a spec reaches every rung."""
import random
import re
import string

import pytest
from assembly import ROOT, Assembled, emit
from attn_text import attend

RUNGS = ("attn", "tile", "warp", "nvvm", "ptx")
TARGET = "sm_90a"


def fresh_name():
    return "".join(random.choices(string.ascii_lowercase, k=12))


def prelude_definition(name):
    """The text of one normalizer of the prelude."""
    text = (ROOT / "dialects/Attn/Prelude.mlir").read_text()
    match = re.search(rf"^attn\.normalizer @{name}\b.*?^}}", text, re.M | re.S)
    assert match, f"expected @{name} in Prelude.mlir, got none"
    return match[0]


def renamed(text):
    """The text with every symbol, value and argument under a fresh name of its own."""
    names = {}
    return re.sub(r"([%@])([A-Za-z_]\w*)", lambda match: match[1] + names.setdefault(match[0], fresh_name()), text)


def body(ptx, name):
    """PTX without the names that come from the spec's function, and without comments."""
    return re.sub(r"//.*", "", ptx.replace(name, "entry"))


def test_a_renamed_softmax_gives_the_same_ptx():
    spec = attend("entry", mask="below_diagonal", stats=("lse",), width=128)
    own = attend("entry", mask="below_diagonal", stats=("lse",), width=128, definitions=prelude_definition("softmax"))
    other = renamed(own)
    name = re.search(r"func\.func @(\w+)", other)[1]
    assert "softmax" not in other and "entry" not in other
    expected = body(emit(spec, "ptx", TARGET), "entry")
    assert expected.count(".entry") >= 1
    assert body(emit(own, "ptx", TARGET), "entry") == expected
    assert body(emit(other, "ptx", TARGET), name) == expected


def own_normalizer(name):
    """In no paper: the exponential weight, halved and shifted by tanh; the sum stays that of the exponentials."""
    return f"""
attn.normalizer @{name} weights(1) sums(1) {{
  reference(%s, %b, %h, %i, %j) {{
    attn.yield %s : f32
  }}
  rescale(%old, %new) {{
    %d = arith.subf %old, %new : f32
    %r = math.exp %d : f32
    attn.yield %r : f32
  }}
  weight(%s, %m, %b, %h, %i, %j) {{
    %half = arith.constant 5.0e-01 : f32
    %d = arith.subf %s, %m : f32
    %e = math.exp %d : f32
    %t = math.tanh %s : f32
    %u = math.fma %t, %half, %half : f32
    %w = arith.mulf %e, %u : f32
    attn.yield %w, %e : f32, f32
  }}
  finish(%m, %l, %b, %h, %i) {{
    %one = arith.constant 1.0 : f32
    %c = arith.divf %one, %l : f32
    attn.yield %c : f32
  }}
}}"""


@pytest.mark.parametrize("target", ["sm_80", "sm_90a"])
def test_a_normalizer_known_to_this_file_only_compiles_for_gpus(target, tmp_path):
    name = fresh_name()
    text = attend(normalizer=f"@{name}", definitions=own_normalizer(name), mask="band")
    assert Assembled(emit(text, "ptx", target), target, tmp_path).entries


def test_a_normalizer_known_to_this_file_only_compiles_for_the_cpu():
    name = fresh_name()
    text = attend(normalizer=f"@{name}", definitions=own_normalizer(name), mask="band")
    assert "ret" in emit(text, "asm", "cpu")


CHANGES = {
    "width": (dict(width=64), dict(width=96)),
    "grouped heads": (dict(heads=8, key_heads=8), dict(heads=8, key_heads=2)),
    "score": (dict(score="scaled"), dict(score="biased")),
    "mask": (dict(mask="below_diagonal"), dict(mask="segments")),
    "element type": (dict(dtype="bf16"), dict(dtype="f16")),
    "normalizer": (dict(), dict(normalizer="@sigmoid")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_spec_changes_every_rung(change):
    before, after = (attend(**parts) for parts in CHANGES[change])
    same = [rung for rung in RUNGS if emit(before, rung, TARGET) == emit(after, rung, TARGET)]
    assert not same, f"{change} left {', '.join(same)} as it was"


def test_a_change_of_the_rows_of_a_block_changes_every_rung_below_the_spec():
    before, after = ([emit(attend(), rung, TARGET, f"--schedule=rows={rows}") for rung in RUNGS] for rows in (64, 128))
    same = [rung for rung, a, b in zip(RUNGS, before, after) if a == b]
    assert same == ["attn"]
