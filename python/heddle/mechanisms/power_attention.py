"""PowerAttention: causal attention to a window of blocks, to blocks whose distance is a power of two, and to the first blocks.

    block a sees block b, D = a - b >= 0:  D < W  or  D is a power of two  or  b < sinks;  causal inside of the diagonal block

Chen et al. 2025, "PowerAttention: Exponentially Scaling of Receptive Fields for Effective Sparse Attention". A row sees W + sinks + log2(a)
blocks; after l layers it has reached every token within 2^l blocks, without holes. Blocks of 256, a window of 5 blocks and 1 sink are what
notes on the paper name. Which layers have the mask (all but 2 of 7) is outside. Generating keeps all keys: the distances of a block
change as the row moves.
"""

import heddle
from heddle import masks

from . import Case, _plain, cached


def spec(block=256, window=5, sinks=1):
    def visible(b, h, i, j):
        distance = i // block - j // block
        power = (distance & (distance - 1)) == 0
        return (j <= i) & ((distance < window) | power | (j < sinks * block))

    @heddle.spec
    def power(q, k, v):
        return heddle.attend(q, k, v, mask_mod=masks.shifted(visible, k.shape[2] - q.shape[2]))
    return power


def reference(q, k, v, block=256, window=5, sinks=1):
    s = _plain.scores(q, k)
    i, j = _plain.grid(s)
    powers = [2 ** n for n in range(40)]
    distance = i // block - j // block
    power = sum(distance == each for each in powers) > 0
    return _plain.softmax(s, (j <= i) & ((distance < window) | power | (j // block < sinks))) @ _plain.heads(v, q.shape[1])


decode = cached(spec)
CASES = (
    Case("blocks of 16", {name: (1, 2, 500, 64) for name in "qkv"}, options=dict(block=16, window=2), dtype="bf16", decode=True),
    Case("blocks of 8, no sink", {name: (1, 2, 300, 32) for name in "qkv"}, options=dict(block=8, window=3, sinks=0)),
)
