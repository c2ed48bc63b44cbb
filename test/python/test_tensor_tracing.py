"""Functions of arrays become linalg and attn text that heddle-opt accepts."""
import re

import ml_dtypes
import numpy as np
import pytest

import heddle

WIDE = "?x?x?x64xf32"


def operations(text):
    """How often each operation of linalg, tensor and attn occurs."""
    found = {}
    for name in re.findall(r"(?:linalg|tensor|attn)\.[a-z_]+", text):
        if not name.endswith(("yield", "empty", "dim", "fill")):
            found[name] = found.get(name, 0) + 1
    return found


def test_a_chain_of_elementwise_operations_is_one_body(accepted):
    @heddle.spec(x=WIDE, y="?x?x?x64xbf16")
    def gate(x, y):
        return heddle.where(y > 0, x * heddle.sigmoid(y) + 1.0, heddle.exp2(-abs(x))).astype("bf16")

    accepted(gate.text)
    assert operations(gate.text) == {"linalg.generic": 1}
    assert "-> tensor<?x?x?x64xbf16>" in gate.text
    assert gate.text.count("arith.truncf") == 1, "only the result is rounded"


def test_a_value_that_is_used_twice_is_computed_once(accepted):
    @heddle.spec(x=WIDE)
    def twice(x):
        e = heddle.exp(x)
        return e / e.sum(keepdims=True)

    accepted(twice.text)
    assert twice.text.count("math.exp") == 1
    assert operations(twice.text) == {"linalg.generic": 3}


def test_rotary_embedding(accepted):
    @heddle.spec(q="?x?x?x128xbf16", k="?x?x?x128xbf16", v="?x?x?x128xbf16", cos="?x64xf32", sin="?x64xf32")
    def rotary(q, k, v, cos, sin):
        def rotate(x):
            low, high = x[..., :64], x[..., 64:]
            return heddle.concat([low * cos - high * sin, high * cos + low * sin]).astype("bf16")
        return heddle.attend(rotate(q), rotate(k), v, causal=True)

    accepted(rotary.text)
    assert operations(rotary.text) == {"tensor.extract_slice": 4, "linalg.generic": 6, "tensor.concat": 2, "attn.attend": 1}
    assert "affine_map<(d0, d1, d2, d3) -> (d2, d3)>" in rotary.text, "tables broadcast from the right"


def test_contraction_with_a_captured_matrix(accepted):
    weight = np.ones((64, 128), np.float32)

    @heddle.spec(x=WIDE)
    def feature(x):
        return heddle.exp(x @ weight)

    accepted(feature.text)
    assert "%weight: tensor<64x128xf32>" in feature.text
    assert operations(feature.text) == {"linalg.contract": 1, "linalg.generic": 1}


def test_a_matrix_per_head(accepted):
    weight = np.ones((8, 64, 32), np.float32)

    @heddle.spec(x="?x8x?x64xf32")
    def feature(x):
        return x @ weight

    accepted(feature.text)
    assert "affine_map<(d0, d1, d2, d3, d4) -> (d1, d4, d3)>" in feature.text


def test_norm_softmax_and_new_dimensions(accepted):
    gain = np.ones(64, np.float32)

    @heddle.spec(x=WIDE, g="?x?x?xf32")
    def norm(x, g):
        y = x / heddle.sqrt((x * x).mean(keepdims=True) + 1e-6) * gain
        return heddle.softmax(y) * g[..., None], x.permute(0, 2, 1, 3), x.max()

    accepted(norm.text)
    assert "iterator_types = [\"parallel\", \"parallel\", \"parallel\", \"reduction\"]" in norm.text
    assert "affine_map<(d0, d1, d2, d3) -> (d0, d2, d1, d3)>" in norm.text


def test_layouts_inside_a_spec_are_views(accepted):
    @heddle.spec(q=WIDE, k=WIDE, v=WIDE, n="?xi32")
    def inner(q, k, v, n):
        return heddle.attend(q, k, v, layout="bthd", kv_lengths=n, return_lse=True)

    accepted(inner.text)
    assert operations(inner.text) == {"attn.view": 3, "attn.attend": 1, "attn.accumulate": 1}
    assert inner.text.count("lengths(%n)") == 2


def test_every_operation_has_the_users_line(accepted):
    @heddle.spec(q=WIDE, k=WIDE, v=WIDE)
    def located(q, k, v):
        return heddle.attend(q, k, v, mask_mod=lambda b, h, i, j: (j <= i) & (j != 3)) * 2.0

    text = located.located_text
    accepted(text)
    first = located.function.__code__.co_firstlineno
    (line,) = [line for line in text.splitlines() if "arith.cmpi ne" in line]
    assert f'loc("{__file__}":{first + 2}:' in line
    assert all(" loc(" in line for line in text.splitlines() if re.match(r"\s+%\S+ = (arith|tensor)", line))
    assert "loc(" not in located.text


def test_types_are_found_from_arrays():
    @heddle.spec
    def double(x, factor):
        return x * factor

    made = double.specialize(np.zeros((2, 3, 5, 8), ml_dtypes.bfloat16), 2.0)
    assert "func.func @double(%x: tensor<?x?x?x8xbf16>, %factor: f32) -> tensor<?x?x?x8xbf16>" in made.text


def branches(x):
    if x.shape[0] > 2:
        return x
    return x + 1


def unknown_step(x):
    return x[..., ::2]


def no_array(x):
    return 1.0


def mixed(x):
    return x @ x.astype("bf16")


@pytest.mark.parametrize("function, message", [
    (branches, "expected a condition that is known while tracing"),
    (unknown_step, "expected a slice of step 1, got 2"),
    (no_array, "expected a spec function that returns arrays, got float"),
    (mixed, "for the contraction of @"),
])
def test_what_cannot_be_traced(function, message):
    with pytest.raises(heddle.TraceError) as caught:
        heddle.spec(x=WIDE)(function).text
    assert message in str(caught.value)
    assert caught.value.file == __file__


@pytest.mark.parametrize("types, message", [
    ({}, "expected types for x"),
    ({"y": WIDE}, "expected a type for each of x, got y"),
    ({"x": "?x?xf31"}, "expected a type such as"),
    ({"x": "?xax8xf32"}, "expected extents that are numbers or ?"),
    ({"x": "i32"}, "expected \"f32\" or \"index\" as the type of a number"),
])
def test_types_that_are_none(types, message):
    with pytest.raises(ValueError) as caught:
        heddle.Spec(lambda x: x * 2, types or None).text
    assert message in str(caught.value)
