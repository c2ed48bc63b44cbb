"""GateLoop: a recurrence whose decay is a complex number of each token, or of each token and channel.

    S_t = a_t S_{t-1} + k_t^T v_t,  a_t = sigmoid(.) e^(i theta_t);  o_t = Re(q_t S_t)

Katsch 2023, "GateLoop: Fully Data-Controlled Linear Recurrence for Sequence Modeling". q, k (B, H, T, d), v (B, H, T, e); `gate` is log |a| and `angle` the sum of
all theta up to t (modulo 2 pi, so that float32 keeps its digits), each (B, H, T) or (B, H, T, d). As Re of a product of phases is the cosine of a
difference, o_t is a real recurrence twice as wide (`heddle.gates.complex_decay`). Heads of one channel (`scalar=True`: q, k, v (B, D, T, 1)), which the paper's results use, are widened with zeros. Without
`phases` it is the simplified real variant. Magnitudes are the sigmoid of an absolute value in public code and of a projection in the paper,
phases the angle of a pair or a projection: both outside, as are the output's gate and norm.
Compared with lucidrains/gateloop-transformer @ 1ded1cb, gate_loop_operator: max error 2e-5 of 51 (f32, 1x6x100x32).
"""

import numpy as np

import heddle
from heddle import gates

from . import Case, _plain, recurrent, stepped


def spec(phases=True, scalar=False, stream=None):
    def gateloop(recur, q, k, v, gate, angle=None):
        if scalar:
            q, k, v = (heddle.concat([x] + [x * 0.0] * 7) for x in (q, k, v))
        if phases:
            q, k, gate = gates.complex_decay(q, k, gate, angle)
        o = recur(q, k, v, gate=gate, scale=1.0)
        return o[..., :1] if scalar else o
    return recurrent(gateloop if phases else lambda recur, q, k, v, gate: gateloop(recur, q, k, v, gate), stream)


def reference(q, k, v, gate, angle=None, phases=True, scalar=False):
    rate, turn = (x if x is None or x.ndim == 4 else x[..., None] for x in (gate, angle))
    theta = np.zeros_like(rate) if turn is None else np.diff(turn, axis=2, prepend=0)
    return _plain.recurrence(q, k, v, rate + 1j * theta).real


decode = stepped(spec, ("q", "k", "v", "gate", "angle"))


def case(name, width, channel=False, heads=3, decode=True, **options):
    shape = (2, heads, 150, *([width] if channel else []))
    arrays = {each: (2, heads, 150, width) for each in "qkv"} | dict(gate=lambda g: np.log(g.uniform(0.5, 1, shape)).astype(np.float32))
    if options.get("phases", True):
        arrays["angle"] = lambda g: (g.uniform(-np.pi, np.pi, shape).cumsum(2) % (2 * np.pi)).astype(np.float32)
    return Case(name, arrays, options=options, decode=decode)


CASES = (case("per head", 32), case("per channel", 8, True, decode=False), case("scalar states", 1, heads=6, scalar=True, decode=False),
         case("real", 32, phases=False))
