"""README.md does what it says: its commands run, its programs run, and the output it shows is the output.

A block is run in the order of the page, all in one folder:
    sh       by bash; lines that start with `make` or `git clone` are what brought us here and are left out; a block marked
             `sh device` needs a GPU or an idle machine and is not run here
    python   by this Python
    c        is written to the file that its first line names, for the next sh block
    others   with `text` or `mlir` show lines of what the block before printed; `...` leaves out lines, or the end of one;
             the names of values and the depth of lines do not matter
"""
import os
import re
import subprocess
import sys

from assembly import ROOT

PAGE = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.M | re.S)
BLOCKS = [(match[1], match[2].strip(), match[3], PAGE[: match.start()].count("\n") + 2) for match in BLOCK.finditer(PAGE)]


def test_the_first_command_stands_on_the_first_screen():
    assert min(line for kind, _, _, line in BLOCKS if kind == "sh") < 20


def test_every_path_of_the_page_exists():
    paths = re.findall(r"\]\(([^)#:]+)\)|`((?:dialects|include|lib|tools|runtime|python|test)/[\w./-]*)`", PAGE)
    missing = [path for pair in paths for path in pair if path and not (ROOT / path).exists()]
    assert not missing


def shows(excerpt, output):
    """The first line of an excerpt that the output lacks after the lines before it, or None."""
    plain = lambda line: re.sub(r"%\w+([:#]\d+)?", "%", line.strip())
    rest = [plain(line) for line in output.splitlines()]
    for line in filter(lambda line: line.strip() not in ("", "..."), excerpt.splitlines()):
        wanted = plain(line).removesuffix("...").rstrip()
        same = str.startswith if wanted != plain(line) else str.__eq__
        while rest and not same(rest[0], wanted):
            rest.pop(0)
        if not rest:
            return line
    return None


def test_an_excerpt_that_is_not_output_is_found():
    assert shows("a\n...\n  c\n", "a\nb\n  c\n") is None
    assert shows("c\na\n", "a\nb\nc\n") == "a"
    assert shows("%x = f %y ...\n", "  %1:2 = f %2#0, %3\n") is None
    assert shows("%x = f %y\n", "%1 = f %2, %3\n") == "%x = f %y"


def test_the_page_runs(tmp_path):
    environment = dict(os.environ)
    environment["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), str(ROOT / "build/bin"), os.environ["PATH"]])
    environment["HEDDLE"] = str(ROOT)
    printed, ran = "", 0
    for kind, mark, text, line in BLOCKS:
        if kind in ("sh", "python") and "device" not in mark.split():
            text = re.sub(r"^(make|git clone)\b.*\n", "", text, flags=re.M)
            command = ["bash", "-euo", "pipefail", "-c", text] if kind == "sh" else [sys.executable, "-c", text]
            done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True)
            assert done.returncode == 0, f"README.md:{line}\n{text}\n{done.stdout}{done.stderr}"
            printed, ran = done.stdout, ran + 1
        elif kind == "c":
            (tmp_path / re.search(r"[\w-]+\.[ch]", text)[0]).write_text(text)
        elif kind in ("text", "mlir") and "device" not in mark.split():
            missing = shows(text, printed)
            assert missing is None, f"README.md:{line}: expected the output to show\n{missing}\ngot\n{printed}"
    assert ran >= 4
