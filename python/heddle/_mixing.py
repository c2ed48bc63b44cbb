"""`heddle.mixing_matrix`: the matrix that a recurrence multiplies its values by, or a block of it."""

from . import _arrays, _recur_checks
from ._captures import RuntimeScalar
from ._recurrence import maps_of, spec_of
from ._tensor import Tensor

BLOCK = 256  # columns of one launch


def mixing_matrix(q, k, *, gate=None, feature_map=None, normalizer="none", scale=None, segments=None, rows=None, columns=None,
                  layout="bhtd"):
    """M, float32 (B, H, rows, columns), with `heddle.recur(q, k, v, ...) == M @ v` of every head: what token j counts for row i, 0 for
    j > i. For distillation and analysis; by the kernels of `heddle.recur` themselves, on columns of the identity, so that M has their
    roundings. A launch makes 256 columns and costs what a recurrence of so many channels of v costs.

    Args:
        rows, columns: (first, end) of a block; default: all. Tokens behind its last row are not read.
        The rest is as in `heddle.recur`; layout "bhtd" or "bthd", of q, k and gate.
    """
    if layout not in ("bhtd", "bthd"):
        raise ValueError(f"expected layout \"bhtd\" or \"bthd\", got {layout!r}")
    for name, value in (("q", q), ("k", k)):
        if isinstance(value, Tensor) or not _arrays.has_views(value):
            raise TypeError(f"expected an array of NumPy or PyTorch as {name}, got {type(value).__name__}")
        if len(value.shape) != 4:
            raise ValueError(f"expected {name} of rank 4, got shape {tuple(value.shape)}")
    heads_at, tokens_at = (1, 2) if layout == "bhtd" else (2, 1)
    tokens = q.shape[tokens_at]
    for name, array, axis in (("k", k, tokens_at), ("gate", gate, tokens_at), ("segments", segments, 1)):
        if array is not None and len(array.shape) > 1 and (len(array.shape) <= axis or array.shape[axis] != tokens):
            raise ValueError(f"expected {name} as long as q, of {tokens} tokens, got shape {tuple(array.shape)}")
    (top, end), (left, right) = _block("rows", rows, tokens), _block("columns", columns, tokens)

    def cut(x, first):
        return x[:, :, first:end] if tokens_at == 2 else x[:, first:end]

    by_channel = gate is not None and len(gate.shape) == 4  # for which rows cannot read the states of others
    first = 0 if by_channel else top
    at = None if first == 0 else _after(RuntimeScalar(first))
    q, k, segments = cut(q, first), cut(k, 0), None if segments is None else segments[:, :end]
    gate = cut(gate, 0) if gate is not None and len(gate.shape) > 1 else gate
    width = -(-(right - left) // 8) * 8
    made = _arrays.empty_like(q, (q.shape[0], max(q.shape[heads_at], k.shape[heads_at]), end - first, width), "f32")
    for start in range(0, width, BLOCK):
        block = made[..., start:start + BLOCK]
        unit = _arrays.empty_like(q, (end, block.shape[3]), _arrays.element(q))
        unit[...] = 0
        for column in range(max(0, min(block.shape[3], end - left - start))):
            unit[left + start + column, column] = 1
        unit, block = (unit[None, None], block) if layout == "bhtd" else (unit[None, :, None], block.swapaxes(1, 2))
        given = _recur_checks.Call(q, k, unit, gate, normalizer, None, False, None, None, layout, block, at, segments, False, "f32")
        maps = maps_of(feature_map, given)
        _recur_checks.call(given, maps)
        spec, arguments = spec_of(given, maps, scale)
        spec(*arguments, out=[block])
    return made[:, :, top - first:, :right - left]


def _after(first):
    return lambda i: i + first


def _block(name, block, length):
    if block is None:
        return 0, length
    if not (isinstance(block, (tuple, list)) and len(block) == 2 and all(isinstance(n, int) for n in block) and 0 <= block[0] <= block[1] <= length):
        raise ValueError(f"expected {name} as (first, end) inside of 0 to {length}, got {block!r}")
    return block
