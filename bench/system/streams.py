"""The standard streams: fit for any text, open in any case, and given up where they break."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from traceback import format_exception
from typing import Any, TextIO

from bench.system.plain import CONTROLS, OBEYED


class Plain:
    """A stream of text that obeys no more than new lines and tabs; what was written is `raw`."""

    def __init__(self, raw: TextIO) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        """Write the text, with the codes of what a terminal would obey."""
        return self.raw.write(text.translate(OBEYED))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a stream has
        return getattr(self.raw, name)


@contextmanager
def plain_streams() -> Iterator[None]:
    """Have stdout and stderr take any text in any encoding and obey none of it.

    What was closed from the start takes, and gives, nothing.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    before = sys.stdout, sys.stderr
    for stream in before:
        stream.reconfigure(line_buffering=True, errors="replace")
    sys.stdout, sys.stderr = Plain(sys.stdout), Plain(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def complain(line: str) -> None:
    """Print a line on stderr, if anybody listens."""
    with suppress(OSError, ValueError):
        print(line.translate(CONTROLS), file=sys.stderr)


def complain_at_length(error: Exception) -> None:
    """Print where an error of ours came from, and a last line that says whose it is."""
    for line in format_exception(error):
        for part in line.splitlines():
            complain(part)
    complain(f"internal error: {type(error).__name__}; please report it with the lines above")


def give_up() -> None:
    """Send what stdout and stderr still hold nowhere, where it cannot be written."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def terminal() -> TextIO:
    """Return stderr as a progress bar needs it, which moves the cursor."""
    return getattr(sys.stderr, "raw", sys.stderr)
