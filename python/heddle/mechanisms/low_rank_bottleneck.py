"""Heads of a fixed size, chosen independently of the width of the model.

    o_h = softmax(q_h k_h^T / sqrt(d)) v_h,  q, k, v (B, H, T, d), H d != the model's width

Bhojanapalli et al. 2020, "Low-Rank Bottleneck in Multi-head Attention Models": a head of d < T cannot make every matrix of weights,
one with d >= T can. So all that is asked of a kernel is head sizes: d of 32, 48, 128, 256 and 512 here, of any number of heads.
The output projection takes H d columns.
"""

import heddle

from . import Case, _plain


def spec(causal=False):
    @heddle.spec
    def fixed_head_size(q, k, v):
        return heddle.attend(q, k, v, causal=causal)
    return fixed_head_size


def reference(q, k, v, causal=False):
    return _plain.attention(q, k, v, _plain.causal(q, k) | (not causal))


def case(width, heads, **more):
    return Case(f"{heads} heads of {width}", {name: (1, heads, 70, width) for name in "qkv"}, dtype="bf16", **more)


CASES = (case(32, 5), case(48, 3, options=dict(causal=True)), case(128, 3), case(256, 2, options=dict(causal=True)), case(512, 1))
