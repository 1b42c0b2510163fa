"""The command line: `python -m bench COMMAND`."""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from bench.commands import INTERRUPTED, USAGE
from bench.system import signals

COMMANDS = (
    "list", "run", "try", "table", "plot", "report", "speed", "check", "compare", "calibrate",
    "data",
)  # fmt: skip


CODES = """exit codes: 0 done, 1 something regressed, 2 a mistake, or what cannot be written,
3 nothing to compare, 4 a run or a check failed, 129, 130, 143 interrupted"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Raises what `main` prints."""
        raise ValueError(f"{message} (see {self.prog} --help)")


def enter(arguments: Sequence[str]) -> int:
    """Run one command as a process of its own, whatever becomes of its streams and signals."""
    closed = _open_closed_streams()
    if closed:
        _say(f"error: {closed} is closed")
        return USAGE
    signals.clean_up_first()
    return _flush(main(arguments))


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    sys.stdout.reconfigure(line_buffering=True)
    try:
        options = parser().parse_args(arguments)
        return options.command(options)
    except ValueError as error:
        _say(f"error: {error}")
        return USAGE
    except KeyboardInterrupt as error:
        _say(signals.STOPPED)
        return getattr(error, "code", INTERRUPTED)
    except BrokenPipeError:
        return USAGE
    except OSError as error:
        _say(f"error: {error.filename or 'output'}: {error.strerror}")
        return USAGE


def _open_closed_streams() -> str:
    """Open what is closed of stdin, stdout, stderr, lest files take their places; name an output.

    A file of records that got the number of stdout would be printed into.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    closed = [name for name in ("stdout", "stderr") if getattr(sys, name) is None]
    for name in closed:
        setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - for as long as we live
    return " and ".join(closed)


def _say(line: str) -> None:
    """Print a line on stderr, where it can be printed."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def _flush(code: int) -> int:
    """Return the exit code, that of a mistake if what was printed has not arrived."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code if code > USAGE else USAGE
            with open(os.devnull, "wb") as nothing:  # which the interpreter may flush to
                os.dup2(nothing.fileno(), stream.fileno())
    return code


def parser() -> Parser:
    """The parser of all commands."""
    top = Parser(
        prog="python -m bench",
        description="Accuracy, equivariance error and speed of 3-D networks, in one row.",
        epilog=f"example: python -m bench run quick; {CODES}",
    )
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = import_module(f"bench.commands.{name}")
        text, example = module.run.__doc__, f"example: python -m bench {module.EXAMPLE}"
        command = commands.add_parser(name, help=text, description=text, epilog=example)
        module.arguments(command)
        command.set_defaults(command=module.run)
    return top
