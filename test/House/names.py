"""No file or folder has a name that says nothing, and no C++ knows an operator, a mask or a chip by name.

Usage: names.py TREE WORDS. WORDS lists the words, one a line, that may stand in no identifier and no string of the C++ of
dialects/, include/, lib/ and tools/ (comments may give examples). A word is matched whole, as a part of a
camelBack or snake_case name: `windowBytes` and `"window"` are found, `unwindows` is not.
"""
import pathlib
import re
import sys

from sources import sources

EMPTY = {"util", "utils", "common", "misc", "helper", "helpers"}
EVERYTHING = {".h", ".c", ".cpp", ".td", ".py", ".pyi", ".mlir", ".txt", ".test", ".inc"}
COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.S)
CHIP = re.compile(r"\bsm_?\d\d")
TARGET_TABLES = ("lib/Target", "include/heddle/Target", "tools")  # where a chip's row stands, and a user names it
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def without_comments(text):
    blank = lambda match: match[0] if match[0].startswith('"') else re.sub(r"[^\n]", " ", match[0])
    return COMMENT.sub(blank, text)


def empty_names(tree):
    for path in sources(tree, EVERYTHING):
        for part in path.with_suffix("").parts:
            if EMPTY & {word.lower() for word in PART.findall(part)}:
                yield f"{path}: expected a name that says what is inside, got {part}"


def known_by_name(tree, words):
    for path in sources(tree, {".h", ".cpp"}, tops=("dialects", "include", "lib", "tools")):
        said = set()  # a word is reported once a file
        for number, line in enumerate(without_comments((tree / path).read_text()).splitlines(), 1):
            known = words & {part.lower() for part in PART.findall(line)}
            if not str(path).startswith(TARGET_TABLES):
                known |= set(CHIP.findall(line))
            for word in sorted(known - said):
                yield f"{path}:{number}: expected C++ that knows no operator, mask or chip by name, got {word}"
            said |= known


if __name__ == "__main__":
    tree = pathlib.Path(sys.argv[1])
    words = {line.strip() for line in open(sys.argv[2]) if line.strip() and not line.startswith("#")}
    found = list(empty_names(tree)) + list(known_by_name(tree, words))
    print("\n".join(found) or "every name says something, and none says too much")
    sys.exit(bool(found))
