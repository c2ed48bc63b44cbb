"""HaloNet: each block of b x b queries of a feature map sees the block and a halo of r around it, with learned relative positions.

    s = scale q.k + q.(row[y_j - y_i] + column[x_j - x_i]);  o = softmax(s) v over the (b + 2 r)^2 keys of the block's neighbourhood

Vaswani et al. 2021, "Scaling Local Self-Attention for Parameter Efficient Visual Backbones". Tokens are the map's, row by row, in place; the
neighbourhood is a condition on coordinates, so nothing is unfolded. row, column (2 (b + 2 r) - 1, d): entry n is distance n - (b + 2 r - 1).
b = 8, r = 3. Borders: `padded=True` is for k and v of a map with r zeros around it, whose keys join the softmax with score
q.(row + column) as in released code; otherwise k and v are of the map itself and nothing outside is seen. `stride=2`: rows are every second
position of both axes, and distances are the map's; timm counts a block's rows without those left out (`dense=True`). `scaled=False` (timm)
leaves relative scores unscaled. One public code had its padding mask inverted.
Compared with huggingface/pytorch-image-models @ timm 1.0.31, halo_attn.py, whose entry n + r is entry n: max error 1e-6 (f32, stride 1 and 2, 2x2x384x16).
"""

import numpy as np

import heddle

from . import Case, _plain


def spec(row, column, shape=(64, 64), block=8, halo=3, stride=1, padded=False, scaled=False, dense=False):
    edge, reach, second = halo if padded else 0, block + 2 * halo - 1, len(row)
    pad = np.zeros((row.shape[1], -2 * len(row) % 8), row.dtype)  # columns of a product are a multiple of 8
    table = np.ascontiguousarray(np.concatenate([row.T, column.T, pad], 1))

    def places(i, j):
        rows, keys = shape[1] // stride, shape[1] + 2 * edge
        return i // rows * stride, i % rows * stride, j // keys - edge, j % keys - edge

    def near(b, h, i, j):
        y, x, v, u = places(i, j)
        top, left = y // block * block - halo, x // block * block - halo
        return (v >= top) & (v < top + reach + 1) & (u >= left) & (u < left + reach + 1)

    @heddle.spec
    def halonet(q, k, v):
        relative, scale = q @ table, q.shape[3] ** -0.5

        def moved(s, b, h, i, j):
            y, x, v, u = places(i, j)
            y, x = (at // block * block + at % block // stride for at in (y, x)) if dense else (y, x)
            more = relative[b, h, i, v - y + reach] + relative[b, h, i, u - x + reach + second]
            return s + (more * scale if scaled else more)

        return heddle.attend(q, k, v, mask_mod=near, score_mod=moved)
    return halonet


def reference(q, k, v, row, column, shape=(64, 64), block=8, halo=3, stride=1, padded=False, scaled=False, dense=False):
    out, edge, reach, scale = np.zeros(q.shape), halo if padded else 0, block + 2 * halo - 1, q.shape[3] ** -0.5
    keys = np.arange(k.shape[2]).reshape(shape[0] + 2 * edge, shape[1] + 2 * edge)
    for n, place in enumerate(_plain.places(q.shape[2])):  # a row at a time, with the patch of the map that it sees cut out
        y, x = (each * stride for each in divmod(place, shape[1] // stride))
        top, left = y // block * block - halo, x // block * block - halo
        ys = [t for t in range(top, top + reach + 1) if -edge <= t < shape[0] + edge]
        xs = [t for t in range(left, left + reach + 1) if -edge <= t < shape[1] + edge]
        own = keys[np.ix_([t + edge for t in ys], [t + edge for t in xs])].ravel()
        y, x = (first + halo + (at - first - halo) // stride if dense else at for at, first in ((y, top), (x, left)))
        r = (row[[t - y + reach for t in ys]][:, None] + column[[t - x + reach for t in xs]][None]).reshape(-1, q.shape[3])
        s = np.einsum("bhc,bhkc->bhk", q[:, :, n] * scale, k[:, :, own]) + q[:, :, n] @ r.T * (scale if scaled else 1)
        out[:, :, n] = np.einsum("bhk,bhke->bhe", _plain.softmax(s), v[:, :, own])
    return out


def case(name, shape, block, halo, stride=1, padded=False, scaled=False, dtype="f32", **more):
    rows, edge = shape[0] * shape[1] // stride ** 2, halo if padded else 0

    def zeros_around(g):
        x = g.standard_normal((1, 2, shape[0], shape[1], 16)).astype(np.float32)
        return np.pad(x, ((0, 0), (0, 0), (edge, edge), (edge, edge), (0, 0))).reshape(1, 2, -1, 16)
    keys = zeros_around if padded else (1, 2, shape[0] * shape[1], 16)
    tables = (2 * (block + 2 * halo) - 1, 16)
    return Case(name, dict(q=(1, 2, rows, 16), k=keys, v=keys), dict(row=tables, column=tables),
                dict(shape=shape, block=block, halo=halo, stride=stride, padded=padded, scaled=scaled, **more), dtype)


CASES = (case("halo", (8, 16), 4, 1, dtype="bf16"), case("padded", (8, 16), 4, 2, padded=True), case("strided", (16, 16), 8, 3, 2, scaled=True),
         case("strided, dense", (16, 16), 8, 3, 2, True, True, dense=True))
