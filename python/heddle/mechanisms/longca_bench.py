"""The masks of LongCA-bench, for documents packed into one sequence: each is a predicate over positions.

    full, causal;  full_document, causal_document: the same inside of each document;  share_question: a document also sees all of the first one
    causal_blockwise: a document is causal inside, the last one over the whole sequence;  prefix_lm_causal: the first p tokens see each other,
    prefix_lm_document: the first p of each document;  sliding_window, sliding_window_causal: |i - j| <= w;  global_sliding_window: a band
    beside g global rows and columns;  block_causal_document: causal between blocks, full inside;  block_sparse: a table of blocks per head

"Long-Context Attention Benchmark: From Kernel Efficiency to Distributed Context Parallelism" 2025. 64 heads of q on 8 of k, d = 128. `starts` (B, T) int32
says where a document starts; it and `keep` (H, T / size, T / size) int32 are arrays of the call. w and blocks are 1024, of the table 64 or 128.
Not in this row, which is the masks: several devices (rings, all-gathers, Ulysses), blocks chosen by scores, and qk_sparse and hash_sparse, only listed.
Compared with NJUDeepEngine/LongCA-bench @ 22683e3, seven masks of its generator, which marks global strips causal: max error 6e-7 (f32, 1x2x160x32).
"""

import numpy as np

import heddle

from . import Case, _plain

PLAIN = ("full", "causal", "prefix_lm_causal", "sliding_window", "sliding_window_causal", "global_sliding_window")


def spec(pattern, width=1024, prefix=64, size=1024):
    def visible(b, h, i, j, table, last=None):
        past, near = j <= i, (j >= i - width) & (j <= i + width)
        if pattern in PLAIN:
            return {"full": i >= 0, "causal": past, "prefix_lm_causal": past | (j < prefix), "sliding_window": near,
                    "sliding_window_causal": past & near, "global_sliding_window": near | (i < prefix) | (j < prefix)}[pattern]
        if pattern == "block_sparse":
            return table[h, i // size, j // size] != 0
        start, same, other = table[b, i], table[b, i] == table[b, j], table[b, j]
        return {"full_document": same, "causal_document": past & same, "share_question": past & (same | (other == 0)),
                "causal_blockwise": past & (same | (start == table[b, last])), "prefix_lm_document": same & (past | (j - start < prefix)),
                "block_causal_document": same & (j // size <= i // size)}[pattern]

    def plain(q, k, v):
        return heddle.attend(q, k, v, mask_mod=lambda b, h, i, j: visible(b, h, i, j, None))

    def tabled(q, k, v, table):
        return heddle.attend(q, k, v, mask_mod=lambda b, h, i, j: visible(b, h, i, j, table, k.shape[2] - 1))
    return heddle.spec(plain if pattern in PLAIN else tabled)


def reference(q, k, v, pattern, table=None, width=1024, prefix=64, size=1024):
    t, places = k.shape[2], _plain.places(q.shape[2])
    seen = np.zeros((*q.shape[:3], t), bool)
    for b, h, n in np.ndindex(*seen.shape[:3]):  # row by row, as lists of ranges
        rows, i = seen[b, h, n], places[n]
        packed = pattern not in (*PLAIN, "block_sparse")
        begin, end = (table[b, i], table[b, i] + (table[b] == table[b, i]).sum()) if packed else (0, t)
        if "window" in pattern:
            rows[max(i - width, 0):(i if "causal" in pattern else i + width) + 1] = True
            if pattern.startswith("global"):
                rows[:t if i < prefix else prefix] = True
        elif pattern == "block_sparse":
            rows[:] = np.repeat(table[h, i // size], size)[:t]
        elif pattern in ("full", "full_document"):
            rows[begin:end] = True
        else:
            rows[0 if pattern == "causal_blockwise" and end == t else begin:i + 1] = True
            rows[begin:{"prefix_lm_causal": prefix, "prefix_lm_document": min(begin + prefix, end),
                        "block_causal_document": min((i // size + 1) * size, end)}.get(pattern, 0)] = True
            if pattern == "share_question":
                rows[:min((table[b] == 0).sum(), i + 1)] = True
    return _plain.attention(q, k, v, seen)


def starts(g):
    return np.stack([np.repeat((0, 32, 48, 112), (32, 16, 64, 48)), np.repeat((0, 80, 96, 128), (80, 16, 32, 32))]).astype(np.int32)


def case(pattern, dtype="f32", **options):
    table = (lambda g: (g.random((4, 10, 10)) < 0.4).astype(np.int32)) if pattern == "block_sparse" else starts
    arrays = {name: (2, 4 if name == "q" else 2, 160, 32) for name in "qkv"}
    return Case(pattern, arrays | ({} if pattern in PLAIN else {"table": table}), options=dict(pattern=pattern, **options), dtype=dtype)


CASES = (case("causal_document", "bf16"), *map(case, ("full", "causal", "full_document", "share_question", "causal_blockwise")),
         case("prefix_lm_causal"), case("prefix_lm_document", prefix=9), case("sliding_window", width=20), case("sliding_window_causal", width=20),
         case("global_sliding_window", width=9, prefix=9), case("block_causal_document", size=16), case("block_sparse", size=16))
