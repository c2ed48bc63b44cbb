"""Generating token by token with a cache of keys: a call for each token."""

import inspect

import numpy as np


def cached(spec, rows=("q",), keys=("k", "v"), axis=2, tokens=3):
    """A `decode` for a mechanism whose rows see what is before them: the last `tokens` rows, each from a call of the spec with
    one row of the arrays `rows` and only so many of the arrays `keys` as there are at that time; the rest is whole."""

    def decode(**given):
        options = {name: given[name] for name in inspect.signature(spec).parameters if name in given}
        arrays = {name: value for name, value in given.items() if name not in options}
        made, count, made_rows = spec(**options), arrays[keys[0]].shape[axis], []
        for last in range(count - tokens, count):
            call = [value.take([last - count], axis) if name in rows else
                    np.ascontiguousarray(value.take(range(last + 1), axis)) if name in keys else value
                    for name, value in arrays.items()]
            made_rows.append(made(*call))
        return np.concatenate(made_rows, axis)
    return decode
