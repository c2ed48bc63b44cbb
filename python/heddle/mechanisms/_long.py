"""The long case of each row: one sequence and one head of 65,536 tokens, or of as many as its source speaks of, for a device. The reference is
evaluated at some rows only (`_plain.only`), so that nothing is of the size of all pairs; `rows` names the arrays that it gets these rows of.

Rows without one are short by their nature: oat-scanpath (100 objects), rf-attention (64 points) and icl-linreg (1000).
"""

import numpy as np

from ._cases import Case, scaled

TOKENS = {"megabyte": 1 << 20, "set-transformer": 100_000, "cab": 1 << 14}  # of most: 65,536


def case(key, tokens=None):
    """The long case of a row, with another number of tokens than its own (rounded to what a grid has), or None."""
    return TABLE[key](tokens or TOKENS.get(key, 1 << 16)) if key in TABLE else None


def sequence(t, d, dv=None, dtype="f32", rows=("q",), weights=None, more=None, names="qkv", **options):
    """A case of arrays (1, 1, t, d), the last of `names` as wide as `dv`."""
    arrays = {name: (1, 1, t, dv or d if name == names[-1] else d) for name in names} | (more or {})
    return Case("long", arrays, weights or {}, options, dtype, tokens=t, rows=rows)


def grid(t, multiple=1):
    """(side, side) of a square map of at most t tokens."""
    side = int(t ** 0.5) // multiple * multiple
    return (side, side)


def of(map, d, **more):
    return sequence(map[0] * map[1], d, shape=map, **more)


def documents(t):
    """Where each token's document starts, of documents of 1 to 4096 tokens."""
    def draw(g):
        ends = np.minimum(g.integers(1, min(4096, t), t).cumsum(), t)
        starts = np.concatenate([[0], ends])
        return starts[np.searchsorted(ends, np.arange(t), side="right")].astype(np.int32)[None]
    return draw


def agents(t):
    map = grid(t)
    tables = {f"{name}{n}": (1, 49, *extents) for n in ("", "2") for name, extents in (("square", (7, 7)), ("down", map[:1]), ("across", map[1:]))}
    return of(map, 32, rows=(), weights=tables | dict(kernel=(3, 3, 32)))


def nats(t):
    from .nats import next_global

    def kinds(_):
        drawn = np.random.default_rng(t).choice(3, (1, 1, t), p=(0.01, 0.59, 0.4))
        drawn[..., 0] = 0
        return drawn.astype(np.int32)
    return sequence(t, 64, dtype="bf16", more=dict(kind=kinds, following=lambda _: next_global(kinds(None))), window=256)


def number(*values):
    """A drawer of float32 numbers, as they are."""
    return lambda _: np.array(values, np.float32)


def tokens(t):
    return lambda _: np.arange(t, dtype=np.int32)


def lengths(*values):
    return lambda _: np.array(values, np.int32)


TABLE = {
    "lizard": lambda t: sequence(t, 32, more=dict(g=(1, 1, t)), weights=dict(wq=scaled((1, 32, 16), 0.18), wk=scaled((1, 32, 16), 0.18), alpha=number(0.7),
                                                                            anchors=(4,)), norm="joint"),
    "kd-subquadratic": lambda t: sequence(t, 64, more=dict(dt=(1, 1, t)), weights=dict(A=(1,), D=(1,)), kind="mamba2"),
    "supra": lambda t: sequence(t, 32, more=dict(place=tokens(t)), weights=dict(wq=scaled((32, 32), 0.18), bq=(32,), decay=number(-0.01)), length=t),
    "lolcats": lambda t: sequence(t, 128, dtype="bf16", weights=dict(wq=scaled((1, 128, 64), 0.1), wk=scaled((1, 128, 64), 0.1), a=number(-2.2))),
    "hedgehog": lambda t: sequence(t, 64, dtype="bf16", weights={x: scaled((1, 64, 64), 0.12) for x in ("wq", "wk")}, form="softmax"),
    "attention-surgery": lambda t: sequence(t, 32, dtype="bf16", rate=8, weights={
        f"{n}{side}": size for side in "qk" for n, size in dict(w=scaled((1, 32, 16), 0.18), b=(1, 16), u=scaled((1, 16, 32), 0.25)).items()}),
    "ff-kernel": lambda t: sequence(t, 64, dtype="bf16", more=dict(lengths=lengths(t - 5)), weights=dict(
        O=scaled((1, 64, 64), 0.12), U=scaled((1, 64, 64), 0.12)), padded=True),
    "based": lambda t: sequence(t, 16, 64),
    "megabyte": lambda t: sequence(t, 32, dtype="bf16"),
    "fastmax": lambda t: sequence(t, 16, 32, causal=True, width=16),
    "sqa": lambda t: sequence(t, 32, dtype="bf16", length=t),
    "cab": lambda t: sequence(t, 32, weights=dict(ck=scaled((1, 16, 32), 0.25), cv=scaled((1, 16, 32), 0.25)), operator="abc", pattern="CS"),
    "mohawk": lambda t: sequence(t, 64, names="cbx", rows=(), more=dict(A=(1, 1, t), z=(1, 1, t, 64)), weights=dict(
        conv_c=(1, 4, 64), conv_b=(1, 4, 64), conv_x=(1, 4, 64), bias=(1, 64), skip=(1,))),
    "attention-rank": lambda t: sequence(t, 8, 64, names="qkx", more=dict(bias=(1, t))),
    "coca": lambda t: sequence(t, 32, names="qtv", length=t),
    "set-transformer": lambda t: Case("long", dict(x=(2, t, 128), lengths=lengths(t, t * 2 // 3)), dict(points=(32, 128)) | {
        f"w{name}{n}": scaled((128, 128), 0.09) for name in "qkvo" for n in ("", "2")}, dict(block="ISAB"), tokens=t),
    "sparse-transformer": lambda t: sequence(t, 32, dtype="bf16"),
    "wgqa": lambda t: sequence(t, 32, more={x: (1, 2, t, 32) for x in "qkv"} | dict(wk=(2,), wv=(2,))),
    "mhe": lambda t: sequence(t, 32, more={x: scaled((1, 32), 0.5) for x in ("eq", "ek", "ev")}),
    "mqa": lambda t: sequence(t, 64, dtype="bf16"),
    "lightning-tnl": lambda t: sequence(t, 192, dtype="bf16", weights=dict(decay=number(-0.004))),
    "lln-attention": lambda t: sequence(t, 64, rows=()),
    "gna": lambda t: of(grid(t), 64, dtype="bf16", window=(13, 13), stride=(4, 4)),
    "power-attention": lambda t: sequence(t, 64, dtype="bf16"),
    "low-rank-bottleneck": lambda t: sequence(t, 256, dtype="bf16", causal=True),
    "attention-buckets": lambda t: sequence(t, 64, dtype="bf16", more={x: (2, 1, t, 64) for x in "qkv"}, bases=(10000.0, 25000.0), length=t),
    "faster-na": lambda t: sequence(t, 64, dtype="bf16", shape=(t,), window=(255,)),
    "efficient-attention": lambda t: sequence(t, 64, dtype="bf16"),
    "gateloop": lambda t: sequence(t, 32, more=dict(
        gate=lambda g: np.log(g.uniform(0.5, 1, (1, 1, t))).astype(np.float32),
        angle=lambda g: (g.uniform(-np.pi, np.pi, (1, 1, t)).cumsum(2) % (2 * np.pi)).astype(np.float32))),
    "sigma-diffqkv": lambda t: sequence(t, 64, dtype="bf16", length=t),
    "nap": lambda t: sequence(t, 32, more=dict(count=lambda g: np.full((1, t), t, np.float32)), weights=dict(gain=number(1.3), bias=number(0.4)), form="linear"),
    "softmax-as-rnn": lambda t: sequence(t, 32, more=dict(g=(1, 1, t)), weights=dict(p=(1,)), divide="rms", rotary=None),
    "nats": nats,
    "rabe-staats": lambda t: sequence(t, 32, more=dict(lengths=lengths(t - 7)), biased=False),
    "llm-modules": lambda t: sequence(t, 32, rows=("q", "x"), more=dict(x=(1, t, 32)), weights=dict(
        wo=scaled((32, 32), 0.18), w1=scaled((32, 32), 0.18), w2=scaled((32, 32), 0.18), wg=scaled((64, 32), 0.12)), mask="causal"),
    "deconstructing-attention": lambda t: sequence(t, 32, indicators=True),
    "dsf": lambda t: sequence(t, 8, 16, rows=("q", "n"), more=dict(n=(1, 1, t))),
    "flatten-focused": lambda t: Case("long", {x: (1, grid(t)[0] ** 2, 96) for x in "qkv"}, dict(s=(96,), place=(grid(t)[0] ** 2, 96), kernel=(5, 5, 32)),
                                      dict(shape=grid(t)), tokens=grid(t)[0] ** 2),
    "sq-transformer": lambda t: sequence(t, 16, names=("q", "k", "vx", "vp"), more=dict(lengths=lengths(t)), weights=dict(rk=(33, 16), rv=(33, 16)), causal=True),
    "longca-bench": lambda t: sequence(t, 128, dtype="bf16", more=dict(table=documents(t)), pattern="causal_document"),
    "gqa": lambda t: sequence(t, 128, dtype="bf16"),
    "halonet": lambda t: of(grid(t, 8), 16, weights=dict(row=(27, 16), column=(27, 16))),
    "cog-attention": lambda t: sequence(t, 64, dtype="bf16", length=t),
    "twins": lambda t: of(grid(t, 7), 32, dtype="bf16", rows=()),
    "bam": lambda t: sequence(t, 64, dtype="bf16", weights=dict(gamma=number(-1.0), beta=number(0.7), m=number(0.2), c=number(0.8))),
    "complexformer": lambda t: sequence(t, 32, weights=dict(delta=scaled((1, 16), 0.5), shift=(1, 16)), scale=32 ** -0.5, length=t),
    "agent-attention": agents,
}
