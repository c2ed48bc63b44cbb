"""Gates per channel of every kind, as functions of a generator and a shape (b, h, t, c): weak and strong, moderate in every chunk of
64 tokens and not, near where a chunk cannot be split any more."""
import numpy as np

from recur_oracle import logarithms

CHUNK = 64


def one_strong_token(generator, shape):
    """Weak gates but for one token of one channel in each chunk, which alone is beyond what a chunk is split at."""
    gate = -np.abs(generator.standard_normal(shape)) / 50
    gate[:, :, 5::CHUNK, 3] = -100
    return gate


def mixed(generator, shape):
    gate = np.where(generator.random(shape) < 0.02, -200 * generator.random(shape), -generator.random(shape) / 100)
    gate[..., ::7] = -6 * generator.random(gate[..., ::7].shape)
    gate[..., 3] = 0
    return gate


def one_head(generator, shape):
    """Weak gates but for the last head of the last batch."""
    gate = -np.abs(generator.standard_normal(shape)) / 50
    gate[-1, -1] *= 1000
    return gate


def halves(first, second):
    """Powers of two that each half of a chunk decays by."""
    return lambda generator, shape: np.where(np.arange(shape[2])[:, None] % CHUNK < 32, -first, -second) * np.log(2) / 32 * np.ones(shape)


GATES = {
    "1": lambda generator, shape: np.zeros(shape),
    "near 1": lambda generator, shape: np.full(shape, -1e-4),
    "weak": lambda generator, shape: logarithms(generator, shape, "weak"),
    "usual": lambda generator, shape: logarithms(generator, shape, "usual"),
    "strong": lambda generator, shape: logarithms(generator, shape, "strong"),
    "1e-15 in a chunk": lambda generator, shape: np.full(shape, -34.5 / CHUNK),
    "1e-40 in a chunk": lambda generator, shape: np.full(shape, -92.1 / CHUNK),
    "1e-50 in a chunk": lambda generator, shape: np.full(shape, -115.1 / CHUNK),
    "1e-40 in the second half": halves(0, 133),
    "2^-59 in each half": halves(59, 59),
    "2^-90 in each half": halves(90, 90),
    "2^-95 and 2^-20 in halves": halves(95, 20),
    "forgets": lambda generator, shape: np.where(generator.random(shape) < 0.05, -np.inf, -0.1),
    "one strong token": one_strong_token,
    "one strong head": one_head,
    "mixed": mixed,
}
