"""How statistics get into the text of an attend: sums beside those of its normalizer, and passes over keys or over scores."""

from dataclasses import dataclass

from ._normalizer import Normalizer
from ._regions import count_positional
from ._softmax import FUNCTIONS
from .statistics import KNOWN, ColumnSum, Named, Statistic, TopMass


def resolve(stats):
    """The statistics that a caller asked for by names and objects."""
    if not isinstance(stats, (tuple, list)):
        raise TypeError(f"expected stats as a tuple of names and statistics, got {stats!r}")
    found = []
    for given in stats:
        statistic = KNOWN.get(given) if isinstance(given, str) else given
        if statistic is None:
            raise ValueError(f"expected one of {', '.join(KNOWN)} or a statistic of heddle.statistics in stats, got {given!r}")
        if not isinstance(statistic, (Named, Statistic, ColumnSum, TopMass)):
            raise TypeError(f"expected names and statistics of heddle.statistics in stats, got {type(given).__name__}")
        if not str(statistic.name).isidentifier():
            raise ValueError(f"expected an identifier as the name of a statistic, got {statistic.name!r}")
        if any(statistic.name == known.name for known in found):
            raise ValueError(f"expected statistics of different names in stats, got {statistic.name} twice")
        if isinstance(statistic, TopMass) and not (type(statistic.count) is int and 1 <= statistic.count <= 64):
            raise ValueError(f"expected a count from 1 to 64 for {statistic.name}, got {statistic.count!r}")
        found.append(statistic)
    return tuple(found)


def functions_of(statistic):
    """The user's functions in it, for what they capture."""
    if isinstance(statistic, Statistic):
        return [function for part in _with_beside(statistic.sums) for function in (part.term, part.move)] + [statistic.finish]
    return [statistic.term] if isinstance(statistic, ColumnSum) else []


def key(statistic, found):
    """What its trace depends on; captures are added to `found`, a Fingerprint."""
    return (type(statistic), statistic.name, getattr(statistic, "empty", None), getattr(statistic, "count", None),
            *(found.key(function, root=True) for function in functions_of(statistic)))


def is_of_keys(statistic):
    return isinstance(statistic, ColumnSum)


def check(stats, normalizer, lag):
    """Statistics that a normalizer can have."""
    made = [statistic.name for statistic in stats if not isinstance(statistic, Named)]
    if made and isinstance(normalizer, str) and normalizer not in FUNCTIONS:
        raise ValueError(f"expected one of {', '.join(FUNCTIONS)} or a heddle.Normalizer as normalizer with the statistic {made[0]}, "
                         f"got {normalizer!r}")
    for name in made if isinstance(normalizer, Normalizer) else ():
        if normalizer.reference is None or normalizer.weights != 1 or "lse" not in normalizer.stats:
            raise ValueError(f"expected a normalizer with a reference, one weight and the statistic lse for the statistic {name}, got "
                             f"{normalizer!r}")
    names = {statistic.name for statistic in stats if isinstance(statistic, Named)}
    if "max" in names and lag is not None:
        raise ValueError(f"expected no lag where the largest scores are asked for, got {lag!r}")
    if "max" in names and not (normalizer in FUNCTIONS if isinstance(normalizer, str) else normalizer.reference):
        raise ValueError(f"expected a normalizer with a reference for the statistic max, got {normalizer!r}")
    if "lse" in names and not (normalizer in FUNCTIONS if isinstance(normalizer, str) else "lse" in normalizer.stats):
        raise ValueError(f"expected a normalizer with the statistic lse, got {normalizer!r}")


@dataclass
class Wanted:
    """The statistics of one attend, and what they need of it."""

    stats: tuple = ()
    base: Normalizer = None  # the attend's normalizer, as functions that are bound; where something is made of it
    return_lse: bool = False
    return_max: bool = False
    lag: float = None

    def names(self):
        """Statistics of the operator, each once: what the caller gets, then what is needed for it."""
        names = ["lse"] * self.return_lse + ["max"] * self.return_max
        names += [s.name for s in self.stats if isinstance(s, (Named, Statistic))] + ["lse"] * self.look_again()
        for statistic in self.of_ranks():
            names += ["lse", *self.ranks(statistic)]
        return list(dict.fromkeys(names))

    def of_ranks(self):
        return [s for s in self.stats if isinstance(s, TopMass)]

    def ranks(self, statistic):
        """The operator's names of what a TopMass is made of. A running maximum that does not lag is the largest."""
        if statistic.count == 1 and self.lag is None:
            return ["max"]
        return [f"{what}.{rank + 1}" for rank in range(statistic.count) for what in ("max", "count")]

    def look_again(self):
        """Whether something needs passes of its own."""
        return any(is_of_keys(s) for s in self.stats)

    def of_rows(self):
        """Statistics that finish yields."""
        return [s for s in self.stats if isinstance(s, Statistic)]


def _with_beside(sums):
    """Sums and what they read, each once."""
    found = []
    for part in sums:
        found += [each for each in (part, *part.beside) if each not in found]
    return found


def give(function, count, *values):
    """A function of the first `count` numbers, or of positions, too."""
    return function(*(values[:count] if count_positional(function) == count else values))


def several(values):
    return tuple(values) if isinstance(values, (tuple, list)) else (values,)


def composed(normalizer, stats):
    """A normalizer that carries the sums of statistics beside its own."""
    if not stats:
        return normalizer
    parts = _with_beside([part for statistic in stats for part in statistic.sums])
    reference, rescale, weight, finish = normalizer.functions
    terms, moves = tuple(part.term for part in parts), tuple(part.move for part in parts)
    beside = tuple(tuple(parts.index(other) for other in part.beside) for part in parts)
    finishes = tuple(statistic.finish or (lambda m, c, total, first: c * first) for statistic in stats)
    places = tuple(tuple(parts.index(part) for part in statistic.sums) for statistic in stats)
    added, own_stats = len(parts), len(normalizer.stats)

    def weighed(s, m, b, h, i, j):
        values = several(give(weight, 2, s, m, b, h, i, j))
        x = give(reference, 1, s, b, h, i, j)
        return (*values, *(give(term, 3, x, m, values[1], b, h, i, j) for term in terms))

    def moved(old, new, *sums):
        own, extra = sums[:len(sums) - added], sums[len(sums) - added:]
        factor, *kept = several(give(rescale, 2, old, new, *own))
        kept = kept or [factor * each for each in own]
        extra = [factor * extra[n] if move is None else move(old, new, factor, own[0], extra[n], *(extra[o] for o in beside[n]))
                 for n, move in enumerate(moves)]
        return (factor, *kept, *extra)

    def finished(m, *rest):
        sums, at = rest[:-3], rest[-3:]
        own, extra = sums[:len(sums) - added], sums[len(sums) - added:]
        values = several(give(finish, 1 + len(own), m, *own, *at))
        made = [give(each, 3 + len(place), m, values[0], own[0], *(extra[n] for n in place), *at)
                for each, place in zip(finishes, places)]
        return (*values, *made)

    finished.takes_positions = True
    return Normalizer(reference, moved if any(moves) else rescale, weighed, finished,
                      stats=(*normalizer.stats[:own_stats], *(statistic.name for statistic in stats)))
