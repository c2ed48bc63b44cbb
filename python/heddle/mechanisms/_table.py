"""The table of all mechanisms: what of each passed its tests in this build."""

import json
import re

from . import KEYS, KINDS, MISSING, _long, _record, load, module_name, written

COLUMNS = ("key", "kind", "forward_cpu", "forward_gpu", "decode", "backward", "speed", "partial")


def compared(module):
    """The public code that a row was compared with by hand, None: with none. Its docstring says where, and how far apart they were."""
    found = re.search(r"^Compared with (\S+ @ (?:[a-z]+ )?[\w.]+\w)", module.__doc__, re.M)
    return found and found[1]


def row(key, where):
    """A row, with what was recorded in the folder `where`."""
    made = dict.fromkeys(COLUMNS, False) | {"key": key, "kind": KINDS[key], "speed": "not measured", "partial": MISSING.get(key), "compared": None}
    if not written(key):
        made["partial"] = made["partial"] or "not written yet"
        return made
    name, module = module_name(key), load(key)
    cpu, cuda = (_record.read(where, name, device) for device in ("cpu", "cuda"))
    made["compared"] = compared(module)
    cases = {case.name for case in module.CASES}
    decoding = {f"{case.name} (decode)" for case in module.CASES if case.decode}
    long = {"long"} if key in _long.TABLE else set()
    made["forward_cpu"], made["forward_gpu"] = cases <= cpu.keys(), cases | long <= cuda.keys()
    made["decode"] = bool(decoding) and decoding <= cpu.keys()
    left = sorted((cases | decoding) - cpu.keys())
    said = [getattr(module, "PARTIAL", None), f"not passed in this build: {', '.join(left[:3])}{', ..' * (len(left) > 3)}" if left else None]
    made["partial"] = "; ".join(filter(None, said)) or None
    return made


def rows(where=None):
    where = _record.folder() if where is None else where
    return [row(key, where) for key in KEYS]


def counts(table):
    complete = [one for one in table if one["forward_cpu"] and one["partial"] is None]
    return (f"{len(complete)} of {len(table)} complete forward on the CPU, {sum(one['forward_gpu'] for one in complete)} of these on a GPU; "
            f"{sum(one['forward_cpu'] and one['partial'] is not None for one in table)} in part")


def as_json(table):
    return json.dumps(table, indent=1)


def _shown(one):
    return [{True: "yes", False: "-", None: ""}.get(one[column], one[column]) for column in COLUMNS]


def as_text(table):
    lines = [list(COLUMNS), *map(_shown, table)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(COLUMNS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines) + f"\n{counts(table)}"


def as_markdown(table):
    def line(cells):
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    head = [line(COLUMNS), line(["---"] * len(COLUMNS))]
    return "\n".join([*head, *(line(_shown(one)) for one in table), "", counts(table)])


PAGE = """# Published ways to mix tokens

A row is a file of this folder: what the mechanism is, its equation, a `spec`, and a reference in float64 NumPy that the tests compare
with. Where the table names public code, the row was compared with that by hand, too, and its file says how far apart they were. Rows
without a file say what they wait for. What passed its tests in your build: `python -m heddle.mechanisms` (`--json`,
`--markdown`), after `make test` and, on a GPU, test/gpu/mechanisms.py, which also runs each row over a long sequence ([_long.py](_long.py)). There
is no backward of any row yet. This page is what `python -m heddle.mechanisms --page` prints.

A row is what its source computes in forward direction, and token by token where it generates, with all options that the source has; learned
projections stay outside. Of a benchmark it is the patterns that it names, not every operator that it compares: its file says what is not
in the row. What a row should have and has not is in the last column, and such a row does not count as complete.

"""


def page():
    """What the rows' files say of themselves, without any result, as the page of this folder."""
    lines = ["| key | kind | what it is | compared with | what is missing |", "|---|---|---|---|---|"]
    for key in KEYS:
        about, public, missing = "", "", MISSING.get(key, "")
        if written(key):
            module = load(key)
            first = module.__doc__.strip().splitlines()[0].rstrip(".")
            about, public, missing = f"[{first}]({module_name(key)}.py)", compared(module) or "", getattr(module, "PARTIAL", "")
        lines.append(f"| {key} | {KINDS[key]} | {about} | {public} | {missing} |")
    return PAGE + "\n".join(lines)
