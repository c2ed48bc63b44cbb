"""What references share: plain NumPy in float64, written from the equations. Nothing here knows how Heddle computes."""

import numpy as np


def heads(x, count):
    """The heads of (b, h, ..) repeated to `count`, neighbours together."""
    return np.repeat(x, count // x.shape[1], axis=1)


def scores(q, k, scale=None):
    """q.k of every pair, (b, h, i, j); k may have fewer heads. `scale`: 1 / sqrt(d) by default."""
    return q @ heads(k, q.shape[1]).swapaxes(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)


def grid(s):
    """Positions (i, j) of rows and keys of scores; rows end where keys end."""
    rows, keys = s.shape[-2:]
    return np.arange(rows)[:, None] + keys - rows, np.arange(keys)[None]


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
    i, j = np.arange(q.shape[2])[:, None] + k.shape[2] - q.shape[2], np.arange(k.shape[2])[None]
    return j <= i


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
    angle = (np.arange(x.shape[-2]) + first)[:, None] * base ** (-np.arange(half) / half)
    low, high = x[..., :half], x[..., half:]
    return np.concatenate([low * np.cos(angle) - high * np.sin(angle), high * np.cos(angle) + low * np.sin(angle)], -1)


def recurrence(q, k, v, gate=None, divide=False):
    """o_t = q_t S_t with S_t = exp(gate_t) S_{t-1} + k_t v_t^T, token by token; `divide`: by q_t z_t, the same of ones.
    `gate` broadcasts to (b, h, t, c)."""
    count = max(x.shape[1] for x in (q, k, v))
    q, k, v = (heads(x, count) for x in (q, k, v))
    decay = np.exp(np.broadcast_to(0.0 if gate is None else gate, k.shape))
    state, mass, rows = np.zeros((*k.shape[:2], k.shape[3], v.shape[3])), np.zeros((*k.shape[:2], k.shape[3])), []
    for t in range(k.shape[2]):
        state = state * decay[:, :, t, :, None] + k[:, :, t, :, None] * v[:, :, t, None, :]
        mass = mass * decay[:, :, t] + k[:, :, t]
        row = (q[:, :, t, None] @ state)[:, :, 0]
        rows.append(row / (q[:, :, t] * mass).sum(-1, keepdims=True) if divide else row)
    return np.stack(rows, 2)
