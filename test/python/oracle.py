"""Attention in float64 NumPy, written from its definition and from nothing of Heddle: what the numbers are compared with."""
import numpy as np

# Relative Frobenius error that counts as correct, by element type. The one table of tolerances.
TOLERANCE = {"f32": 1e-5, "f16": 2e-3, "bf16": 1e-2}


def positions(batch, heads, rows, keys):
    """b, h, i, j as arrays that broadcast to (b, h, i, j)."""
    return np.ogrid[:batch, :heads, :rows, :keys]


def visible(rows, keys, causal=False, window=None, key_length=None):
    """(rows, keys) booleans of causal and window; `key_length`: keys that exist."""
    key_length = keys if key_length is None else key_length
    i, j = np.ogrid[:rows, :keys]
    diagonal = i if causal == "top-left" else i + key_length - rows
    seen = (j < key_length) & (i >= 0)
    if causal:
        seen = seen & (j <= diagonal)
    if window is not None:
        left, right = window
        if left != -1:
            seen = seen & (j >= diagonal - left)
        if right != -1:
            seen = seen & (j <= diagonal + right)
    return seen


def softmax(s, seen, sink=None, extra=0.0):
    """Weights and log of the denominator; `sink` (heads) or a constant joins the denominator."""
    s = np.where(seen, s, -np.inf)
    top = s.max(-1, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0.0)
    e = np.exp(s - top)
    total = e.sum(-1, keepdims=True)
    if sink is not None:
        total = total + np.exp(sink.astype(np.float64)[None, :, None, None] - top)
    if extra:
        total = total + extra * np.exp(-top)
    any_seen = np.isfinite(s).any(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(any_seen, e / total, 0.0)
        lse = np.where(any_seen[..., 0], (np.log(total) + top)[..., 0], -np.inf)
    return weights, lse


def weights(name, s, seen, sink=None):
    """(weights, lse or None) of a normalizer by its name, over (b, h, i, j)."""
    seen = seen & (s > -np.inf)
    if name == "softmax":
        return softmax(s, seen, sink)
    if name == "softmax_plus_one":
        return softmax(s, seen, extra=1.0)
    if name == "signed":
        w, lse = softmax(np.abs(s), seen)
        return w * np.where(np.signbit(s), -1.0, 1.0), lse
    plain = {"sigmoid": lambda x: 0.5 * (1.0 + np.tanh(0.5 * x)), "relu": lambda x: np.maximum(x, 0.0),
             "relu2": lambda x: np.maximum(x, 0.0) ** 2, "none": lambda x: x, "linear": lambda x: x}[name]
    safe = np.where(seen, s, 0.0)
    w = np.where(seen, plain(safe), 0.0)
    if name == "linear":
        total = w.sum(-1, keepdims=True)
        w = np.where(total == 0.0, 0.0, w / np.where(total == 0.0, 1.0, total))
    return w, None


def attend(q, k, v, seen, *, scale, normalizer="softmax", sink=None, score_mod=None, mask_mod=None):
    """(o, lse) for q, k, v (b, h, t, d) of any float type. `seen` broadcasts to (b, h, i, j)."""
    q, k, v = (np.asarray(x).astype(np.float64) for x in (q, k, v))
    batch, heads, rows, _ = q.shape
    k, v = (np.broadcast_to(np.repeat(x, heads // x.shape[1], axis=1), (batch, heads, *x.shape[2:])) for x in (k, v))
    place = positions(batch, heads, rows, k.shape[2])
    s = q @ k.swapaxes(-1, -2) * scale
    if score_mod is not None:
        s = np.broadcast_to(score_mod(s, *place), s.shape)
    seen = np.broadcast_to(seen, s.shape)
    if mask_mod is not None:
        seen = seen & mask_mod(*place)
    w, lse = weights(normalizer, s, seen, sink)
    return w @ v, lse


def error(expected, got):
    """Relative Frobenius error; infinities must be equal; NaN is an error."""
    expected, got = np.asarray(expected, np.float64), np.asarray(got).astype(np.float64)
    assert expected.shape == got.shape, f"expected shape {expected.shape}, got {got.shape}"
    finite = np.isfinite(expected)
    if not np.array_equal(expected[~finite], got[~finite]):
        return float("inf")
    norm = np.linalg.norm(expected[finite])
    difference = np.linalg.norm(expected[finite] - got[finite])
    return float(difference / norm) if norm else float(difference)


def check(expected, got, element, what=""):
    """Compare, and say where the worst element is."""
    found = error(expected, got)
    if found <= TOLERANCE[element]:
        return
    expected, got = np.asarray(expected, np.float64), np.asarray(got).astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.where(expected == got, 0.0, np.abs(expected - got))
    worst = np.unravel_index(np.argmax(np.where(np.isnan(difference), np.inf, difference)), expected.shape)
    raise AssertionError(f"{what}: expected an error of at most {TOLERANCE[element]:g}, got {found:.3g}; worst at "
                         f"{tuple(map(int, worst))}: expected {expected[worst]}, got {got[worst]}")
