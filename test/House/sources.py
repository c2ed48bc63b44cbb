"""Which files are the tree's own: what the house checks look at."""
import pathlib

TOPS = ("dialects", "include", "lib", "tools", "runtime", "python", "test", ".ci")
IGNORED = {"__pycache__", "Inputs", "node_modules"}


def sources(tree, suffixes, tops=TOPS):
    """Paths relative to the tree, sorted."""
    for top in tops:
        for file in sorted((pathlib.Path(tree) / top).rglob("*")):
            path = file.relative_to(tree)
            if file.is_file() and file.suffix in suffixes and not IGNORED & set(path.parts):
                yield path
