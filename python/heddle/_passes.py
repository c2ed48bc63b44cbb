"""Statistics that look at the scores once more, when the denominators of all rows are known: an attend without values for each pass."""

from . import _scalar, _tensor
from ._functions import exp, maximum
from ._graph import Node, TensorType
from ._normalizer import Normalizer, TracedNormalizer
from ._regions import mask_region, score_region
from ._softmax import exponential
from ._statistics import give, several

_INFINITY, _LEAST = float("inf"), -3.0e38  # less -inf is -inf


class Passes:
    """What the passes of one attend share. `results`: its statistics by name, as the caller gets them."""

    def __init__(self, spec, layout, q, k, conditions, results):
        self.spec, self.layout, self.q, self.k, self.conditions, self.results = spec, layout, q, k, conditions, results
        self.base = spec.wanted.base

    def attend(self, rows, keys, normalizer, stats, score_mod, conditions, meant, length):
        """The statistics of an attend without values, whose rows have a result of `length` (extent in the type, size)."""
        spec = self.spec
        traced = TracedNormalizer(normalizer, spec.captures, meant)
        spec.symbols.append((traced.name, traced.text))
        score = score_region(spec.scale, score_mod, meant, approximate=self.q.type.element != "f32")
        mask = mask_region(conditions, spec.mask_mod, meant)
        operands = [rows, keys, *traced.parameters]
        names = ", ".join(f"{{{2 + n}}}" for n in range(len(traced.parameters)))
        types = ", ".join(str(parameter.type) for parameter in traced.parameters)
        text = (f"attn.attend dot({{0}}, {{1}}) normalize @{traced.name}{f'({names} : {types})' if names else ''} stats [{', '.join(stats)}] "
                f"score{{r0}}{' mask{r1}' if mask is not None else ''} : ({rows.type}, {keys.type}) -> ")
        type = TensorType((*self.q.type.shape[:2], length[0]), "f32")
        text += str(type) if len(stats) == 1 else f"({', '.join([str(type)] * len(stats))})"
        node = Node(text, operands, [type] * len(stats), [score] if mask is None else [score, mask])
        return [_tensor.Tensor(node, type, (*self.q.sizes[:2], length[1]), index=n) for n in range(len(stats))]

    def column_sum(self, statistic):
        """Rows and keys trade places, so that a column is a row: the sum of the weights that its rows gave it. A weight relative to
        the logarithm of the denominator is a probability."""
        lse, layout, term, own_weight = self.results["lse"], self.layout, statistic.term, self.base.weight

        def weight(s, b, h, i, j):
            p = several(give(own_weight, 2, s, layout.of_row(lse, b, h, i), b, h, i, j))[0]
            p = p if term is None else term(p, b, h, i, j)
            return p, p

        given, score_mod = self.spec.score_mod, self.spec.score_mod
        summed = Normalizer(weight=weight, finish=lambda total: (1.0, total), stats=("sum",))
        if own_weight is exponential and term is None:
            # exp(x - lse) with the difference as the score: the kernel sees that -inf adds nothing, and asks for no pair whether it
            # is visible. The reference tells whether a key was seen at all.
            def score_mod(s, b, h, i, j):
                s = s if given is None else given(s, b, h, i, j)
                return s - maximum(layout.of_row(lse, b, h, i), _LEAST)

            summed = Normalizer(reference=lambda s: s, rescale=lambda old, new: 1.0, weight=lambda s, m: (exp(s),) * 2,
                                finish=lambda m, total: (1.0, total), stats=("sum",))
        keys, conditions = layout.keys_as_rows()
        made, = self.attend(keys, self.q, summed, ("sum",), score_mod, [*self.conditions, *conditions],
                            lambda b, h, j, i: (b, h, i, j), (keys.type.shape[2], keys.sizes[2]))
        return layout.key_result(filled(made, 0.0))


def filled(tensor, empty):
    """A statistic with its value for rows that see nothing."""
    return _tensor.elementwise(lambda x: _scalar.where(_scalar.equal(x, -_INFINITY), empty, x), tensor)
