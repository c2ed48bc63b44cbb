"""A recurrence in float64 NumPy, token by token, written from its formula; it knows nothing of Heddle."""
import numpy as np

STRENGTHS = ("weak", "usual", "strong")  # of decays: strong ones make a product over a chunk 0 in float32
# Shapes of gates, and of which strengths they are tried.
GATES = {"none": None, "head": lambda b, h, t, d: (h,), "token": lambda b, h, t, d: (b, h, t), "channel": lambda b, h, t, d: (b, h, t, d)}
KINDS = [(kind, strength) for kind in GATES for strength in STRENGTHS if kind != "none" or strength == "usual"]


def wide(x, heads):
    """All heads of an array (b, h, ..), in float64."""
    x = np.asarray(x).astype(np.float64)
    return np.repeat(x, heads // x.shape[1], axis=1)


def spread(gate, heads):
    """A gate (h), (b, h, t) or (b, h, t, c) as `recurrence` wants it; None stays None."""
    if gate is None:
        return None
    if gate.ndim == 1:
        return np.repeat(np.asarray(gate).astype(np.float64), heads // gate.shape[0])[None, :, None, None]
    return wide(gate, heads) if gate.ndim == 4 else wide(gate, heads)[..., None]


def logarithms(generator, shape, strength):
    """Gates: near 0, of a sigmoid, or strong."""
    x = generator.standard_normal(shape).astype(np.float32)
    return {"weak": lambda: -np.abs(x) / 500, "usual": lambda: -np.log1p(np.exp(-x)), "strong": lambda: -20 * np.abs(x)}[strength]()


def recurrence(q, k, v, gate=None, state=None, mass=None, scale=1.0, divide=False, at=None, begins=None):
    """(o, S, z) of arrays (b, h, t, d) with as many heads each as the result; `gate` broadcasts to (b, h, t, c). `at`: the
    token whose state each row reads, -1 for the first state of all; without it rows are tokens. `begins` (b, t): tokens that
    forget what was before them."""
    batch, heads, tokens, width = k.shape
    s = np.zeros((batch, heads, width, v.shape[3])) if state is None else np.array(state, np.float64)
    z = np.zeros((batch, heads, width)) if mass is None else np.array(mass, np.float64)
    gate = np.zeros((1, 1, 1, 1)) if gate is None else np.asarray(gate, np.float64)
    decay = np.exp(np.broadcast_to(gate, (batch, heads, tokens, width)))
    if begins is not None:
        decay = np.where(np.asarray(begins)[:, None, :, None], 0.0, decay)
    at = np.arange(tokens) if at is None else np.clip(at, -1, tokens - 1)
    out = np.zeros((batch, heads, len(at), v.shape[3]))
    for t in range(-1, tokens):
        if t >= 0:
            s = s * decay[:, :, t, :, None] + k[:, :, t, :, None] * v[:, :, t, None, :]
            z = z * decay[:, :, t] + k[:, :, t]
        rows = np.flatnonzero(at == t)
        if len(rows):
            read = np.einsum("bhic,bhce->bhie", q[:, :, rows], s)
            out[:, :, rows] = read / np.einsum("bhic,bhc->bhi", q[:, :, rows], z)[..., None] if divide else read * scale
    return out, s, z


def difference(got, expected):
    """Relative Frobenius error."""
    got, expected = np.asarray(got).astype(np.float64), np.asarray(expected, np.float64)
    assert got.shape == expected.shape, (got.shape, expected.shape)
    return np.linalg.norm(got - expected) / max(np.linalg.norm(expected), 1e-30)
