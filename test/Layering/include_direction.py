"""Check every #include of this tree against arrows.txt. Usage: include_direction.py TREE"""
import os
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.M)
TOPS = ("dialects", "include", "lib", "tools", "python", "runtime")
# A path inside the tree, or an include as written -> the room that holds it; the first that matches.
ROOMS = [
    (r"(runtime/include/)?heddle_rt/artifact\.h", "artifact"),
    (r"(runtime/include/)?heddle_rt/", "runtime"),
    (r"runtime/", "runtime"),
    (r"(include/)?heddle-c/", "c-api"),
    (r"(?:lib|include/heddle|heddle)/(\w+)/", None),
    (r"(dialects/\w+)/", None),
    (r"(dialects)/", None),
    (r"(tools|python)/", None),
]


def room(path):
    for pattern, name in ROOMS:
        match = re.match(pattern, path)
        if match:
            return name or match.group(1)
    return None


def read_arrows(text):
    arrows = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            source, targets = line.split(":")
            arrows[source.strip()] = targets.split()
    return arrows


def may_include(source, target, arrows):
    """dialects/Tile is allowed where dialects is."""
    return target in arrows[source] or target.split("/")[0] in arrows[source]


def same_pass(path, included):
    """In a room marked `alone`: the list of passes, the file's own header, or the folder (and its header) of its pass."""
    own = {"Passes", pathlib.PurePosixPath(path).name.split(".")[0]}
    folder = re.search(r"(?:lib|heddle)/\w+/(\w+)/", path)
    own |= {folder[1]} if folder else set()
    other = pathlib.PurePosixPath(included)
    return other.name.split(".")[0] in own or other.parent.name in own


def faults(tree, arrows):
    for file in sorted(file for top in TOPS for file in (tree / top).rglob("*")):
        path = file.relative_to(tree).as_posix()
        source = room(path)
        if source is None or file.suffix not in {".h", ".c", ".cpp", ".td"}:
            continue
        if source not in arrows:
            yield f"{path}: expected a room of arrows.txt, got {source}"
            continue
        for included in INCLUDE.findall(file.read_text()):
            if (file.parent / included).exists():  # written relative to the file
                included = os.path.normpath(pathlib.PurePosixPath(path).parent / included)
            target = room(included)
            if target is None or target == source and ("alone" not in arrows[source] or same_pass(path, included)):
                continue
            if target != source and may_include(source, target, arrows):
                continue
            yield f"{path}: expected an include of {' '.join(arrows[source]) or 'nothing of this tree'}, got {included} ({target})"


if __name__ == "__main__":
    here = pathlib.Path(__file__).parent
    found = list(faults(pathlib.Path(sys.argv[1]), read_arrows((here / "arrows.txt").read_text())))
    print("\n".join(found) or "every include points an allowed way")
    sys.exit(bool(found))
