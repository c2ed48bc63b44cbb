"""Every row of heddle.mechanisms: its cases on a CPU against its reference, the kernels of its first case through ptxas. What passes is recorded
in build/mechanisms, where `python -m heddle.mechanisms` looks.

`pytest test_mechanisms.py -k sqa` runs one row."""
import ast
import json
import re
import subprocess
import sys

import pytest
from assembly import ROOT, tool

from heddle import mechanisms
from heddle.mechanisms import _cases, _checking, _long, _record, _table

RESULTS = ROOT / "build/mechanisms"
ROWS = {key: mechanisms.load(key) for key in mechanisms.KEYS if mechanisms.written(key)}
CASES = [pytest.param(key, case, id=f"{key}-{case.name}") for key, module in ROWS.items() for case in module.CASES]


@pytest.mark.parametrize("key, case", CASES)
def test_agrees_with_its_reference(key, case):
    name, errors = mechanisms.module_name(key), {case.name: None, **({f"{case.name} (decode)": None} if case.decode else {})}
    try:
        found = _checking.check(ROWS[key], case)
        plain, decoded = [one for one in found if one.what != "decoded"], [one for one in found if one.what == "decoded"]
        for what, group in zip(errors, (plain, decoded)):
            if all(one.passed for one in group):
                errors[what] = max(one.error for one in group)
    finally:
        for what, error in errors.items():
            _record.write(RESULTS, name, "cpu", what, error)
    assert all(one.passed for one in found), "\n".join(f"{one.what}: error {one.error:.3g} of {one.element}" for one in found)


@pytest.mark.parametrize("key", ROWS)
def test_assembles_for_a_gpu(key, monkeypatch):
    monkeypatch.setenv("PATH", tool("ptxas").removesuffix("/ptxas"), prepend=":")
    case = ROWS[key].CASES[0]
    assert len(_checking.assemble(ROWS[key], case)[1]) > 1000


@pytest.mark.parametrize("key", _long.TABLE)
def test_long_cases_are_compared_at_some_rows(key):
    """Small here: the spec takes them, and the reference at some rows has these rows of what it has at all. A device runs them."""
    case, module = _long.case(key, 301), ROWS[key]
    compiled, given = _checking.call(module, case)
    assert len(given) == len(compiled.program.parameters) + len(compiled.program.sources)
    rows = _cases.chosen(case.tokens)
    for whole, some in zip(_cases.expected(module, case), _cases.expected(module, case, rows=rows), strict=True):
        assert len(some) and _checking.difference(_cases.rows_of(whole, rows, some), some) < 1e-12


def test_rows_are_small_and_independent():
    """A file of at most 80 lines with documentation; a reference that reads nothing of Heddle but what is plain NumPy."""
    for key, module in ROWS.items():
        text = open(module.__file__).read()
        assert len(text.splitlines()) <= 80, f"{key}: expected at most 80 lines, got {len(text.splitlines())}"
        assert module.__doc__ and module.CASES and len({case.name for case in module.CASES}) == len(module.CASES), key
        tree = ast.parse(text)
        reference = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "reference")
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        seen, waiting = set(), [reference]
        while waiting:
            for node in ast.walk(waiting.pop()):
                if isinstance(node, ast.Name) and node.id not in seen:
                    seen.add(node.id)
                    waiting += [functions[node.id]] if node.id in functions else []
        assert not [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module], f"{key}: of another row"
        assert not seen & {"heddle", "masks", "positions", "normalizers", "feature_maps", "gates", "spec"}, f"{key}: {seen}"
    assert set(ROWS) - set(_long.TABLE) == {"oat-scanpath", "rf-attention", "icl-linreg"}  # which are short by their nature


def test_a_comparison_says_with_what_and_how_far_apart():
    for key, module in ROWS.items():
        lines = [line for line in module.__doc__.splitlines() if "Compared with" in line]
        for line in lines:
            assert re.fullmatch(r"Compared with [\w.-]+/[\w.-]+ @ \S.*: max error \de-\d+.*\(f32, .*\).*", line), f"{key}: {line}"
        assert bool(lines) == bool(_table.compared(module)), key


def test_the_table_has_every_key_in_order():
    done = subprocess.run([sys.executable, "-m", "heddle.mechanisms", "--json"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout)
    assert [row["key"] for row in table] == list(mechanisms.KEYS) and len(table) == 119
    for row in table:
        assert set(_table.COLUMNS) <= row.keys() and all(type(row[name]) is bool for name in ("forward_cpu", "forward_gpu", "decode", "backward"))
        assert row["key"] in ROWS or not row["forward_cpu"] and not row["forward_gpu"], row


def test_what_was_not_run_in_this_build_does_not_count(tmp_path, monkeypatch):
    key = next(iter(ROWS))
    name = mechanisms.module_name(key)
    assert not _table.row(key, tmp_path)["forward_cpu"] and "not passed in this build" in _table.row(key, tmp_path)["partial"]
    for case in ROWS[key].CASES:
        _record.write(tmp_path, name, "cpu", case.name, 1e-6)
    assert _table.row(key, tmp_path)["forward_cpu"]
    _record.write(tmp_path, name, "cpu", ROWS[key].CASES[-1].name, None)
    assert not _table.row(key, tmp_path)["forward_cpu"]
    _record.write(tmp_path, name, "cpu", ROWS[key].CASES[-1].name, 1e-6)
    monkeypatch.setattr(_record, "identity", lambda name: {"build": "another", "sources": ""})
    assert not _table.row(key, tmp_path)["forward_cpu"]


def test_the_page_is_what_the_rows_say():
    page = ROOT / "python/heddle/mechanisms/README.md"
    assert page.read_text() == _table.page() + "\n", f"python -m heddle.mechanisms --page > {page}"
