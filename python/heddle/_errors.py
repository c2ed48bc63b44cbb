"""The exceptions of the package. Messages read `expected <what>, got <value>`; diagnostics are data, not only text."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Diagnostic:
    """One message of the compiler.

    severity is "error", "warning", "remark" or "note"; line and column are 1-based, 0 when unknown; notes are the
    diagnostics of severity "note" that belong to this one.
    """

    severity: str
    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    notes: tuple = field(default=())

    def __str__(self):
        place = f"{self.file}:{self.line}:{self.column}: " if self.line else ""
        return "\n".join([f"{place}{self.severity}: {self.message}", *map(str, self.notes)])


class CompileError(Exception):
    """The compiler refused a specification. `diagnostics` is a tuple of `Diagnostic`."""

    def __init__(self, diagnostics):
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(map(str, self.diagnostics)) or "the compiler failed without a diagnostic")


class TraceError(TypeError):
    """A user's function cannot be traced. `file`, `line` and `column` are where it happened."""

    def __init__(self, message, where=None):
        self.file, self.line, self.column = where or ("", 0, 0)
        super().__init__(f"{self.file}:{self.line}: {message}" if where else message)


class RunError(RuntimeError):
    """The runtime refused to load or run a pack. `status` is the name of its status, for example "UNSUPPORTED"."""

    def __init__(self, status, message):
        self.status = status
        super().__init__(message)
