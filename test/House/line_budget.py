"""No source file is longer than the budget, but for those of an allow-list that may only shrink.

Usage: line_budget.py TREE ALLOWED. A line of ALLOWED is `path lines`: the file may have that many lines; when it has
become shorter the line must follow it, and a file within the budget, or gone, has no line.
"""
import pathlib
import sys

from sources import sources

BUDGET = 400
SLACK = 20  # how far a file may shrink before its line must follow
SUFFIXES = {".h", ".c", ".cpp", ".td", ".py", ".pyi", ".mlir", ".txt"}


def faults(tree, allowed):
    lengths = {str(path): len((tree / path).read_text().splitlines()) for path in sources(tree, SUFFIXES)}
    for path, length in lengths.items():
        limit = allowed.get(path, BUDGET)
        if length > limit:
            yield f"{path}: expected at most {limit} lines, got {length}: split it by role"
        elif path in allowed and length + SLACK < limit:
            yield f"{path}: expected its allowance to shrink with it to {length}, got {limit}"
    for path in allowed:
        if lengths.get(path, 0) <= BUDGET:
            yield f"{path}: expected no allowance for a file of {lengths.get(path, 0)} lines, got {allowed[path]}"


if __name__ == "__main__":
    tree, listed = map(pathlib.Path, sys.argv[1:])
    lines = [line.split() for line in listed.read_text().splitlines() if line and not line.startswith("#")]
    found = list(faults(tree, {path: int(length) for path, length in lines}))
    print("\n".join(found) or "every file is within its budget")
    sys.exit(bool(found))
