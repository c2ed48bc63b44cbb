"""Mechanisms that are a recurrence with array code around it: as a whole, and token by token with the states that it leaves."""

import inspect

import numpy as np

from .._graph import TensorType
from .._recurrence import recur
from .._spec import Spec


class Streamed(Spec):
    """A spec whose last `states` parameters are states: their features are part of their types. Arrays of rank 3 have no channels, but a
    number for each token."""

    def __init__(self, function, states):
        super().__init__(function)
        self.states = states

    def _types_of(self, arguments):
        types, first = super()._types_of(arguments), len(arguments) - self.states
        types = [TensorType((None,) * 3, type.element) if isinstance(type, TensorType) and len(type.shape) == 3 else type for type in types]
        return (*types[:first], *(TensorType((None, None, *state.shape[2:]), "f32") for state in arguments[first:]))


def recurrent(function, stream=None):
    """The spec of `function(recur, *arrays)`, where `recur` is `heddle.recur`, called once.

    stream: None: the function's result. A number: its result and the states after the last token, with so many states as further
        parameters that say what was before the first token (0: nothing).
    """
    names = list(inspect.signature(function).parameters)[1:]

    def whole(*given):
        arrays, states, final = given[:len(names)], given[len(names):], []

        def streamed(*operands, **options):
            if states:
                options["initial_state"] = states[0] if len(states) == 1 else states
            *results, state = recur(*operands, return_final_state=True, **options)
            final.extend(state if isinstance(state, tuple) else (state,))
            return results[0] if len(results) == 1 else tuple(results)

        result = function(recur if stream is None else streamed, *arrays)
        return result if stream is None else (result, *final)

    whole.__name__ = function.__name__
    whole.__signature__ = inspect.Signature([inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
                                             for name in (*names, *(f"state{n}" for n in range(stream or 0)))])
    return Streamed(whole, stream or 0)


def stepped(spec, sequences=("q", "k", "v", "gate"), tokens=3):
    """A `decode` for a mechanism whose `spec` takes `stream` (see `recurrent`): the last `tokens` rows of the arrays `sequences`
    (B, H, T, ..) or (T,), each from a call with that row and the states of the call before it."""

    def decode(**given):
        options = {name: given[name] for name in inspect.signature(spec).parameters if name in given}
        arrays = {name: value for name, value in given.items() if name not in options}

        def rows(first, last):
            def cut(x):
                return np.ascontiguousarray(x[first:last] if x.ndim == 1 else x[:, :, first:last])
            return [cut(value) if name in sequences else value for name, value in arrays.items()]

        count = arrays[sequences[0]].shape[2]
        result, *states = spec(**options, stream=0)(*rows(0, count - tokens))
        step, made = spec(**options, stream=len(states)), []
        for token in range(count - tokens, count):
            result, *states = step(*rows(token, token + 1), *states)
            made.append(result)
        return np.concatenate(made, 2)
    return decode


def behind_windows(length, behind, fold, read, tokens=3):
    """The last `tokens` rows of a mechanism with a state of what is behind the window of a row, up to token behind(i). `fold(state, first,
    end)` is the state with so many more tokens (None: without any), `read(state, first, i)` row i, whose window starts at `first`."""
    state, done, rows = None, 0, []
    for i in range(length - tokens, length):
        edge = behind(i) + 1
        if edge > done:
            state, done = fold(state, done, edge), edge
        rows.append(read(state, edge, i))
    return np.concatenate(rows, 2)
