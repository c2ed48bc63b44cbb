"""Every pass is described, is a file of its own name, and has a lit test of its own name. Usage: passes.py TREE

`def FoldScale : Pass<"attn-fold-scale">` in include/heddle/Transforms/Passes.td has FoldScale.cpp somewhere below
lib/Transforms, fold-scale.mlir somewhere below test/Transforms, and a description that says what it assumes and what it leaves.
"""
import pathlib
import re
import sys

DEFINITION = re.compile(r'^def (\w+)\s*:\s*Pass<"([\w-]+)"(.*?)^}', re.M | re.S)


def kebab(name):
    return "-".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)).lower()


def faults(tree):
    for table in sorted(tree.glob("include/heddle/*/Passes.td")):
        room = table.parent.name
        for name, flag, body in DEFINITION.findall(table.read_text()):
            name = name.removesuffix("Pass")
            for part in ("let summary", "let description", "Assumes:", "Leaves:"):
                if part not in body:
                    yield f"{room}/Passes.td: expected '{part}' in {name}, got none"
            if not list((tree / "lib" / room).rglob(f"{name}.cpp")):
                yield f"lib/{room}: expected {name}.cpp, got no such file"
            if not list((tree / "test" / room).rglob(f"{kebab(name)}*.mlir")):
                yield f"test/{room}: expected {kebab(name)}.mlir for --{flag}, got no such file"


if __name__ == "__main__":
    found = list(faults(pathlib.Path(sys.argv[1])))
    print("\n".join(found) or "every pass is described and tested under its own name")
    sys.exit(bool(found))
