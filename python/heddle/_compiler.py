"""From attn text to a loaded pack: the compiler behind its C interface, and the cache.

The cache is content-addressed: a pack is named by the hash of the text, the options, the compiler's build, the resolved
targets and the kernels it was made with, and written by atomic rename, so any number of processes may share it and nothing
ever goes stale. A program's plan is compiled first, and a kernel when a call needs it.
"""

import hashlib
import os
import tempfile
import threading

from . import _heddle, knobs
from ._errors import CompileError, Diagnostic, RunError

_SEVERITIES = ("note", "remark", "warning", "error")
_packs = {}  # (key, target, kernels) -> Pack
_lock = threading.Lock()
_busy = {}   # (key, target, kernels) -> the lock of who compiles it


def diagnostics(raw):
    """Tuples of the binding as diagnostics, each with its notes."""
    found = []
    for severity, file, line, column, message in raw:
        one = Diagnostic(_SEVERITIES[severity], message, file, line, column)
        if one.severity == "note" and found:
            last = found.pop()
            one = Diagnostic(last.severity, last.message, last.file, last.line, last.column, (*last.notes, one))
        found.append(one)
    return tuple(found)


def checked(answer):
    """The result of a call of the compiler, or CompileError."""
    result, raw = answer
    if result is None:
        raise CompileError(diagnostics(raw))
    return result


def target_for(device, index):
    """The compiler's target for a device."""
    if device == "cpu":
        return "cpu"
    if device != "cuda":
        raise ValueError(f"expected arrays on a CPU or a CUDA device, got {device}")
    capability, _ = _heddle.cuda_device(index)
    # The newest target that this capability runs: sm_90a is for 9.0 alone, older ones carry forward-compatible PTX.
    if capability == 90:
        return "sm_90a"
    if capability < 80:
        raise ValueError(f"expected a CUDA device of compute capability 8.0 or above, got {capability / 10}")
    return "sm_89" if capability >= 89 else "sm_80"


def compile_text(program, targets, schedule=None, only=None):
    """The bytes of a pack: with all kernels, or those of `only` ("none": the plan alone). The text that is compiled carries
    no locations, so that equal programs give equal packs; if it is refused, it is compiled again with them, for the
    diagnostics."""
    dump = knobs.dump_dir()
    result, raw = _heddle.compile(program.text(), targets=targets, dump_dir=dump, schedule=schedule, only=only)
    if result is not None:
        return result
    located, with_lines = _heddle.compile(program.text(locations=True), targets=targets, schedule=schedule, only=only)
    raise CompileError(diagnostics(with_lines if located is None else raw))


def folder(target):
    """Where the packs of a target are kept, or None."""
    base = knobs.cache_dir()
    return None if base is None else os.path.join(base, _heddle.version(), target.replace(",", "+").replace(":", "-"))


def _read(path):
    try:
        return _heddle.Pack.from_file(path)
    except RunError:  # absent, or damaged by something else than us: it is written anew
        return None


def _write(path, data):
    """Put `data` at `path` in one step. A cache that cannot be written is not an error."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".", suffix=".tmp")
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)


def entry(program, target, schedule, kinds, names, orders):
    """A program's entry for one target. A call that needs kernels which none before it needed compiles these, or takes
    them from the cache."""
    key = checked(_heddle.content_key(program.text(), targets=target, schedule=schedule))

    def complete(kernels):
        return load(program, target, schedule, key, kernels or None)

    first = load(program, target, schedule, key, None if knobs.compiles_all() else "none")
    return first.entry(program.name, kinds, names, orders, complete)


def load(program, target, schedule, key, only):
    """A loaded pack of a program for one target: from memory, from the cache, or compiled now. `only`: see compile_text."""
    name = (key, target, only)
    pack = _packs.get(name)
    if pack is not None:
        return pack
    with _lock:
        mine = _busy.setdefault(name, threading.Lock())
    with mine:  # one thread compiles, the others wait for it
        pack = _packs.get(name)
        if pack is None:
            pack = _packs[name] = _load(program, target, schedule, key, only)
    with _lock:
        _busy.pop(name, None)
    return pack


def _load(program, target, schedule, key, only):
    where = folder(target)
    path = None if where is None else os.path.join(where, _file_name(key, only))
    if path is not None and knobs.dump_dir() is None:
        # One with all kernels serves whoever asks for some.
        pack = _read(os.path.join(where, _file_name(key, None))) or (only and _read(path))
        if pack is not None:
            return pack
    if not knobs.may_compile():
        kernels = {None: "with every kernel", "none": "with its plan"}.get(only, f"with {only}")
        raise RunError("NOT_FOUND", f"expected pack {key:016x} for {target} {kernels} in the cache (HEDDLE_COMPILE=0), got none")
    data = compile_text(program, target, schedule, only)
    if path is not None:
        _write(path, data)
    return _heddle.Pack.from_bytes(data)


def _file_name(key, only):
    """Packs of one program lie side by side: that with all kernels, the plan alone, and one for each choice of kernels."""
    if only is None:
        return f"{key:016x}.pack"
    # Names of kernels have no length to rely on.
    kernels = only if only == "none" else hashlib.blake2b(only.encode(), digest_size=8).hexdigest()
    return f"{key:016x}-{kernels}.pack"
