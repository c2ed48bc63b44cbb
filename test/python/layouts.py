"""Arrays in memory of every kind that a caller may have: element types, orders, padding, poison."""
import ml_dtypes
import numpy as np

DTYPES = {"f32": np.dtype(np.float32), "f16": np.dtype(np.float16), "bf16": np.dtype(ml_dtypes.bfloat16)}
GUARD = 7.0  # what lies between the rows of a padded output


def random(generator, shape, element, magnitude=1.0):
    return (generator.standard_normal(shape) * magnitude).astype(DTYPES[element])


def strided(values, how):
    """The same values with other strides: "contiguous", "padded" (rows with NaN between), "inner" (the two middle
    dimensions swapped in memory), "reversed" (negative strides of the first dimensions), "shifted" (odd alignment)."""
    if how == "inner" and values.ndim == 4:
        return np.ascontiguousarray(values.swapaxes(1, 2)).swapaxes(1, 2)
    if how == "padded":
        wide = np.full((*values.shape[:-1], values.shape[-1] + 5), np.nan, np.float32).astype(values.dtype)
        wide[..., :values.shape[-1]] = values
        return wide[..., :values.shape[-1]]
    if how == "reversed":
        return np.ascontiguousarray(values[::-1])[::-1]
    if how == "shifted":
        flat = np.full(values.size + 1, np.nan, np.float32).astype(values.dtype)
        flat[1:] = values.ravel()
        return flat[1:].reshape(values.shape)
    return np.ascontiguousarray(values)


STRIDES = ("contiguous", "padded", "inner", "reversed", "shifted")


class Output:
    """An array of NaN to write to, with guards behind every row that must stay."""

    def __init__(self, shape, dtype):
        self.whole = np.full((*shape[:-1], shape[-1] + 8), GUARD, np.float32).astype(dtype)
        self.array = self.whole[..., :shape[-1]]
        self.array[...] = np.nan

    def intact(self):
        return bool((self.whole[..., self.array.shape[-1]:] == GUARD).all())
