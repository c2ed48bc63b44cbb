"""What the ideas of heddle.families mean, in float64 NumPy, by family and name: from their equations, nothing that Heddle computes with. Where a row
of heddle.mechanisms is the same mathematics, its reference is taken."""
import numpy as np

from heddle.mechanisms import _plain, based, cog_attention, gateloop, kd_subquadratic
from heddle.mechanisms._plain import FEATURES, attention, recurrence, rope, scores, sigmoid

ELU, relu = FEATURES["elu"], FEATURES["relu"]


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def rms(x, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)


def lse(s, seen=True):
    return np.log(np.where(seen, np.exp(s), 0).sum(-1))


def under(condition):
    """Attention to the pairs (i, j) for which a condition on whole numbers holds, pair by pair."""
    def reference(q, k, v):
        rows, keys = q.shape[2], k.shape[2]
        seen = np.array([[condition(i + keys - rows, j) for j in range(keys)] for i in range(rows)])
        return attention(q, k, v, seen)
    return reference


def on_grid(height, width, condition):
    return under(lambda i, j: condition(*divmod(i, width), *divmod(j, width)))


def in_windows(shape, sizes):
    """Attention of a grid's tokens to windows around them, moved at borders."""
    return lambda q, k, v: attention(q, k, v, _plain.neighborhoods(np.arange(q.shape[2]), shape, sizes)[0])


def near_tokens(q, k):
    """q_t . k of the nine tokens around each t of a grid of 5 x 7, windows moved at the border."""
    seen, _ = _plain.neighborhoods(np.arange(35), (5, 7), (3, 3))
    return np.concatenate([scores(q, k, 1.0)[:, :, t, tokens] for t, tokens in enumerate(seen)], -1)


def with_entropy(p, v):
    return p @ v, -(p * np.log(p, where=p > 0, out=np.zeros_like(p))).sum(-1)


def tables(q, k, v, seen):
    i, j = np.arange(q.shape[2])[:, None], np.arange(k.shape[2])
    return attention(q, k, v, seen(i, j))


MASKS = {
    "causal": under(lambda i, j: j <= i),
    "window": under(lambda i, j: 0 <= i - j < 3),
    "around": under(lambda i, j: -1 <= i - j <= 2),
    "sinks": under(lambda i, j: j <= i and (j < 2 or i - j < 3)),
    "prefix": under(lambda i, j: j <= i or j < 4),
    "strided": under(lambda i, j: j <= i and (i - j) % 4 == 0),
    "every": under(lambda i, j: j <= i and j % 4 == 3),
    "blocks": under(lambda i, j: 0 <= i // 4 - j // 4 <= 1),
    "documents": lambda q, k, v, segments: tables(q, k, v, lambda i, j: (j <= i) & (segments[0][i] == segments[0][j])),
    "intervals": lambda q, k, v, starts, ends: tables(q, k, v, lambda i, j: (starts[i] <= j) & (j < ends[i])),
    "living": lambda q, k, v, ends: tables(q, k, v, lambda i, j: (j <= i) & (i < ends[:, :, None, :])),
    "shifted": under(lambda i, j: 0 <= i - j < 3),
    "neighborhood": in_windows((12,), (5,)),
    "neighborhoods": in_windows((5, 7), (3, 5)),
    "axes": on_grid(5, 7, lambda y, x, v, u: y == v or x == u),
    "tiles": on_grid(4, 6, lambda y, x, v, u: y // 2 == v // 2 and x // 3 == u // 3),
    "neighbor": near_tokens,
}


def scored(change, causal=False):
    """Softmax of changed scores: change(s, i, j, ..) of whole matrices."""
    def reference(q, k, v, *more):
        i, j = np.arange(q.shape[2])[:, None], np.arange(k.shape[2])
        return _plain.softmax(change(scores(q, k), i, j, *more), (j <= i) | (not causal)) @ v
    return reference


def by_content(q, k, v, table):
    i, j = np.arange(12)[:, None], np.arange(12)
    return _plain.softmax(scores(q, k) + np.einsum("bhic,ijc->bhij", q, table.T[j - i + 15])) @ v


SCORES = {
    "temperature": lambda q, k, v: attention(q, k, v, scale=1 / 64),
    "per_head": scored(lambda s, i, j, factors: s * factors[:, None, None] * np.log(i + 1), True),
    "capped": scored(lambda s, i, j: 30 * np.tanh(s / 30), True),
    "alibi": scored(lambda s, i, j, slopes: s - slopes[:, None, None] * (i - j), True),
    "relative": scored(lambda s, i, j, table: s + table[:, np.clip(j - i, -4, 4) + 4]),
    "by_content": by_content,
    "of_pairs": scored(lambda s, i, j, bias: s + bias),
    "forgetting": scored(lambda s, i, j, c: s + c[..., :, None] - c[..., None, :], True),
    "cosine": lambda q, k, v, scales: _plain.softmax(scores(unit(q), unit(k), 1.0) * scales[:, None, None]) @ v,
    "distance": lambda q, k, v: _plain.softmax(-((q[:, :, :, None] - k[:, :, None]) ** 2).sum(-1) / 8) @ v,
    "excluded": lambda q, k, v: attention(q, k, v, scores(q, k) > 0),
}


def weighted(weigh):
    """weigh(s, seen) -> weights, of causal scores."""
    return lambda q, k, v: weigh(scores(q, k), _plain.causal(q, k)) @ v


def shares(w):
    return w / w.sum(-1, keepdims=True)


NORMALIZERS = {
    "attention": lambda q, k, v: (attention(q, k, v), lse(scores(q, k))),
    "off_by_one": lambda q, k, v: np.exp(s := scores(q, k)) / (1 + np.exp(s).sum(-1, keepdims=True)) @ v,
    "with_sinks": lambda q, k, v, sink: np.exp(s := scores(q, k)) / (np.exp(sink[:, None, None]) + np.exp(s).sum(-1, keepdims=True)) @ v,
    "independent": lambda q, k, v, bias: sigmoid(scores(q, k) + bias[:, None, None]) @ v,
    "rectified": lambda q, k, v: relu(scores(q, k)) @ v / 12,
    "squared": lambda q, k, v: relu(scores(q, k)) ** 2 @ v,
    "divided": lambda q, k, v: weighted(lambda s, seen: shares(s * seen))(np.exp(q), np.exp(k), v),
    "with_signs": lambda q, k, v: cog_attention.reference(q, k, v, rotary=None),
    "products": weighted(lambda s, seen: s * s * seen),
    "hard": lambda q, k, v: np.eye(12)[scores(q, k).argmax(-1)] @ v,
    "entropy": lambda q, k, v: with_entropy(_plain.softmax(scores(q, k), _plain.causal(q, k)), v),
    "of_powers": weighted(lambda s, seen: shares((1 + s + s * s / 2) * seen)),
    "shaped": weighted(lambda s, seen: _plain.softmax(30 * np.tanh(s / 30), seen) - shares(seen * 1.0)),
}


def turned(x, positions, base=10000.0):
    """Rotary embedding by any positions of the rows, as complex numbers."""
    half = x.shape[-1] // 2
    z = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * positions[:, None] * base ** (-np.arange(half) / half))
    return np.concatenate([z.real, z.imag], -1)


def partial(x):
    return np.concatenate([rope(x[..., :8]), x[..., 8:]], -1)


def axial(x):
    y, x_ = np.divmod(np.arange(24), 6)
    return np.concatenate([turned(x[..., :8], y), turned(x[..., 8:], x_)], -1)


def cosformer(q, k, v, *waves):
    i, j = np.arange(12)[:, None], np.arange(12)
    w = scores(relu(q), relu(k), 1.0) * np.cos(np.pi / 2 * (i - j) / 12) * (j <= i)
    return shares(w) @ v


POSITIONS = {
    "rotary": lambda q, k, v: attention(rope(q), rope(k), v, _plain.causal(q, k)),
    "partial": lambda q, k, v: attention(partial(q), partial(k), v, _plain.causal(q, k)),
    "axial": lambda q, k, v: attention(axial(q), axial(k), v),
    "from_an_offset": lambda q, k, v: attention(rope(q, first=3), rope(k, first=3), v, _plain.causal(q, k)),
    "of_recurrences": cosformer,
}


def summed(f):
    """Linear attention over pairs: weights f(x, y) of arrays (.., i, j), divided by their sum."""
    return lambda q, k, v: shares(f(scores(q, k, 1.0)) * _plain.causal(q, k)) @ v


FEATURE_MAPS = {
    "elu_plus_one": lambda q, k, v: summed(lambda s: s)(ELU(q), ELU(k), v),
    "exp": np.exp,
    "rectified": relu,
    "clamped": lambda x: np.maximum(relu(x), 1e-6),
    "distribution": _plain.softmax,
    "learned": lambda x, w: relu(x @ w),
    "mirrored": lambda x, w: _plain.mirrored(x @ w, "exp"),
    "positive_random": lambda x, w: np.exp(x @ w - (x * x).sum(-1, keepdims=True) / 2) / 8,
    "random_fourier": lambda x, w: np.exp((x * x).sum(-1, keepdims=True) / 2) * np.concatenate([np.cos(x @ w), np.sin(x @ w)], -1) / 8,
    "cos_sin": lambda x: np.concatenate([np.cos(x), np.sin(x)], -1),
    "power_norm": lambda x: relu(x) ** 3 * np.linalg.norm(relu(x), axis=-1, keepdims=True) / np.linalg.norm(relu(x) ** 3, axis=-1, keepdims=True),
    "taylor": based.reference,
    "polynomial": summed(lambda s: 1 + s + s ** 2 / 2),
    "as_it_is": lambda q, k, v, f: recurrence(f, f, v, divide=True),
    "widened": lambda x: np.concatenate([x, np.zeros_like(x[..., :3])], -1),
}


def resets(q, k, v, segments):
    return scores(q, k, 1.0) * (_plain.causal(q, k) & (segments[0][:, None] == segments[0])) @ v


GATES = {
    "ungated": recurrence,
    "of_heads": lambda q, k, v, decay: recurrence(q, k, v, decay[:, None, None]),
    "of_tokens": lambda q, k, v, x: recurrence(q, k, v, np.log(sigmoid(x))[..., None]),
    "steps": lambda q, k, v, dt, a: kd_subquadratic.reference(q, v, k, dt=dt, A=a, D=np.zeros(2), kind="mamba2"),
    "of_channels": lambda q, k, v, x: kd_subquadratic.reference(q, v, k, x, kind="gla"),
    "turning": gateloop.reference,
    "resets": resets,
    "lagging": lambda q, k, v: scores(q, k, 1.0) * (np.arange(12) <= np.arange(12)[:, None] - 4) @ v,
    "of_results": lambda q, k, v, g: attention(q, k, v, _plain.causal(q, k)) * sigmoid(g),
}


def one_denominator(q, k, v):
    i, j = np.arange(12)[:, None], np.arange(12)
    near = np.exp(scores(q, k)) * ((j <= i) & (i - j < 4))
    return shares(near + np.exp(q) @ np.exp(k).swapaxes(-1, -2) * (i - j >= 4)) @ v


def two_sets(q, k, v, ck, cv):
    own, other = np.exp(scores(q, k)) * _plain.causal(q, k), np.exp(scores(q, ck))
    return (own @ v + other @ cv) / (own.sum(-1, keepdims=True) + other.sum(-1, keepdims=True))


def difference(q, k, q2, k2, v):
    seen = _plain.causal(q, k)
    return rms(attention(q, k, v, seen) - 0.8 * attention(q2, k2, v, seen), 1e-5)


def convolved(x, taps):
    """A causal convolution of each channel, tap by tap."""
    count = len(taps)
    padded = np.pad(x, ((0, 0), (0, 0), (count - 1, 0), (0, 0)))
    return sum(padded[:, :, n:n + x.shape[2]] * taps[n] for n in range(count))


def short_convolution(q, k, v, taps):
    y = convolved(k, taps)
    return recurrence(q, y * sigmoid(y), v) / 4


def convolution_of_a_grid(q, k, v, taps):
    w = ELU(q) @ ELU(k).swapaxes(-1, -2)
    image = np.pad(v.reshape(1, 2, 3, 4, 32), ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)))
    local = sum(image[:, :, n:n + 3, m:m + 4] * taps[n, m] for n in range(3) for m in range(3))
    return shares(w) @ v + local.reshape(v.shape)


def gated_sum(q, k, v, alpha):
    i, j = np.arange(12)[:, None], np.arange(12)
    near, far = attention(q, k, v, (j <= i) & (i - j <= 3)), FEATURE_MAPS["elu_plus_one"](q, k, v)
    return alpha[:, None, None] * near + (1 - alpha[:, None, None]) * far


HYBRIDS = {
    "gated_sum": gated_sum,
    "one_denominator": one_denominator,
    "two_sets": two_sets,
    "two_states": lambda q, k, v: shares((ELU(q) @ ELU(k).swapaxes(-1, -2) + np.exp(q) @ np.exp(k).swapaxes(-1, -2)) * _plain.causal(q, k)) @ v,
    "difference": difference,
    "in_two_steps": lambda q, k, v, agents: attention(q, agents, attention(agents, k, v)),
    "shared_heads": lambda q, k, v: attention(q, k, v, _plain.causal(q, k)),
    "short_convolution": short_convolution,
    "convolution_of_a_grid": convolution_of_a_grid,
    "norm_behind": lambda q, k, v: _plain.layer_norm(recurrence(q, k, v)),
}



def _with(statistic, causal=False):
    """The result, and a statistic of the probabilities of all pairs."""
    def reference(q, k, v):
        s = scores(q, k)
        i, j = np.ogrid[:s.shape[2], :s.shape[3]]
        e = np.where((j <= i) | (not causal), np.exp(s), 0)
        p = e / e.sum(-1, keepdims=True)
        return p @ v, statistic(p, i, j)
    return reference


STATISTICS = {"entropy": _with(lambda p, i, j: -(p * np.log(p)).sum(-1)), "mass": _with(lambda p, i, j: (p * (abs(i - j) < 4)).sum(-1)),
              "top": _with(lambda p, i, j: np.sort(p, -1)[..., -2:].sum(-1)), "columns": _with(lambda p, i, j: p.sum(2), causal=True)}

REFERENCES = {"masks": MASKS, "scores": SCORES, "normalizers": NORMALIZERS, "positions": POSITIONS, "feature_maps": FEATURE_MAPS, "gates": GATES,
              "hybrids": HYBRIDS, "statistics": STATISTICS}
