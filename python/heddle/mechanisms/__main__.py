"""python -m heddle.mechanisms [--json | --markdown | --page] [--results FOLDER]: one row for each published mechanism, and what of it
passed its tests in this build. Nothing is tested by this command: `make test` does (test/python/test_mechanisms.py), and on a
GPU test/gpu/mechanisms.py."""

import argparse

from . import _table


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m heddle.mechanisms", description=__doc__)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_const", dest="form", const=_table.as_json, help="a list of rows")
    form.add_argument("--markdown", action="store_const", dest="form", const=_table.as_markdown, help="the same as Markdown")
    form.add_argument("--page", action="store_true", help="what the rows say of themselves, without results: the README.md of their folder")
    parser.add_argument("--results", help="the folder of records (default: mechanisms in the nearest build folder)")
    given = parser.parse_args(arguments)
    if given.page:
        return print(_table.page())
    print((given.form or _table.as_text)(_table.rows(given.results)))


if __name__ == "__main__":
    main()
