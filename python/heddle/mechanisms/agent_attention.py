"""Agent attention: a few agent tokens gather from all keys, and every row reads from the agents.

    V_a = softmax(scale A K^T + B1) V;  O = softmax(scale^x Q A^T + B2) V_a + shortcut V;  out = O + depthwise 3x3 convolution of V

Han et al. 2023, "Agent Attention: On the Integration of Softmax and Linear Attention". q, k, v (B, H, N, d) of a map of `shape`; A is q averaged over a grid of
`agents` x `agents` cells (PyTorch's adaptive pooling), or agents of the caller's (B, H, n, d). Biases are made in the kernel: B1[a, (y, x)] = up(square)[a, y, x] +
down[a, y] + across[a, x], `square` (H, n, 7, 7) enlarged bilinearly; B2 likewise of `square2`, `down2`, `across2`. `kernel` (H, 3, 3, d) as released, or (3, 3, d),
one for all heads. AgentSD: no biases, `power` x = 0.3, `shortcut` = 0.075, agents by token merging, outside. Keys of a smaller map are as they come, without biases.
Compared with LeapLabTHU/Agent-Attention @ 207ce3e, agent_pvt.py (conv bias 0): max error 4e-7 (f32, 2x2x196x32).
"""

import numpy as np

import heddle

from . import Case, _plain

SIZE = 7  # of the learned tables that are enlarged


def enlarged(table, h, a, y, x, shape):
    """An element of a (H, n, m, m) table enlarged to `shape`."""
    def corners(at, extent):
        place = heddle.maximum((at + 0.5) * (SIZE / extent) - 0.5, 0.0)
        low = heddle.maximum((at * 2 * SIZE + SIZE - extent) // (2 * extent), 0)
        return (low, low + 1.0 - place), (heddle.minimum(low + 1, SIZE - 1), place - low)
    return sum(table[h, a, row, column] * (share * part) for row, share in corners(y, shape[0]) for column, part in corners(x, shape[1]))


def spec(square=None, down=None, across=None, square2=None, down2=None, across2=None, kernel=None, shape=(14, 14), agents=7, power=1.0,
         shortcut=0.0):
    def cell(b, h, i, j):
        def holds(n, t, extent):
            return (t >= n * extent // agents) & (t < ((n + 1) * extent + agents - 1) // agents)
        return holds(i // agents, j // shape[1], shape[0]) & holds(i % agents, j % shape[1], shape[1])

    def added(squares, downs, acrosses, swap):
        def bias(s, b, h, i, j):
            a, y, x = (j, i // shape[1], i % shape[1]) if swap else (i, j // shape[1], j % shape[1])
            return s + enlarged(squares, h, a, y, x, shape) + downs[h, a, y] + acrosses[h, a, x]
        return bias if squares is not None else None

    def attend(q, k, v, a):
        scale = q.shape[3] ** -0.5
        gathered = heddle.attend(a, k, v, score_mod=added(square, down, across, False))
        o = heddle.attend(q, a, gathered, scale=scale ** power, score_mod=added(square2, down2, across2, True)) + shortcut * v
        return o if kernel is None else o + heddle.convolutions.grid(v, kernel, *shape)

    def pooled(q, k, v):
        return attend(q, k, v, heddle.attend(q[:, :, :agents ** 2], q, q, mask_mod=cell, score_mod=lambda s, b, h, i, j: s * 0.0))
    return heddle.spec(pooled if agents else attend)


def axis(extent, agents):
    """Pooling and enlarging as matrices."""
    n, t = np.arange(agents)[:, None], np.arange(extent)
    cells = (t >= n * extent // agents) & (t < -(-(n + 1) * extent // agents))
    place = np.maximum((t + 0.5) * SIZE / extent - 0.5, 0)
    hats = np.maximum(1 - abs(np.minimum(place, SIZE - 1)[:, None] - np.arange(SIZE)), 0)
    return cells / cells.sum(1, keepdims=True), hats


def reference(q, k, v, a=None, square=None, down=None, across=None, square2=None, down2=None, across2=None, kernel=None, shape=(14, 14), agents=7,
              power=1.0, shortcut=0.0):
    (pool_y, hat_y), (pool_x, hat_x) = (axis(extent, max(agents, 1)) for extent in shape)
    grid = [x.reshape(*x.shape[:2], *shape, -1) for x in (q, v)]
    a = a if a is not None else np.einsum("ay,bx,nhyxc->nhabc", pool_y, pool_x, grid[0]).reshape(*q.shape[:2], -1, q.shape[3])
    bias = [0 if up is None else (np.einsum("yi,xj,haij->hayx", hat_y, hat_x, up) + d[..., None] + c[:, :, None]).reshape(*up.shape[:2], -1)
            for up, d, c in ((square, down, across), (square2, down2, across2))]
    scale = q.shape[3] ** -0.5
    o = _plain.attention(q, a, _plain.attention(a, k, v, True, scale, bias[0]), True, scale ** power, np.swapaxes(np.atleast_2d(bias[1]), -1, -2))
    around = np.pad(grid[1], ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)))
    taps = [(around[:, :, dy:dy + shape[0], dx:dx + shape[1]].reshape(v.shape), (dy, dx)) for dy in range(3) for dx in range(3)]
    return o + shortcut * v + (0 if kernel is None else sum(x * kernel[..., dy, dx, None, :] for x, (dy, dx) in taps))


TABLES = {f"{name}{n}": (2, 9, *extents) for n in ("", "2") for name, extents in (("square", (7, 7)), ("down", (10,)), ("across", (14,)))}
MAP = {name: (2, 2, 140, 32) for name in "qkv"}
CASES = (Case("biases", MAP, TABLES | dict(kernel=(2, 3, 3, 32)), dict(shape=(10, 14), agents=3)),
         Case("AgentSD", MAP | dict(a=(2, 2, 24, 32)), options=dict(shape=(10, 14), agents=0, power=0.3, shortcut=0.075)))
