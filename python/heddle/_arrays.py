"""What the package knows of arrays: NumPy (with ml_dtypes), PyTorch, and whatever speaks DLPack.

Nothing here imports an array library: they are recognised by the modules the caller has loaded.
"""

import sys

ELEMENTS = {"float32": "f32", "float16": "f16", "bfloat16": "bf16", "float64": "f64", "int32": "i32", "int64": "i64",
            "bool": "i1"}
NAMES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "f64": "float64", "i32": "int32", "i64": "int64", "i1": "bool"}
FLOATS = ("f32", "f16", "bf16")  # what is computed with
_known_types = {}    # array type -> library, or None
_known_elements = {}  # dtype object -> element, as MLIR writes it


def library(value):
    """"numpy", "torch" or "dlpack" for an array, else None."""
    kind = type(value)
    try:
        return _known_types[kind]
    except KeyError:
        pass
    root = {base.__module__.partition(".")[0] for base in kind.__mro__}
    if any(base.__module__ == "numpy" and base.__name__ == "ndarray" for base in kind.__mro__):
        found = "numpy"
    elif "torch" in root and hasattr(kind, "data_ptr"):
        found = "torch"
    elif hasattr(kind, "__dlpack__") and hasattr(kind, "__dlpack_device__") and hasattr(kind, "shape"):
        # numpy.generic speaks DLPack, too, but is a number.
        found = None if any(base.__module__ == "numpy" and base.__name__ == "generic" for base in kind.__mro__) else "dlpack"
    else:
        found = None
    _known_types[kind] = found
    return found


def is_array(value):
    return library(value) is not None


def element(value):
    """The element type as MLIR writes it ("bf16"), or the dtype's own name when Heddle has no such type."""
    dtype = value.dtype
    try:
        return _known_elements[dtype]
    except KeyError:
        name = getattr(dtype, "name", None) or str(dtype).rpartition(".")[2]
        found = ELEMENTS.get(name, name)
        if getattr(dtype, "byteorder", "=") not in ("=", "|") and sys.byteorder == "little" and dtype.byteorder == ">":
            found = f"big-endian {name}"
        _known_elements[dtype] = found
        return found


def element_and_rank(value):
    return element(value), len(value.shape)


def device(value):
    """("cpu" or "cuda", ordinal)."""
    which = library(value)
    if which == "numpy" or (which == "torch" and value.is_cpu):
        return "cpu", 0
    kind, index = value.__dlpack_device__()
    kind = int(kind)
    if kind in (1, 3):  # kDLCPU, kDLCUDAHost
        return "cpu", 0
    if kind in (2, 13):  # kDLCUDA, kDLCUDAManaged
        return "cuda", int(index)
    return f"DLPack device {kind}", int(index)


def strides(value):
    """In elements; None where the library does not tell (the runtime then sees them through DLPack)."""
    which = library(value)
    if which == "numpy":
        return tuple(stride // value.itemsize for stride in value.strides)
    if which == "torch":
        return value.stride()
    return None


def requires_grad(value):
    if library(value) != "torch" or not value.requires_grad:
        return False
    return sys.modules["torch"].is_grad_enabled()


def is_writeable(value):
    return value.flags.writeable if library(value) == "numpy" else True


def on_host(value):
    """A NumPy view of an array that lives on the CPU."""
    if library(value) == "numpy":
        return value
    import numpy
    return numpy.from_dlpack(value.detach() if library(value) == "torch" else value)


def dtype_of(value, name):
    """The dtype object called `name` ("float32") of the library that `value` is from."""
    which = library(value)
    if which == "torch":
        return getattr(sys.modules["torch"], name)
    if which == "numpy":
        import numpy
        if name == "bfloat16":
            import ml_dtypes
            return numpy.dtype(ml_dtypes.bfloat16)
        return numpy.dtype(name)
    return getattr(value.__array_namespace__(), name)


def has_views(value):
    """Whether `split_heads` knows the array's library."""
    return library(value) in ("numpy", "torch")


def split_heads(value, shape):
    """The same memory, its heads divided in two dimensions; dimensions of one element may go or come."""
    return value.reshape(shape) if library(value) == "numpy" else value.view(shape)


def empty_like(value, shape, element_type):
    """A new array of `value`'s library and device."""
    which = library(value)
    dtype = value.dtype if element(value) == element_type else dtype_of(value, NAMES[element_type])
    if which == "numpy":
        import numpy
        return numpy.empty(shape, dtype)
    if which == "torch":
        return sys.modules["torch"].empty(shape, dtype=dtype, device=value.device)
    namespace = value.__array_namespace__() if hasattr(value, "__array_namespace__") else None
    if namespace is None or namespace.__name__.startswith("jax"):
        raise TypeError(f"expected arrays of NumPy, PyTorch or a library whose arrays can be written, got {type(value).__module__}")
    return namespace.empty(shape, dtype=dtype, device=value.device)


def workspace_allocator(value):
    """A function from a size to so many bytes on the device of `value`, by its library's allocator."""
    device = value.device
    if library(value) == "torch":
        torch = sys.modules["torch"]
        return lambda size: torch.empty(size, dtype=torch.int8, device=device)
    namespace = value.__array_namespace__()
    return lambda size: namespace.empty(size, dtype=namespace.int8, device=device)
