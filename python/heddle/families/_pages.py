"""The Markdown of a family: what its module says, and what its specs print and do."""

import ast
import inspect
import pathlib
import re

import numpy as np

from . import FAMILIES, Grid, load

LONG = 40  # lines of text that are folded away
DEFINES = "normalizers"  # the family whose pages show what a name stands for
PRELUDE = "dialects/Attn/Prelude.mlir"

INDEX = """# Families of ideas

What attention is made of, one idea at a time: each page shows the smallest spec of every idea of a family, in Python and as the `attn` text that
it becomes, with its equation and who published it. The texts are what `spec.text` prints, the pictures what the compiled kernels do, and the
tests compare every spec with NumPy. Whole mechanisms, which combine these, are in [heddle.mechanisms](../mechanisms/README.md).

"""

NOTE = "<!-- Written by `python -m heddle.families --write` from {}; edit that. -->\n\n"


def repository():
    """Where these pages belong: around this package, or the current folder where the package is installed elsewhere."""
    for root in (pathlib.Path(__file__).parents[3], pathlib.Path.cwd()):
        if (root / PRELUDE).exists():
            return root
    raise FileNotFoundError(f"expected the repository's {PRELUDE} around the package or the current folder, got none")


def pages():
    """{file name: text} of all pages."""
    made = {"README.md": NOTE.format("the modules of this folder") + INDEX + "".join(map(_entry, FAMILIES))}
    return made | {f"{family}.md": page(family) for family in FAMILIES}


def _entry(family):
    module, ideas = load(family)
    title = module.__doc__.splitlines()[0]
    links = ", ".join(f"[{each.said[0]}]({family}.md#{anchor(each.said[0])})" for each in ideas)
    return f"- **[{title}]({family}.md)**: {links}\n"


def anchor(title):
    """What a heading is called in a link."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def page(family):
    module, ideas = load(family)
    title, _, text = inspect.cleandoc(module.__doc__).partition("\n")
    parts = [f"{NOTE.format(f'{family}.py')}# {title}\n\n{text.strip()}", _fenced("python", preamble(module)),
             *(section(idea, defines=family == DEFINES) for idea in ideas)]
    return "\n\n".join(parts) + "\n"


def preamble(module):
    """What stands in front of the specs: imports and types, without what makes pages."""
    text = inspect.getsource(module)
    lines, kept = text.splitlines(), []
    for node in ast.parse(text).body[1:]:
        if isinstance(node, ast.FunctionDef):
            break
        if not (isinstance(node, ast.ImportFrom) and node.level):
            kept.append("\n".join(lines[node.lineno - 1:node.end_lineno]))
    return "\n".join(kept)


def section(idea, defines=False):
    title, said = idea.said
    parts = [f"## {title}\n\n{said}", _fenced("python", idea.code)]
    if idea.picture is not None:
        parts.append(_fenced("text", picture(idea)))
    text = idea.spec.text.strip()
    shown = _fenced("mlir", text)
    if len(text.splitlines()) > LONG:
        shown = f"<details><summary>attn, {len(text.splitlines())} lines</summary>\n\n{shown}\n\n</details>"
    parts.append(shown)
    if defines and (known := definition(re.search(r"normalize @(\w+)", text)[1])):
        parts += ["which the prelude defines as", _fenced("mlir", known)]
    return "\n\n".join(parts)


def definition(name):
    """The text of a normalizer of the prelude, None where it has none of this name."""
    found = re.search(rf"^attn\.normalizer @{name}\b.*?^}}", (repository() / PRELUDE).read_text(), re.M | re.S)
    return found and found[0]


def _fenced(language, text):
    return f"```{language}\n{text}\n```"


def picture(idea):
    """Which pairs have a weight, as the kernel has it: with rows and keys of 0 every visible key weighs the same, and values that are
    columns of the identity tell keys apart."""
    tokens = idea.tokens
    given = dict(zip(idea.spec.parameter_names, idea.draw()))
    given["q"], given["k"], given["v"] = (np.zeros_like(given["q"]) for _ in "qkv")
    given["v"][..., :tokens, :tokens] = np.eye(tokens)
    seen = idea.spec(*given.values())[0, 0, :, :tokens] > 0
    if not isinstance(idea.picture, Grid):
        return "\n".join(" ".join(".x"[key] for key in row.astype(int)) for row in seen)
    grids = []
    for row in idea.picture.rows:
        cells = np.where(seen[row], "x", ".")
        if not seen[row, row]:
            raise ValueError(f"expected a mask that lets row {row} see its own key, got {idea.name}")
        cells[row] = "o"
        grids.append([" ".join(line) for line in cells.reshape(idea.picture.shape)])
    return "\n".join("      ".join(line) for line in zip(*grids)) + "\n\no: a row, and its own key, which it sees; x: the other keys that it sees"
