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


def passes_of(tree, name):
    """The passes of a room: its folders, and the files that define one."""
    files = [file for file in (tree / "lib" / name).glob("*") if file.is_dir() or "GEN_PASS_DEF" in file.read_text()]
    return {file.stem for file in files}


def beside(path, included, passes):
    """Whether a file of a room marked `alone` may include another of the room: anything that belongs to no other pass."""
    own = re.search(r"(?:lib|heddle)/\w+/(\w+)", path)[1]
    other = re.search(r"heddle/\w+/(\w+)|lib/\w+/(\w+)", included)
    return (other[1] or other[2]) in {own} or (other[1] or other[2]) not in passes


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
            if target is None or target == source and ("alone" not in arrows[source] or beside(path, included, passes_of(tree, source))):
                continue
            if target != source and may_include(source, target, arrows):
                continue
            yield f"{path}: expected an include of {' '.join(arrows[source]) or 'nothing of this tree'}, got {included} ({target})"


if __name__ == "__main__":
    here = pathlib.Path(__file__).parent
    found = list(faults(pathlib.Path(sys.argv[1]), read_arrows((here / "arrows.txt").read_text())))
    print("\n".join(found) or "every include points an allowed way")
    sys.exit(bool(found))
