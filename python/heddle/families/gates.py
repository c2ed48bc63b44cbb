"""Gates: what a recurrence forgets

A recurrence keeps a state S of each head, and a gate says how much of it the next token leaves:

    S_t = exp(gate_t) S_{t-1} + f(k_t) v_t^T,   o_t = scale f(q_t)^T S_t

The gate is a logarithm, at most 0, so that products of decays are sums, which a kernel takes in float32 from the start of each chunk:
no factor is ever above 1. Its shape says its kind: of a head, of a token, of a token and channel. `heddle.recur` computes whole sequences
in chunks, `heddle.recur_step` one token in constant time. The scale, 1 / sqrt(F) by default, is 1 on this page, which leaves a line less.
"""

import heddle
from heddle import gates

from ._idea import decays, idea

x16 = "1x2x12x16xf32"
qkv = dict(q=x16, k=x16, v="1x2x12x32xf32")


@idea()
@heddle.spec(**qkv)
def ungated(q, k, v):
    """No gate

        S_t = S_{t-1} + k_t v_t^T

    Linear attention without denominator: everything is kept with equal weight.
    """
    return heddle.recur(q, k, v, scale=1.0)


@idea(decay=decays(2))
@heddle.spec(**qkv, decay="2xf32")
def of_heads(q, k, v, decay):
    """A decay for each head

        S_t = exp(decay_h) S_{t-1} + k_t v_t^T

    Fixed numbers, so that heads look back differently far: RetNet (Sun et al. 2023), [lightning attention](../mechanisms/lightning_tnl.py) of
    TransNormerLLM and MiniMax, [SUPRA](../mechanisms/supra.py).
    """
    return heddle.recur(q, k, v, gate=decay, scale=1.0)


@idea()
@heddle.spec(**qkv, x="1x2x12xf32")
def of_tokens(q, k, v, x):
    """A gate for each token

        S_t = sigmoid(x_t) S_{t-1} + k_t v_t^T

    The token decides: gated RetNet, xLSTM's forget gate, [Lizard](../mechanisms/lizard.py). `gates.sigmoid` is the logarithm of a sigmoid, computed so
    that it never is the logarithm of 0.
    """
    return heddle.recur(q, k, v, gate=gates.sigmoid(x), scale=1.0)


@idea(a=lambda generator: generator.standard_normal(2, "float32") - 1)
@heddle.spec(**qkv, dt="1x2x12xf32", a="2xf32")
def steps(q, k, v, dt, a):
    """Steps of a rate

        S_t = exp(-softplus(dt_t) exp(a_h)) S_{t-1} + softplus(dt_t) k_t v_t^T

    A long step forgets more and writes more: the state space duality of Mamba-2 (Dao and Gu 2024), with q, k, v for C, B, x. Students of
    [MOHAWK](../mechanisms/mohawk.py) and of [distillation](../mechanisms/kd_subquadratic.py) are of this kind.
    """
    return heddle.recur(q, k * gates.softplus(dt)[..., None], v, gate=gates.rate(dt, a), scale=1.0)


@idea()
@heddle.spec(**qkv, x=x16)
def of_channels(q, k, v, x):
    """A gate for each channel

        S_t = diag(sigmoid(x_t)^(1/16)) S_{t-1} + k_t v_t^T

    Every feature of k has a decay of its own: gated linear attention (GLA, Yang et al. 2024, whose temperature 16 keeps decays near 1),
    HGRN-2, [GateLoop](../mechanisms/gateloop.py).
    """
    return heddle.recur(q, k, v, gate=gates.sigmoid(x) * (1 / 16), scale=1.0)


@idea(gate=decays(1, 2, 12), angle=lambda generator: generator.uniform(0, 6.28, (1, 2, 12)).astype("float32"))
@heddle.spec(**qkv, gate="1x2x12xf32", angle="1x2x12xf32")
def turning(q, k, v, gate, angle):
    """A decay that is a complex number

        S_t = exp(gate_t + i theta_t) S_{t-1} + k_t v_t^T,   o_t = Re(q_t^T S_t),   angle_t = theta_1 + .. + theta_t

    What is kept turns as it fades: [GateLoop](../mechanisms/gateloop.py), complex state spaces such as S4D and LRU. As only the real part is
    read, `gates.complex_decay` makes it a real recurrence of [q cos angle; q sin angle] and the same of k: a rotary position that the token
    decides. So the operator needs no complex numbers, and kernels, states and steps are those of a real gate.
    """
    q, k, gate = gates.complex_decay(q, k, gate, angle)
    return heddle.recur(q, k, v, gate=gate, scale=1.0)


@idea(segments=[[0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2]])
@heddle.spec(**qkv, segments="1x12xi32")
def resets(q, k, v, segments):
    """Forgetting everything

        S_t = k_t v_t^T  where a segment begins

    A gate of -inf: the documents of a packed row keep their states apart. `segments` numbers them, as `masks.same` does for attention.
    """
    return heddle.recur(q, k, v, segments=segments, scale=1.0)


@idea()
@heddle.spec(**qkv)
def lagging(q, k, v):
    """A state of another token

        o_t = q_t^T S_{t-4}

    `at` says whose state a row reads: a recurrence that begins where a window ends ([hybrids](hybrids.md)), one over other tokens than
    the rows, or, `at="end"`, a sum over all tokens for encoders.
    """
    return heddle.recur(q, k, v, at=lambda t: t - 4, scale=1.0)


@idea()
@heddle.spec(**qkv, g="1x2x12x32xf32")
def of_results(q, k, v, g):
    """A gate on what comes out

        o' = sigmoid(g) o

    Not a decay: a factor of each element behind the operator, which the operator's own kernel stores. Gated attention (Qiu et al. 2025,
    Qwen3-Next) behind softmax; behind recurrences, with silu for the sigmoid, RetNet, GLA and Mamba-2.
    """
    return heddle.attend(q, k, v, causal=True) * heddle.sigmoid(g)
