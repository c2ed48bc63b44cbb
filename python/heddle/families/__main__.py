"""python -m heddle.families [--write]: the pages of all families, or what has changed in them; --write writes them beside their sources."""

import argparse
import sys

from . import _pages


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m heddle.families", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the pages that have changed")
    given = parser.parse_args(arguments)
    folder, changed = _pages.repository() / "python/heddle/families", 0
    for name, text in _pages.pages().items():
        page = folder / name
        if not page.exists() or page.read_text() != text:
            changed += 1
            print(f"{'wrote' if given.write else 'expected another text of'} {page}")
            if given.write:
                page.write_text(text)
    return 0 if given.write else int(changed > 0)


if __name__ == "__main__":
    sys.exit(main())
