"""The environment variables that the package reads, all of them, here and nowhere else.

HEDDLE_CACHE_DIR   where compiled packs are kept; default $XDG_CACHE_HOME/heddle, else ~/.cache/heddle. Empty: no files.
HEDDLE_DUMP_DIR    write every rung of what is compiled to numbered files here (and compile it even if it is cached)
HEDDLE_COMPILE     0: never compile, use only what is cached (serving). all: compile every kernel of what is compiled, not only
                   those that the call needs, so that the cache has all there is. Default 1.

Read by the runtime: HEDDLE_NUM_THREADS (threads of the CPU pool), HEDDLE_CHECK=1 (check values on the device).
"""

import os


def cache_dir():
    """The base folder of the cache, or None if packs are not to be kept in files."""
    named = os.environ.get("HEDDLE_CACHE_DIR")
    if named is not None:
        return named or None
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "heddle")


def dump_dir():
    """The folder for dumps, or None."""
    return os.environ.get("HEDDLE_DUMP_DIR") or None


def may_compile():
    """Whether a pack that is not cached may be compiled."""
    return os.environ.get("HEDDLE_COMPILE", "1").lower() not in ("0", "false")


def compiles_all():
    return os.environ.get("HEDDLE_COMPILE", "1").lower() == "all"
