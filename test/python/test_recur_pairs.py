"""Recurrences written as masked products of pairs (attn-recur-to-attend), against a loop over tokens in float64."""
import numpy as np
import pytest
import recur_oracle

import heddle


def compiled_as(form, gate, layout="bhtd"):
    types = dict.fromkeys("qkv", "?x?x?x32xf32") | ({"g": "?xf32"} if gate else {})
    spec = heddle.Spec((lambda q, k, v, g: heddle.recur(q, k, v, gate=g, scale=0.5, layout=layout)) if gate else
                       (lambda q, k, v: heddle.recur(q, k, v, scale=0.5, layout=layout)), types)
    spec._schedule = f"form={form}"
    return spec


@pytest.mark.parametrize("layout", ["bhtd", "bthd"])
@pytest.mark.parametrize("strength", [None, *recur_oracle.STRENGTHS])
def test_pairs_are_the_recurrence(strength, layout):
    rng = np.random.default_rng(3)
    for tokens in (1, 5, 64, 201):
        q, k, v = (rng.standard_normal((2, heads, tokens, 32), np.float32) for heads in (4, 2, 1))
        gate = None if strength is None else recur_oracle.logarithms(rng, (4,), strength)
        if gate is not None:
            gate[1] = -np.inf  # forgets all but the token itself
        expected, _, _ = recur_oracle.recurrence(*(recur_oracle.wide(x, 4) for x in (q, k, v)), recur_oracle.spread(gate, 4), scale=0.5)
        turned = [x.transpose(0, 2, 1, 3) if layout == "bthd" else x for x in (q, k, v)]
        out = np.full(turned[0].shape, np.nan, np.float32)
        compiled_as("pairs", gate is not None, layout)(*turned, *([] if gate is None else [gate]), out=out)
        assert recur_oracle.difference(out.transpose(0, 2, 1, 3) if layout == "bthd" else out, expected) < 2e-6


def test_a_form_has_a_name():
    with pytest.raises(heddle.CompileError, match="expected form to be auto, chunks or pairs, got rows"):
        compiled_as("rows", True).compile("cpu", "form=rows")
