"""Errors a user can act on. Each class carries the exit code the command line returns for it.

A message is one sentence that names the file, row or key and says how to mend it.
"""

from __future__ import annotations

from collections.abc import Sequence

EXIT_DONE, EXIT_INPUT, EXIT_ENVIRONMENT, EXIT_GATE, EXIT_INTERRUPTED = 0, 1, 2, 3, 130


class PocketError(Exception):
    """Base of all errors shown to the user without a traceback."""

    exit_code = EXIT_INPUT


class InputError(PocketError):
    """The user's file, row, key or argument is wrong."""

    exit_code = EXIT_INPUT


class EnvironmentLacks(PocketError):
    """The machine lacks something: a package, disk space, a download. The message holds the line that mends it."""

    exit_code = EXIT_ENVIRONMENT


class GateFailed(PocketError):
    """A check of quality did not pass, for example an exported file that does not do the job.

    Attributes:
        checks: names of those that failed, where there are several.
    """

    exit_code = EXIT_GATE

    def __init__(self, message: str, checks: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.checks = tuple(checks)


class Problems(InputError):
    """Several faults of one file, told at once."""

    def __init__(self, where: str, problems: Sequence[str], shown: int = 10) -> None:
        self.problems = list(problems)
        head = self.problems[0] if len(self.problems) == 1 else f"{len(self.problems)} problems:"
        lines = [f"{where}: {head}"]
        if len(self.problems) > 1:
            lines += [f"  - {problem}" for problem in self.problems[:shown]]
            if len(self.problems) > shown:
                lines.append(f"  - and {len(self.problems) - shown} more")
        super().__init__("\n".join(lines))
