"""What a page shows: an idea is a spec, what is said of it, and arrays to try it on."""

import ast
import inspect
import textwrap
from dataclasses import dataclass, field

import numpy as np

TOKENS = 12  # of arrays whose extents a type leaves open


@dataclass(frozen=True)
class Idea:
    """A `heddle.Spec` of a family's module.

    picture: None; or how many tokens the picture of the pairs that it lets through has; or a Grid.
    arrays: by the name of a parameter, what it is tried on where that is not random numbers of its type.
    """

    spec: object
    picture: object = None
    arrays: dict = field(default_factory=dict)

    @property
    def name(self):
        return self.spec.name

    @property
    def tokens(self):
        if isinstance(self.picture, Grid):
            return int(np.prod(self.picture.shape))
        return self.picture or TOKENS

    @property
    def said(self):
        """(title, text) of its docstring."""
        title, _, text = inspect.cleandoc(self.spec.function.__doc__).partition("\n")
        return title.rstrip("."), text.strip("\n")

    @property
    def code(self):
        """The Python of the spec, without what is for this page only."""
        lines = textwrap.dedent(inspect.getsource(self.spec.function)).splitlines()
        function = ast.parse("\n".join(lines)).body[0]
        docstring = function.body[0]
        first = function.decorator_list[-1].lineno - 1  # the last decorator is the spec's
        return "\n".join([*lines[first:docstring.lineno - 1], *lines[docstring.end_lineno:]])

    def draw(self, seed=0):
        """An array for each parameter, in order."""
        generator = np.random.default_rng(seed)
        return [self._drawn(name, type, generator) for name, type in zip(self.spec.parameter_names, self.spec.types)]

    def _drawn(self, name, type, generator):
        if name in self.arrays:
            given = self.arrays[name]
            return given(generator) if callable(given) else np.asarray(given, np.int32)
        extents = (1, 2, self.tokens)[-len(type.shape) + 1:] if len(type.shape) > 1 else (2,)
        shape = tuple(known or size for known, size in zip(type.shape, (*extents, None)))
        return generator.standard_normal(shape, np.float32)


@dataclass(frozen=True)
class Grid:
    """A picture of what the given rows see of a grid of tokens."""

    shape: tuple
    rows: tuple


def idea(picture=None, **arrays):
    """Puts the spec below on the page of its module."""
    return lambda spec: Idea(spec, picture, arrays)


def decays(*shape):
    """A drawer of logarithms of decays, as gates are."""
    return lambda generator: -np.abs(generator.standard_normal(shape, np.float32)) / 4
