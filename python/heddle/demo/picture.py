"""A picture as a PNG file, with nothing but zlib."""

import struct
import zlib

import numpy as np


def write_png(file, pixels):
    """pixels: (height, width, 3) bytes."""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)  # each row: filter 0

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)) + chunk(b"IEND", b"")
    with open(file, "wb") as out:
        out.write(b"\x89PNG\r\n\x1a\n" + data)


EMPTY, PARTIAL, FULL = (250, 250, 248), (240, 190, 110), (60, 110, 165)


def block_mask(visible, rows, keys, scale=3):
    """The mask as a kernel with blocks of `rows` x `keys` sees it. Blocks where nothing is visible are light and are never
    computed; blocks that are all visible run without mask code; in the others the visible pairs are drawn dark."""
    height, width = visible.shape
    picture = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        for left in range(0, width, keys):
            part = visible[top : top + rows, left : left + keys]
            area = picture[top : top + rows, left : left + keys]
            area[:] = EMPTY if not part.any() else FULL if part.all() else PARTIAL
            if part.any() and not part.all():
                area[part] = FULL
    picture = picture.repeat(scale, 0).repeat(scale, 1)
    picture[:: rows * scale] = picture[:, :: keys * scale] = (190, 190, 185)
    return picture
