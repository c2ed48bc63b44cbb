"""How the sizes of the arrays of an attend or a recurrence go together, in symbols: what a heddle.Spec checks at each call,
before anything runs.

A call of `heddle.attend` or `heddle.recur` on arrays is checked by _checks.py or _recur_checks.py, which have the arrays.
"""

from typing import Any, Callable, NamedTuple


class Relation(NamedTuple):
    """`holds` of numbers, which the sizes have in a call."""

    expected: str
    names: tuple
    sizes: tuple      # ints or traced extents
    holds: Callable[..., bool]

    def check(self, numbers):
        if not self.holds(*numbers):
            got = " and ".join(f"{number} ({name})" for name, number in zip(self.names, numbers))
            raise ValueError(f"expected {self.expected}, got {got}")


class Shape(NamedTuple):
    outer: Any  # the batch, or the pages of a pool; None: packed
    heads: Any
    length: Any  # positions, or the rows of a page


def _shape(tensor, layout):
    sizes = tensor.sizes
    if len(sizes) == 3:
        return Shape(None, sizes[1], sizes[0])
    return Shape(sizes[0], sizes[1], sizes[2]) if layout == "bhtd" else Shape(sizes[0], sizes[2], sizes[1])


def of_attend(spec, sink):
    """The relations of an _attend.AttendSpec."""
    q, k, v = (_shape(tensor, spec.layout) for tensor in (spec.q, spec.k, spec.v))
    paged, packed = spec.block_table is not None, spec.layout == "thd"
    found = []

    def same(expected, *named):
        found.append(Relation(expected, tuple(named[0::2]), tuple(named[1::2]), lambda a, b: a == b))

    for name, keys in (("k", k), ("v", v)):
        found.append(Relation(f"heads of q that are a multiple of those of {name}", ("q", name), (q.heads, keys.heads),
                              lambda a, b: b > 0 and a % b == 0))
    same("k and v of one length", "k", k.length, "v", v.length)
    if paged:
        same("k and v of one number of pages", "k", k.outer, "v", v.outer)
    elif not packed:
        for name, keys in (("k", k), ("v", v)):
            found.append(Relation(f"a batch of {name} of that of q, or 1", ("q", name), (q.outer, keys.outer),
                                  lambda a, b: b in (a, 1)))
    batch, counted = q.outer, "q"
    if packed:
        starts = spec.cu_seqlens_q.sizes[0]
        counted = "cu_seqlens_q, one more"
        if spec.cu_seqlens_k is not None:
            same("cu_seqlens_k of as many elements as cu_seqlens_q", "cu_seqlens_q", starts, "cu_seqlens_k", spec.cu_seqlens_k.sizes[0])
        elif not paged:
            same("k as long as q where there is no cu_seqlens_k", "q", q.length, "k", k.length)
        batch = starts
    less = 1 if packed else 0
    for name, array in (("block_table", spec.block_table), ("cache_seqlens", spec.kv_lengths)):
        if array is not None:
            found.append(Relation(f"{name} with one entry for each sequence", (counted, name), (batch, array.sizes[0]),
                                  lambda a, b, less=less: a - less == b))
    if sink is not None:
        same("sink with one element for each head of q", "q", q.heads, "sink", sink.sizes[0])
    return found


def of_recur(arrays, width, counted, tokens):
    """The relations of the arrays of a recurrence by name, (b, h, t, c) in the order of the operator: q, k, v, and perhaps gate,
    segments, initial_state and its mass. `width` is that of the features, `counted` names what says how many sequences there are,
    `tokens` whose length counts: q's, or k's where rows read other tokens than their own."""
    q, v, found = arrays["q"], arrays["v"], []
    heads = {name: x.sizes[0 if x.ndim == 1 else 1] for name, x in arrays.items() if name != "segments"}
    summands = [heads[name] for name in "qkv"]
    for name, count in heads.items():
        found.append(Relation(f"heads of {name} that divide the largest number of heads of q, k and v", ("q", "k", "v", name),
                              (*summands, count), lambda a, b, c, count: count > 0 and max(a, b, c) % count == 0))
    for name, x in arrays.items():
        if x is q or x.ndim == 1:  # one number for each head
            continue
        if x.sizes[0] is not q.sizes[0]:
            found.append(Relation(f"a batch of {name} of that of {counted}, or 1", (counted, name), (q.sizes[0], x.sizes[0]),
                                  lambda a, b: b in (a, 1)))
        if name in ("k", "v", "gate", "segments"):
            length = x.sizes[1 if name == "segments" else 2]
            if name != tokens:
                found.append(Relation(f"{name} as long as {tokens}", (tokens, name), (arrays[tokens].sizes[2], length), lambda a, b: a == b))
        else:
            found.append(Relation(f"{name} with as many rows as the features are wide", ("features", name), (width, x.sizes[2]),
                                  lambda a, b: a == b))
        if name in ("gate", "initial_state") and x.ndim == 4:
            whose, size = ("features", width) if name == "gate" else ("v", v.sizes[3])
            found.append(Relation(f"{name} with as many channels as {whose}", (whose, name), (size, x.sizes[3]), lambda a, b: a == b))
    return found
