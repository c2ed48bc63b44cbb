"""What passed in this build: a file for each mechanism and kind of device, in the folder `mechanisms` of a build folder.

A record counts only for the build of the compiler and the Python sources that it was made with.
"""

import functools
import hashlib
import json
import os
import pathlib

from .. import _heddle

PACKAGE = pathlib.Path(__file__).resolve().parent


def folder():
    """The folder of records: that of the nearest build folder around this package, or None."""
    for parent in PACKAGE.parents:
        if (parent / "build" / "mechanisms").is_dir():
            return parent / "build" / "mechanisms"
    return None


@functools.lru_cache(maxsize=None)
def identity(name):
    """What a record of a module is for: the compiler's build and a hash of the sources in Python that it depends on."""
    digest = hashlib.sha256()
    for path in (*sorted(PACKAGE.parent.glob("*.py")), *sorted(PACKAGE.glob("_*.py")), PACKAGE / f"{name}.py"):
        digest.update(path.read_bytes())
    return {"build": _heddle.version(), "sources": digest.hexdigest()[:16]}


def read(where, name, device):
    """{what passed: its error} of a module on "cpu" or "cuda"; nothing if it is of another build."""
    try:
        record = json.loads((pathlib.Path(where) / f"{name}.{device}.json").read_text())
    except (OSError, TypeError, ValueError):
        return {}
    return record["passed"] if record.get("for") == identity(name) else {}


def write(where, name, device, what, error):
    """Note that something passed with an error, or (None) that it did not."""
    where = pathlib.Path(where)
    where.mkdir(parents=True, exist_ok=True)
    passed = read(where, name, device)
    passed.pop(what, None)
    if error is not None:
        passed[what] = error
    temporary = where / f".{name}.{device}.{os.getpid()}"
    temporary.write_text(json.dumps({"for": identity(name), "passed": passed}, indent=1))
    os.replace(temporary, where / f"{name}.{device}.json")
