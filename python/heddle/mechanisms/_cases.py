"""What a mechanism is tried on. NumPy only: a device without Heddle draws the same numbers."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Case:
    """Options of a mechanism and the shapes of its arrays.

    name: tells it from the others of its module.
    arrays, weights: by name, a shape (standard normal numbers of type `dtype`; see `scaled`) or a function of a NumPy generator (what it
        draws, as it is). Arrays are arguments of the call, in order; weights are given to `spec`.
    options: given to `spec` and to `reference`.
    dtype: "f32", "bf16" or "f16".
    decode: whether `decode` of the module is compared, too.
    """

    name: str
    arrays: dict
    weights: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)
    dtype: str = "f32"
    decode: bool = False

    def draw(self, seed=0):
        """({name: array} of arrays, of weights). Numbers of 16-bit types are float32 that such a type holds exactly."""
        generator = np.random.default_rng([seed, *self.name.encode()])
        return tuple({name: self._drawn(how, generator) for name, how in group.items()} for group in (self.arrays, self.weights))

    def _drawn(self, how, generator):
        if callable(how):
            return how(generator)
        return rounded(generator.standard_normal(how, np.float32) * np.float32(getattr(how, "factor", 1.0)), self.dtype)

    def element(self, name):
        """The element type that an array by this name has, None where it is as it was drawn."""
        how = {**self.arrays, **self.weights}[name]
        return None if callable(how) else self.dtype


class scaled(tuple):
    """A shape whose numbers are multiplied by a factor: `scaled((4, 16, 32), 0.25)`."""

    def __new__(cls, shape, factor):
        made = super().__new__(cls, shape)
        made.factor = factor
        return made


def rounded(x, element):
    """float32 numbers that an element type holds exactly, the nearest ones."""
    if element == "f16":
        return x.astype(np.float16).astype(np.float32)
    if element == "bf16":
        bits = x.view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)
    return x


def log_decays(*shape, strength=0.2):
    """A drawer of logarithms of decays: float32, none above 0."""
    return lambda generator: -np.abs(generator.standard_normal(shape, np.float32)) * np.float32(strength)
