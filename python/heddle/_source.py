"""Where in the user's code an operation was written."""

import itertools
import os
import sys

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def _column(code, offset):
    """The 1-based column of the instruction at `offset`; 1 before Python 3.11, which does not keep columns."""
    positions = getattr(code, "co_positions", None)
    if positions is None:
        return 1
    position = next(itertools.islice(positions(), max(offset, 0) // 2, None), None)
    return 1 if position is None or position[2] is None else position[2] + 1


def here():
    """(file, line, column) of the innermost frame outside this package."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_PACKAGE):
            return code.co_filename, frame.f_lineno, _column(code, frame.f_lasti)
        frame = frame.f_back
    return None


def innermost_user_frame(error):
    """(file, line, column) of the last frame of an exception's traceback that is outside this package and outside
    installed packages: the line of the user's function that failed."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith(_PACKAGE) and "site-packages" not in name and "dist-packages" not in name:
            found = name, trace.tb_lineno, _column(trace.tb_frame.f_code, trace.tb_lasti)
        trace = trace.tb_next
    return found


def location_of(function):
    """(file, line, column) of a function's definition."""
    code = getattr(function, "__code__", None)
    return (code.co_filename, code.co_firstlineno, 1) if code is not None else None
