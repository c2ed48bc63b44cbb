"""How the sizes of an attend's arrays go together, in symbols: what a heddle.Spec checks at each call, before anything runs.

A call of `heddle.attend` on arrays is checked by _checks.py, which has the arrays.
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
