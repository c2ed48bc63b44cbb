"""The status word: what kernels say when a length, which Python did not see, lies outside of its array."""
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import heddle
import oracle


@heddle.spec(q="?x?x?x16xf32", k="?x?x?x16xf32", v="?x?x?x16xf32", lengths="?xi32")
def cached(q, k, v, lengths):
    """The values of arrays that a spec is called with are not looked at, wherever they are."""
    return heddle.attend(q, k, v, kv_lengths=lengths)


ARRAYS = tuple(np.random.default_rng(0).standard_normal((2, 2, rows, 16)).astype(np.float32) for rows in (3, 40, 40))


def lengths(*values):
    return np.array(values, np.int32)


def clamped(values):
    parts = [oracle.attend(*(x[b:b + 1, :, :None if n == 0 else max(0, min(40, length))] for n, x in enumerate(ARRAYS)),
                           np.ones((1, 1, 1, 1), bool), scale=1 / 4)[0] for b, length in enumerate(values)]
    return np.concatenate(parts)


@pytest.mark.parametrize("values, word", [((40, 7), 0), ((41, 7), 1), ((5, -3), 1), ((2**31 - 1, -2**31), 1), ((0, 0), 0)])
def test_lengths_are_clamped_and_reported(values, word):
    status = heddle.Status()
    got = cached(*ARRAYS, lengths(*values), status=status)
    oracle.check(clamped(values), got, "f32")
    assert status.word == word
    if word:
        with pytest.raises(ValueError, match="expected values within their arrays, got status word 1: a kernel clamped one"):
            status.check()
    else:
        status.check()


def test_a_status_tells_of_its_latest_call():
    status = heddle.Status()
    assert status.word == 0
    cached(*ARRAYS, lengths(41, 1), status=status)
    cached(*ARRAYS, lengths(1, 1))  # another call in the same workspace
    assert status.word == 1
    cached(*ARRAYS, lengths(1, 1), status=status)
    assert status.word == 0
    cached(*ARRAYS, lengths(41, 1), status=status)
    status.reset()
    assert status.word == 0


def test_page_tables_of_lengths_beyond_them():
    @heddle.spec(q="?x?x?x16xf32", k="?x?x8x16xf32", v="?x?x8x16xf32", table="?x?xi32", lengths="?xi32")
    def paged(q, k, v, table, lengths):
        return heddle.attend(q, k, v, block_table=table, cache_seqlens=lengths)

    q, k, v = ARRAYS
    pools = [np.ascontiguousarray(x.reshape(2, 2, 5, 8, 16).swapaxes(1, 2).reshape(10, 2, 8, 16)) for x in (k, v)]
    status = heddle.Status()
    got = paged(q, *pools, np.arange(10, dtype=np.int32).reshape(2, 5), lengths(1000, 9), status=status)
    oracle.check(clamped((1000, 9)), got, "f32")
    assert status.word == 1


def test_checks_turn_it_into_an_error():
    status = heddle.Status()
    heddle.set_check(True)
    try:
        cached(*ARRAYS, lengths(40, 0))
        with pytest.raises(ValueError, match="attend|cached: expected values within their arrays, got status word 1"):
            cached(*ARRAYS, lengths(41, 0), status=status)
        assert status.word == 1
    finally:
        heddle.set_check(None)
    cached(*ARRAYS, lengths(41, 0))


PROGRAM = """
import numpy as np, heddle
cached = heddle.Spec(lambda q, k, v, n: heddle.attend(q, k, v, kv_lengths=n), dict(q="?x?x?x16xf32", k="?x?x?x16xf32", v="?x?x?x16xf32", n="?xi32"))
x = np.ones((1, 1, 4, 16), np.float32)
cached(x, x, x, np.array([4], np.int32))
try:
    cached(x, x, x, np.array([5], np.int32))
    print("passed")
except ValueError as error:
    print(error)
"""


@pytest.mark.parametrize("value, said", [("1", "got status word 1"), ("0", "passed")])
def test_the_environment_asks_for_checks(value, said):
    done = subprocess.run([sys.executable, "-c", PROGRAM], env={**os.environ, "HEDDLE_CHECK": value}, capture_output=True, text=True)
    assert said in done.stdout, done.stderr


# Without a GPU: the runtime's own tests bring a libcuda.so.1 whose device memory is the host's, and a pack for it.
ON_A_DEVICE = """
import ctypes, sys
import numpy as np
import heddle
from heddle import _heddle

class OnDevice:
    "Host memory that says it is on CUDA device 0."
    def __init__(self, host):
        self.host = host
    def __dlpack_device__(self):
        return 2, 0
    def __dlpack__(self, stream=None):
        capsule = self.host.__dlpack__()
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        device = (ctypes.c_int32 * 2).from_address(pointer(capsule, b"dltensor") + 8)
        device[0], device[1] = 2, 0
        return capsule

given = []
def allocate(size):
    memory = np.full(size + 256, 0xee, np.uint8).view(np.int8)
    at = -memory.ctypes.data % 256
    given.append(OnDevice(memory[at:at + size]))
    return given[-1]

leave = ctypes.CDLL("libcuda.so.1").fake_driver_raise  # what the next launch leaves in its status word
a, out = OnDevice(np.ones((3, 8), np.float32)), OnDevice(np.ones(4, np.float32))
entry = _heddle.Pack.from_file(sys.argv[1]).entry("device", "tift", ["a", "n", "x", "out"], [[]] * 4)
status = heddle.Status()
heddle.set_check(False)
entry((a, 2, 1.5, out), 0x77, allocate, status)
assert status.word == 0 and len(given) == 1
leave(6)
entry((a, 2, 1.5, out), 0x77, allocate, status)
assert status.word == 6 and len(given) == 2
given[1].host[:] = 0  # a later run of a captured graph in the same workspace
assert status.word == 0
heddle.set_check(True)
try:
    entry((a, 2, 1.5, out), 0x77, allocate, status)
except ValueError as error:
    assert "device: expected values within their arrays, got status word 6" in str(error), error
    assert status.word == 6
    leave(0)
    entry((a, 2, 1.5, out), 0x77, allocate)
    def refuse(size):
        raise MemoryError(size)
    try:
        entry((a, 2, 1.5, out), 0x77, refuse)
    except MemoryError as error:
        print("all as expected")
"""


def test_on_a_device():
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    done = subprocess.run([sys.executable, "-c", ON_A_DEVICE, str(root / "test/runtime/Inputs/version-1.pack")], text=True,
                          env={**os.environ, "LD_LIBRARY_PATH": str(root / "build/test/runtime/fake")}, capture_output=True)
    assert done.stdout == "all as expected\n", done.stderr
