"""All C and C++ is as clang-format leaves it. Usage: format.py TREE [--fix]"""
import pathlib
import subprocess
import sys

from sources import sources

if __name__ == "__main__":
    tree = pathlib.Path(sys.argv[1])
    files = [str(path) for path in sources(tree, {".h", ".c", ".cpp"})]
    how = ["-i"] if "--fix" in sys.argv else ["--dry-run", "-Werror"]
    done = subprocess.run(["clang-format-22", *how, *files], cwd=tree, text=True, capture_output=True)
    print(done.stderr.strip() or f"{len(files)} files are formatted")
    sys.exit(done.returncode)
