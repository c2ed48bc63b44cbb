"""Gates: logarithms of decays, as `heddle.recur` takes them, from what a model computes for each token. All are at most 0, and none is
ever the logarithm of a number that has become 0.

    sigmoid(x)            log of 1 / (1 + exp(-x))
    rate(x, a)            -softplus(x) exp(a): a step of softplus(x) at the rate exp(a) of each head, as in Mamba-2

A decay that is a complex number is a gate and an angle, and needs no other recurrence than a real one: `complex_decay`.
"""

from ._functions import abs, concat, cos, exp, log, maximum, sin


def softplus(x):
    """log(1 + exp(x)), which is above 0 and close to x where x is large."""
    return maximum(x, 0.0) + log(1.0 + exp(-abs(x)))


def sigmoid(x):
    """The logarithm of the sigmoid of x."""
    return -softplus(-x)


def rate(x, a):
    """-softplus(x) exp(a), of x (B, H, T) and a (H,)."""
    return -softplus(x) * exp(a)[:, None]


def complex_decay(q, k, gate, angle):
    """(q, k, gate) for a `heddle.recur` that computes, of real q, k and v,

        S_t = exp(gate_t + i theta_t) S_{t-1} + k_t v_t^T,   o_t = scale Re(q_t^T S_t)

    `angle` is the sum of theta up to each token, (B, H, T) or (B, H, T, d) in the order of q's layout, taken modulo 2 pi before it is rounded
    to float32 (NumPy: `theta.cumsum(2) % (2 * np.pi)`, of float64), and the gate is one as in `heddle.recur`. The real part of a product of
    phases is the cosine of the difference of their angles, so this is exactly a real recurrence of features twice as wide,
    [x cos angle; x sin angle]: its chunks, states and steps are real ones. The upper and lower half of its state, U and L, are S_t =
    exp(i angle_t) (U - i L). Give `scale`, whose default follows the width.
    """
    angle = angle if angle.ndim == q.ndim else angle[..., None]

    def turned(x):
        return concat([(x * cos(angle)).astype(x.dtype), (x * sin(angle)).astype(x.dtype)])
    return turned(q), turned(k), concat([gate, gate]) if gate is not None and gate.ndim == q.ndim else gate
