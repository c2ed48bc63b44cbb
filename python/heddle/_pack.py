"""What a pack says of itself: its entries, their parameters and the text they were compiled from.

Reads the tables of runtime/include/heddle_rt/artifact.h that tools need. Running a pack is the runtime's business.
"""

import struct
from typing import NamedTuple

from ._errors import RunError

_DTYPES = {1: "f32", 2: "f16", 3: "bf16", 4: "f64", 5: "i32", 6: "i64", 7: "i8", 8: "i1"}
_ROLES = {1: "input", 2: "output", 3: "scalar"}
_DEVICES = {1: "cpu", 2: "cuda"}
_STRINGS, _ENTRIES, _PARAMS, _VARIANTS, _TABLES = 0, 2, 3, 4, 11


class Parameter(NamedTuple):
    name: str
    role: str      # "input", "output" or "scalar"
    element: str   # as MLIR writes it
    sizes: tuple   # None: any

    @property
    def kind(self):
        """The letter that heddle._heddle.Pack.entry takes."""
        return "t" if self.role != "scalar" else "f" if self.element.startswith("f") else "i"

    def __str__(self):
        extents = "".join("?x" if size is None else f"{size}x" for size in self.sizes)
        return f"{self.role} {self.name}: {extents}{self.element}"


class Variant(NamedTuple):
    device: str
    architecture: int  # CUDA: compute capability * 10
    note: str


class Entry(NamedTuple):
    name: str
    parameters: tuple
    variants: tuple
    text: str


def read(data):
    """The entries of a pack."""
    header = struct.Struct("<8sIIQQQ")
    if len(data) < header.size + 16 * _TABLES or data[:8] != b"HEDDLEPK":
        raise RunError("BAD_PACK", "expected a pack (its first 8 bytes are HEDDLEPK), got something else")
    try:
        return _Reader(data, header.size).entries()
    except (struct.error, ValueError, KeyError, IndexError) as error:
        raise RunError("BAD_PACK", f"expected a whole pack, got one that cannot be read: {error}") from error


class _Reader:
    def __init__(self, data, start):
        self.data = data
        self.tables = [struct.unpack_from("<QII", data, start + 16 * number) for number in range(_TABLES)]

    def records(self, table, layout, first, count):
        offset, total, size = self.tables[table]
        if first + count > total:
            raise ValueError(f"expected {first + count} records in table {table}, got {total}")
        return [struct.unpack_from(layout, self.data, offset + size * number) for number in range(first, first + count)]

    def string(self, offset):
        start = self.tables[_STRINGS][0] + offset
        return self.data[start:self.data.index(b"\0", start)].decode()

    def entries(self):
        return [self.entry(*record) for record in self.records(_ENTRIES, "<6I", 0, self.tables[_ENTRIES][1])]

    def entry(self, name, first_parameter, parameters, first_variant, variants, text):
        return Entry(self.string(name),
                     tuple(self.parameter(*record) for record in self.records(_PARAMS, "<4I8q", first_parameter, parameters)),
                     tuple(Variant(_DEVICES[record[0]], record[1], self.string(record[10]))
                           for record in self.records(_VARIANTS, "<4IQ8I", first_variant, variants)),
                     self.string(text))

    def parameter(self, name, role, dtype, rank, *sizes):
        return Parameter(self.string(name), _ROLES[role], _DTYPES[dtype], tuple(None if s < 0 else s for s in sizes[:rank]))
