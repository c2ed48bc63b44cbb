"""Arrays of every element type, and poisoned ones to write to. How arrays lie in memory: strides.py."""
import ml_dtypes
import numpy as np

DTYPES = {"f32": np.dtype(np.float32), "f16": np.dtype(np.float16), "bf16": np.dtype(ml_dtypes.bfloat16)}
GUARD = 7.0  # what lies between the rows of a padded output


def random(generator, shape, element, magnitude=1.0):
    return (generator.standard_normal(shape) * magnitude).astype(DTYPES[element])


class Output:
    """An array of NaN to write to, with guards behind every row that must stay."""

    def __init__(self, shape, dtype):
        self.whole = np.full((*shape[:-1], shape[-1] + 8), GUARD, np.float32).astype(dtype)
        self.array = self.whole[..., :shape[-1]]
        self.array[...] = np.nan

    def intact(self):
        return bool((self.whole[..., self.array.shape[-1]:] == GUARD).all())
