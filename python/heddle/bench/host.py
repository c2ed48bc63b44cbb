"""What a call costs beside its kernels: the host's time of a cached `heddle.attend` into an output that is there.

One row without a key, so that a CPU's kernel does next to nothing; on a device the call returns when the work is queued. The
least of many short bursts is the figure: what disturbs a burst only ever adds to it. `runtime/README.md` has the command for C.
"""

import time

import numpy as np

import heddle

from . import candidates

BURSTS, CALLS = 300, 50


def arrays(device):
    """(name of the library, q, k and v, out) for what is installed."""
    torch = candidates.torch_or_none()
    q, none = np.ones((1, 1, 1, 64), np.float32), np.ones((1, 1, 0, 64), np.float32)
    if device == "cpu":
        yield "numpy", q, none, np.empty_like(q)
    if torch is not None:
        here = torch.from_numpy(q).to(device)
        yield "torch", here, here[:, :, :0], torch.empty_like(here)


def measure(device):
    """Microseconds of a call by library."""
    found = {}
    for library, q, none, out in arrays(device):
        wait = (lambda: None) if device == "cpu" else candidates.torch_or_none().cuda.synchronize
        heddle.attend(q, none, none, out=out)
        wait()
        if not bool((out == 0).all()):
            raise SystemExit(f"{library}: expected 0 from a row that sees nothing, got {out}")
        least = float("inf")
        for _ in range(BURSTS):
            start = time.perf_counter()
            for _ in range(CALLS):
                heddle.attend(q, none, none, out=out)
            least = min(least, (time.perf_counter() - start) / CALLS)
            wait()
        found[library] = least * 1e6
    return found
