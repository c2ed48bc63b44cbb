"""What references share: plain NumPy in float64, written from the equations. Nothing here knows how Heddle computes."""

import contextlib

import numpy as np

ROWS = None  # which rows of a sequence the references' rows are, where `only` says it


@contextlib.contextmanager
def only(rows):
    """References are called with these rows of what has rows, and with all keys."""
    global ROWS
    before, ROWS = ROWS, rows
    try:
        yield
    finally:
        ROWS = before


def places(count, keys=None):
    """Positions of `count` tokens, the last of `keys` (None: all of them), or those of the rows of `only`."""
    if ROWS is not None and count == len(ROWS):
        return ROWS
    return np.arange(count) + (count if keys is None else keys) - count


def picked(x, axis=2):
    """The rows of `only` of x, which has all of them."""
    return x if ROWS is None else x.take(ROWS, axis)


def heads(x, count):
    """The heads of (b, h, ..) repeated to `count`, neighbours together."""
    return np.repeat(x, count // x.shape[1], axis=1)


def scores(q, k, scale=None):
    """q.k of every pair, (b, h, i, j); k may have fewer heads. `scale`: 1 / sqrt(d) by default."""
    return q @ heads(k, q.shape[1]).swapaxes(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)


def grid(s):
    """Positions (i, j) of rows and keys of scores; rows end where keys end."""
    return places(*s.shape[-2:])[:, None], np.arange(s.shape[-1])[None]


def softmax(s, seen=True):
    """Weights of the scores that are seen; 0 where a row sees nothing."""
    s = np.where(seen, s, -np.inf)
    top = s.max(-1, keepdims=True, initial=-np.inf)
    e = np.exp(s - np.where(np.isfinite(top), top, 0.0))
    total = e.sum(-1, keepdims=True)
    return e / np.where(total == 0, 1.0, total)


def attention(q, k, v, seen=True, scale=None, bias=0.0):
    """Softmax attention by its definition."""
    return softmax(scores(q, k, scale) + bias, seen) @ heads(v, q.shape[1])


def causal(q, k):
    """Which keys a row sees: those up to its own position."""
    return np.arange(k.shape[2])[None] <= places(q.shape[2], k.shape[2])[:, None]


def neighborhood(tokens, length, size, stride=1, dilation=1, causal=False):
    """What tokens of an axis see in neighbourhood attention, (tokens, length) booleans."""
    seen = np.zeros((len(tokens), length), bool)
    for row, token in zip(seen, tokens):
        group, x = np.arange(token % dilation, length, dilation), token // dilation
        leader = min(x // stride * stride + (stride - 1 if causal else stride // 2), len(group) - 1)
        start = max(leader - size + 1, 0) if causal else min(max(leader - size // 2, 0), len(group) - size)
        row[group[start:x + 1 if causal else start + size]] = True
    return seen


def neighborhoods(rows, shape, sizes, strides=None, dilations=None, causal=None):
    """(which tokens of a grid these rows see, the number of each among those that its row sees), of one entry per axis."""
    ones = [1] * len(shape)
    seen, number = np.ones((len(rows), 1), bool), np.zeros((len(rows), 1), int)
    for x, size, *more in zip(np.unravel_index(rows, shape), sizes, shape, strides or ones, dilations or ones, causal or [False] * len(shape)):
        own = neighborhood(x, more[0], size, *more[1:])
        seen = (seen[:, :, None] & own[:, None]).reshape(len(rows), -1)
        number = (number[:, :, None] * size + own.cumsum(1)[:, None] - 1).reshape(len(rows), -1)
    return seen, number


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def layer_norm(x, eps=1e-5):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)


FEATURES = {  # of (.., c), by the names that rows give them
    "exp": np.exp,
    "shifted": lambda y: np.exp(y - y.max(-1, keepdims=True)),
    "softmax": softmax,
    "elu": lambda y: np.where(y > 0, y + 1, np.exp(np.minimum(y, 0))),
    "relu": lambda y: np.maximum(y, 0),
}


def mirrored(y, form):
    """[f(y); f(-y)]."""
    return np.concatenate([FEATURES[form](y), FEATURES[form](-y)], -1)


def rope(x, base=10000.0, first=0):
    """Rotary embedding, channel c paired with c + d / 2."""
    half = x.shape[-1] // 2
    angle = (places(x.shape[-2]) + first)[:, None] * base ** (-np.arange(half) / half)
    low, high = x[..., :half], x[..., half:]
    return np.concatenate([low * np.cos(angle) - high * np.sin(angle), high * np.cos(angle) + low * np.sin(angle)], -1)


def recurrence(q, k, v, gate=None, divide=False):
    """o_t = q_t S_t with S_t = exp(gate_t) S_{t-1} + k_t v_t^T, token by token; `divide`: by q_t z_t, the same of ones.
    `gate` broadcasts to (b, h, t, c)."""
    wanted = {t: n for n, t in enumerate(places(q.shape[2]))}
    count = max(x.shape[1] for x in (q, k, v))
    q, k, v = (heads(x, count) for x in (q, k, v))
    decay = np.exp(np.broadcast_to(0.0 if gate is None else gate, k.shape))
    state, mass = np.zeros((*k.shape[:2], k.shape[3], v.shape[3])), np.zeros((*k.shape[:2], k.shape[3]))
    for t in range(k.shape[2]):
        state = state * decay[:, :, t, :, None] + k[:, :, t, :, None] * v[:, :, t, None, :]
        mass = mass * decay[:, :, t] + k[:, :, t]
        if t in wanted:
            row = q[:, :, wanted[t]]
            o = (row[:, :, None] @ state)[:, :, 0]
            wanted[t] = o / (row * mass).sum(-1, keepdims=True) if divide else o
    return np.stack([wanted[t] for t in places(q.shape[2])], 2)
