"""`heddle.attend` as an operator that PyTorch's compiler and fake tensors know: `torch.ops.heddle.attend`.

    import heddle.torch
    o, lse = torch.ops.heddle.attend(q, k, v, causal="bottom-right", window_left=1024)

Functions (score_mod, mask_mod, a heddle.Normalizer) have no place in an operator's schema; call heddle.attend for them.
Nothing but this module imports PyTorch, and only whoever imports it gets it.
"""

import torch

from ._eager import attend

_LIBRARY = torch.library.Library("heddle", "DEF")
_LIBRARY.define("attend(Tensor q, Tensor k, Tensor v, *, str causal='', int window_left=-1, int window_right=-1, "
                "Tensor? cu_seqlens_q=None, Tensor? cu_seqlens_k=None, Tensor? kv_lengths=None, Tensor? sink=None, "
                "float? scale=None, str normalizer='softmax', str layout='bhtd', Tensor? block_table=None, "
                "Tensor? cache_seqlens=None, int num_splits=0) -> (Tensor, Tensor)")


def _attend(q, k, v, *, causal="", window_left=-1, window_right=-1, cu_seqlens_q=None, cu_seqlens_k=None, kv_lengths=None,
            sink=None, scale=None, normalizer="softmax", layout="bhtd", block_table=None, cache_seqlens=None, num_splits=0):
    """The output and its log-sum-exp; see heddle.attend. `causal` is "", "bottom-right" or "top-left"."""
    window = None if (window_left, window_right) == (-1, -1) else (window_left, window_right)
    return attend(q, k, v, causal=causal or False, window=window, cu_seqlens_q=cu_seqlens_q, cu_seqlens_k=cu_seqlens_k,
                  kv_lengths=kv_lengths, sink=sink, scale=scale, normalizer=normalizer, layout=layout, return_lse=True,
                  block_table=block_table, cache_seqlens=cache_seqlens, num_splits=num_splits or None)


def _fake(q, k, v, *, layout="bhtd", **options):
    """Shapes and types of the results, for tensors without data."""
    output = q.new_empty((*q.shape[:-1], v.shape[-1]))
    if layout == "thd":
        lse = (q.shape[1], q.shape[0])
    elif layout == "bthd":
        lse = (q.shape[0], q.shape[2], q.shape[1])
    else:
        lse = q.shape[:3]
    return output, q.new_empty(lse, dtype=torch.float32)


_LIBRARY.impl("attend", _attend, "CompositeExplicitAutograd")
torch.library.register_fake("heddle::attend", _fake, lib=_LIBRARY)
