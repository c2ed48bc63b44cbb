"""What a mechanism is tried on. NumPy only: a device without Heddle draws the same numbers."""

from dataclasses import dataclass, field

import numpy as np

from . import _plain


@dataclass(frozen=True)
class Case:
    """Options of a mechanism and the shapes of its arrays.

    name: tells it from the others of its module.
    arrays, weights: by name, a shape (standard normal numbers of type `dtype`; see `scaled`) or a function of a NumPy generator (what it
        draws, as it is). Arrays are arguments of the call, in order; weights are given to `spec`.
    options: given to `spec` and to `reference`.
    dtype: "f32", "bf16" or "f16".
    decode: whether `decode` of the module is compared, too.
    tokens, rows: of a long case (`_long`), of which some rows are compared: how many tokens it has, and the arrays of which the reference gets
        these rows.
    """

    name: str
    arrays: dict
    weights: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)
    dtype: str = "f32"
    decode: bool = False
    tokens: int = 0
    rows: tuple = ()

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


def chosen(tokens, count=31):
    """Some rows of a long case: the first and last ones and others at random. `count` tells them from everything else: no array of a case has
    an extent of 31."""
    others = np.random.default_rng(tokens).choice(np.arange(3, tokens - 3), count - 6, replace=False)
    return np.sort(np.concatenate([np.arange(3), others, np.arange(tokens - 3, tokens)]))


def expected(module, case, seed=0, rows=None):
    """The tuple of results that the reference has for a case, in float64, or these rows of them."""
    arrays, weights = case.draw(seed)
    wide = {name: value.astype(np.float64) if value.dtype.kind == "f" else value for name, value in {**arrays, **weights}.items()}
    if rows is not None:
        wide |= {name: wide[name].take(rows, wide[name].shape.index(case.tokens)) for name in case.rows}
    with _plain.only(rows):
        results = module.reference(**wide, **case.options)
    return results if isinstance(results, tuple) else (results,)


def rows_of(result, rows, like):
    """The part of a result that is to be compared with `like`, which is what `expected` has for some rows."""
    return result.take(rows, like.shape.index(len(rows))) if rows is not None and len(rows) in like.shape else result


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
