"""A recurrence in float64 NumPy, token by token, written from its formula; it knows nothing of Heddle."""
import numpy as np


def wide(x, heads):
    """All heads of an array (b, h, ..), in float64."""
    x = np.asarray(x).astype(np.float64)
    return np.repeat(x, heads // x.shape[1], axis=1)


def recurrence(q, k, v, gate=None, state=None, mass=None, scale=1.0, divide=False):
    """(o, S, z) of arrays (b, h, t, d) with as many heads each as the result; `gate` broadcasts to (b, h, t, c)."""
    batch, heads, tokens, width = q.shape
    s = np.zeros((batch, heads, width, v.shape[3])) if state is None else np.array(state, np.float64)
    z = np.zeros((batch, heads, width)) if mass is None else np.array(mass, np.float64)
    gate = np.zeros((1, 1, 1, 1)) if gate is None else np.asarray(gate, np.float64)
    decay = np.exp(np.broadcast_to(gate, (batch, heads, tokens, width)))
    out = np.zeros((batch, heads, tokens, v.shape[3]))
    for t in range(tokens):
        s = s * decay[:, :, t, :, None] + k[:, :, t, :, None] * v[:, :, t, None, :]
        z = z * decay[:, :, t] + k[:, :, t]
        out[:, :, t] = np.einsum("bhc,bhce->bhe", q[:, :, t], s)
        if divide:
            out[:, :, t] /= np.einsum("bhc,bhc->bh", q[:, :, t], z)[..., None]
    return (out if divide else out * scale), s, z


def difference(got, expected):
    """Relative Frobenius error."""
    got, expected = np.asarray(got).astype(np.float64), np.asarray(expected, np.float64)
    assert got.shape == expected.shape, (got.shape, expected.shape)
    return np.linalg.norm(got - expected) / max(np.linalg.norm(expected), 1e-30)
