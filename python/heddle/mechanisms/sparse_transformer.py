"""Sparse Transformer: causal attention to a local set and a strided one, in one layer after another, merged, or on different heads.

    strided:  A1(i) = {j: i - l <= j <= i},               A2(i) = {j <= i: (i - j) mod l = 0}
    fixed:    A1(i) = {j <= i: floor(j/l) = floor(i/l)},  A2(i) = {j <= i: j mod l >= l - c}   (per head: see below)

Child et al. 2019, "Generating Long Sequences with Sparse Transformers". l is about sqrt(T) (128), c of 8 to 32. `part`: "local",
"summary" (A2), "merged" (their union), or "heads" (even heads local, odd ones summary). `spread=True`: heads of the fixed pattern use
different blocks of c of the last positions of their block of l: head h columns l - c (1 + h mod (l/c)) and c - 1 more. d of q and k may be
half of that of v. Positions are embeddings at the input. The published kernels transpose the sequence for A2; here both are
predicates, and blocks without a key are not visited. `width` is the keys of strided A1: l + 1 as in the paper's set, l in released code.
Compared with openai/sparse_attention @ c53f3bd, masks of attention.py: max error 5e-7 (f32, local, strided, 1x2x150x32).
"""

import numpy as np

import heddle
from heddle import masks

from . import Case, _plain, cached


def spec(pattern="strided", part="merged", stride=128, columns=32, spread=False, width=None):
    def summary(b, h, i, j):
        if pattern == "strided":
            return masks.strided(stride)(b, h, i, j)
        first = stride - columns * (1 + (h % (stride // columns) if spread else 0))
        return (j <= i) & (j % stride >= first) & (j % stride < first + columns)

    local = masks.window(width or stride + 1) if pattern == "strided" else masks.blocks(stride)

    def near(b, h, i, j):
        return local(b, h, i, j) & (j <= i)

    def by_head(b, h, i, j):
        return (near(b, h, i, j) & (h % 2 == 0)) | (summary(b, h, i, j) & (h % 2 == 1))

    mask = {"local": near, "summary": summary, "merged": heddle.or_masks(near, summary), "heads": by_head}[part]

    @heddle.spec
    def sparse(q, k, v):
        return heddle.attend(q, k, v, mask_mod=masks.shifted(mask, k.shape[2] - q.shape[2]))
    return sparse


def reference(q, k, v, pattern="strided", part="merged", stride=128, columns=32, spread=False, width=None):
    s = _plain.scores(q, k)
    h, (i, j) = np.arange(q.shape[1])[:, None, None], _plain.grid(s)
    if pattern == "strided":
        near, summary = i - j < (stride + 1 if width is None else width), (i - j) % stride == 0
    else:
        which = h % (stride // columns) if spread else 0 * h
        near, summary = i // stride == j // stride, (stride - 1 - j % stride) // columns == which
    seen = {"local": near, "summary": summary, "merged": near | summary, "heads": np.where(h % 2 == 0, near, summary)}[part]
    return _plain.softmax(s, seen & (j <= i)) @ _plain.heads(v, q.shape[1])


decode = cached(spec)
QKV = dict(q=(1, 4, 150, 32), k=(1, 4, 150, 32), v=(1, 4, 150, 64))
CASES = (
    Case("strided merged", QKV, options=dict(stride=16), dtype="bf16", decode=True),
    Case("strided local, released", QKV, options=dict(stride=16, part="local", width=16)),
    Case("strided by heads", QKV, options=dict(stride=16, part="heads")),
    Case("fixed merged spread", QKV, options=dict(pattern="fixed", stride=32, columns=8, spread=True), decode=True),
    Case("fixed summary", QKV, options=dict(pattern="fixed", part="summary", stride=32, columns=8)),
    Case("fixed local", QKV, options=dict(pattern="fixed", part="local", stride=32)),
)
