"""Neural attention search: each token is global, local or sliding, so each key has a time at which it is forgotten.

    key j is visible to row i if j <= i and (j is global, or local and i <= following[j], or sliding and i - j <= W)
    following[j] = the first global token at j or behind it

Deng et al. 2025, "Neural Attention Search". q (B, H, T, d), k, v (B, Hk, T, d); `kind` int32 (B, Hk, T): 0 global, 1 local, 2 sliding, the
largest of three logits of the token (generating, 0.1 is added to the first, and token 0 is global; training forces the first and the last
token to be). `following` int32 (B, Hk, T) is a scan from the end, made by `next_global` outside. W is 16 in models trained from
scratch, 256 in fine-tuning. A local key is still seen by the global token that ends it. Generating (`decode`), the cache of a head drops
sliding keys behind W and, once a global token was read, local ones; what is left is moved together, so that lengths differ by head and no
mask remains. The second denominator, over all causal keys, is only for the published gradient.
"""

import numpy as np

import heddle

from . import Case, _plain


def next_global(kind):
    """`following` of the kinds of a sequence, NumPy."""
    where = np.where(kind == 0, np.arange(kind.shape[-1]), 1 << 30)
    return np.minimum.accumulate(where[..., ::-1], -1)[..., ::-1].astype(np.int32)


def spec(window=16):
    @heddle.spec
    def nats(q, k, v, kind, following):
        past, group = k.shape[2] - q.shape[2], q.shape[1] // k.shape[1]

        def remembered(b, h, i, j):
            what, row = kind[b, h // group, j], i + past
            return (what == 0) | ((what == 1) & (row <= following[b, h // group, j])) | ((what == 2) & (row - j <= window))

        return heddle.attend(q, k, v, causal=True, mask_mod=remembered)
    return nats


def reference(q, k, v, kind, following, window=16):
    s = _plain.scores(q, k)
    i, j = _plain.grid(s)
    kind = _plain.heads(kind, q.shape[1])[:, :, None]
    # A local key is seen until a global token from j on has passed: none in j .. i - 1.
    until = np.concatenate([np.zeros_like(kind[..., :1]), (kind == 0).cumsum(-1)], -1)
    none_between = _plain.picked(until[..., :-1], 3).swapaxes(-1, -2) == until[..., :-1]
    seen = (j <= i) & ((kind == 0) | ((kind == 1) & none_between) | ((kind == 2) & (i - j <= window)))
    return _plain.softmax(s, seen) @ _plain.heads(v, q.shape[1])


def decode(q, k, v, kind, following, window=16):
    (b, groups, t), heads, rows = kind.shape, q.shape[1], []
    q, *stream = (x.reshape(b * groups, -1, *x.shape[2:]) for x in (q, k, v, kind, np.broadcast_to(np.arange(t), kind.shape)))
    caches = [[x[n, 0, :0] for x in stream] for n in range(b * groups)]  # of each head, what it keeps
    for i in range(t):
        for n, own in enumerate(caches):
            left = (own[2] != 2) | (i - own[3] <= window)
            own[:] = [np.concatenate([x[left], new[n, 0, i:i + 1]]) for x, new in zip(own, stream)]
        lengths = np.array([len(own[0]) for own in caches], np.int32)
        padded = [np.zeros((b * groups, 1, lengths.max(), x.shape[3]), x.dtype) for x in (k, v)]
        for n, own in enumerate(caches):
            for to, x in zip(padded, own):
                to[n, 0, :len(x)] = x
        rows.append(heddle.attend(np.ascontiguousarray(q[:, :, i:i + 1]), *padded, kv_lengths=lengths))
        for own in caches:  # row i still saw what token i ends
            own[:] = [x[own[2] != 1] for x in own] if own[2][-1] == 0 else own
    return np.concatenate(rows, 2).reshape(b, heads, t, -1)


def case(heads, groups, t, width, share, **more):
    def kinds(_):
        drawn = np.random.default_rng(t).choice(3, (2, groups, t), p=share)
        drawn[..., 0] = 0
        return drawn.astype(np.int32)
    return Case(f"{heads} {groups} {t}", dict(q=(2, heads, t, width), k=(2, groups, t, width), v=(2, groups, t, width), kind=kinds,
                                              following=lambda _: next_global(kinds(None))), decode=True, **more)


CASES = (case(4, 2, 150, 64, (0.1, 0.5, 0.4), dtype="bf16"), case(2, 2, 90, 32, (0.02, 0.9, 0.08), options=dict(window=5)))
