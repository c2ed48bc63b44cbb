"""What a function reads from outside: when it is traced again, and what becomes an argument."""
import functools

import numpy as np
import pytest

import heddle
from heddle._captures import Captures, Fingerprint

TABLE = np.arange(8, dtype=np.float32)
LIMIT = 4


def key(function):
    found = Fingerprint()
    return found.key(function, root=True), found.leaves


def closing_over(value):
    return lambda s, b, h, i, j: s + value[h] if isinstance(value, np.ndarray) else s + value


def test_another_array_of_the_same_kind_is_the_same_function():
    one, two = np.ones(4, np.float32), np.ones(9, np.float32)
    (first, first_leaves), (second, second_leaves) = key(closing_over(one)), key(closing_over(two))
    assert first == second and hash(first) == hash(second)
    assert first_leaves[0] is one and second_leaves[0] is two


@pytest.mark.parametrize("one, two", [
    (1, 2), (1, 1.0), (True, 1), (np.ones(4, np.float32), np.ones(4, np.float16)),
    (np.ones(4, np.float32), np.ones((4, 4), np.float32)), ([1, 2], [1, 3]), (heddle.scalar(1), heddle.scalar(1.0)),
])
def test_another_constant_or_kind_is_another_function(one, two):
    assert key(closing_over(one))[0] != key(closing_over(two))[0]


def test_a_runtime_scalar_is_not_part_of_the_function():
    assert key(closing_over(heddle.scalar(1)))[0] == key(closing_over(heddle.scalar(700)))[0]


def test_globals_defaults_partials_and_nested_functions_are_seen(monkeypatch):
    def outer(s, b, h, i, j, factor=2.0):
        def inner(x):
            return x + TABLE[h] * factor
        return heddle.where(j < LIMIT, inner(s), s)

    found, leaves = key(outer)
    assert len(leaves) == 1 and leaves[0] is TABLE
    assert key(functools.partial(outer, factor=3.0))[0] != found

    monkeypatch.setitem(globals(), "LIMIT", 5)
    assert key(outer)[0] != found
    monkeypatch.undo()
    assert key(outer)[0] == found


def test_functions_in_closures_are_rebound():
    table = np.ones(4, np.float32)

    def inner(s, h):
        return s + table[h]

    def outer(s, b, h, i, j):
        return inner(s, h)

    captures = Captures()
    (bound,) = captures.bind(outer)
    assert bound is not outer and len(captures.leaves) == 1 and captures.leaves[0] is table
    assert outer.__closure__[0].cell_contents is inner, "the user's function stays as it is"


def test_one_array_under_two_names_is_one_argument():
    table = np.ones(4, np.float32)
    again = table
    captures = Captures()
    captures.bind(lambda s, b, h, i, j: s + table[h] + again[h])
    assert len(captures.leaves) == 1


def test_a_recursive_function_has_a_key():
    def power(s, n):
        return s if n == 1 else s * power(s, n - 1)

    assert key(power)[0] == key(power)[0]
    captures = Captures()
    (bound,) = captures.bind(power)
    assert bound(2.0, 3) == 8.0


def test_masks_combine():
    causal = lambda b, h, i, j: j <= i
    near = lambda b, h, i, j: j > i - 2
    seen = heddle.and_masks(causal, near)
    assert [j for j in range(6) if seen(0, 0, 3, j)] == [2, 3]
    either = heddle.or_masks(near, lambda b, h, i, j: j == 0)
    assert [j for j in range(6) if either(0, 0, 3, j)] == [0, 2, 3, 4, 5]
