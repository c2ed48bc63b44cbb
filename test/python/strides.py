"""Arrays in memory of every kind that a caller may have: orders, padding, alignment."""
import numpy as np

STRIDES = ("contiguous", "padded", "inner", "reversed", "shifted")


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


def owner(array):
    """The array of the same type that a view is of."""
    while isinstance(array.base, np.ndarray) and array.base.dtype == array.dtype:
        array = array.base
    return array


def converted(array, dtype):
    """The same view of memory that holds another type: strides and what lies between are those of the original."""
    if array.dtype == dtype:
        return array
    memory = owner(array)
    made, offset = memory.astype(dtype), array.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
    size = array.itemsize
    return np.ndarray(array.shape, dtype, made, offset // size * made.itemsize, tuple(s // size * made.itemsize for s in array.strides))
