"""MEGABYTE: a global model over patches of P bytes, and a local one inside of each patch.

    global:  causal softmax attention over the K = T / P patches (as wide as a patch of bytes)
    local:   byte i sees byte j <= i of its own patch, and with `before` = r the last r bytes before the patch, too

Yu et al. 2023, "MEGABYTE: Predicting Million-byte Sequences with Multiscale Transformers". P is 8 for text and images. Bytes stay in one sequence
(B, H, T, d): a patch is a condition, j >= floor(i / P) P - r, and tiles cover several patches. Embedding, the shift by one
patch and by one byte with learned padding, and what projects a patch's output to its bytes are outside, as are the second pass of strided
inference (the same with positions moved by P / 2) and further levels, each of which is `part="global"` over its own patches. Rotary
positions in the local model are those inside of the patch in some code, and of the sequence (`rotary`) here: without
`before` both give the same scores. Generating, the global cache grows every P bytes and the local one starts anew with each patch.
Compared with lucidrains/MEGABYTE-pytorch @ 21eec73, attend.py and its rotary positions, by patches: max error 7e-7 of 4 (f32, 1x4x152x32).
"""

import heddle
from heddle import masks

from . import Case, _plain, cached


def spec(part="local", patch=8, before=0, rotary=None, length=4096):
    @heddle.spec
    def megabyte(q, k, v):
        if rotary:
            q, k = heddle.positions.rotary(q, k, heddle.positions.rotary_tables(length, q.shape[3], rotary))
        if part == "global":
            return heddle.attend(q, k, v, causal=True)

        def own(b, h, i, j):
            return (j <= i) & (j >= i // patch * patch - before)

        return heddle.attend(q, k, v, mask_mod=masks.shifted(own, k.shape[2] - q.shape[2]))
    return megabyte


def reference(q, k, v, part="local", patch=8, before=0, rotary=None, length=4096):
    if rotary:
        q, k = _plain.rope(q, rotary), _plain.rope(k, rotary)
    i, j = _plain.grid(_plain.scores(q, k))
    seen = j <= i
    if part == "local":
        seen = seen & ((j // patch == i // patch) | ((j // patch < i // patch) & (j >= i - i % patch - before)))
    return _plain.attention(q, k, v, seen)


decode = cached(spec)
BYTES = {name: (1, 4, 150, 32) for name in "qkv"}
CASES = (
    Case("patches of 8", BYTES, options=dict(rotary=10000.0, length=150), dtype="bf16", decode=True),
    Case("patches of 4", BYTES, options=dict(patch=4), decode=True),
    Case("patches of 16 and 5 before", BYTES, options=dict(patch=16, before=5), decode=True),
    Case("patches of 32", BYTES, options=dict(patch=32)),
    Case("global", {name: (1, 2, 40, 256) for name in "qkv"}, options=dict(part="global"), decode=True),
)
