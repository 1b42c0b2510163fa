"""The command line: `python -m bench COMMAND`."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from bench.commands import INTERNAL, INTERRUPTED, USAGE
from bench.core.outcomes import is_meant
from bench.system import signals
from bench.system.streams import complain, complain_at_length, give_up, plain_streams

COMMANDS = (
    "list", "run", "try", "table", "plot", "report", "recommend", "explain", "verify", "merge",
    "publish", "speed", "check", "compare", "calibrate", "data",
)  # fmt: skip


CODES = """exit codes: 0 done, 1 something regressed, 2 a mistake, or what cannot be read or
written, 3 nothing to compare, or most of it missing, 4 a run or a check failed, 70 an error of
ours, 129, 130, 143 interrupted"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Raises what `main` prints."""
        raise ValueError(f"{message} (see {self.prog} --help)")


def enter(arguments: Sequence[str]) -> int:
    """Run one command as a process of its own, whatever becomes of its streams and signals."""
    closed = _open_closed_streams()
    if closed:
        with plain_streams():
            complain(f"error: {closed} is closed")
        return USAGE
    signals.clean_up_first()
    return main(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code, whatever becomes of it."""
    with plain_streams():
        try:
            return _run(arguments)
        except ValueError as error:
            if not is_meant(error):
                complain_at_length(error)
                return INTERNAL
            complain(f"error: {error}")
            return USAGE
        except signals.Interrupted as error:
            signals.ignore()
            complain(signals.STOPPED)
            return error.code
        except KeyboardInterrupt:
            complain(signals.STOPPED)
            return INTERRUPTED
        except BrokenPipeError:
            return USAGE
        except OSError as error:
            complain(f"error: {error.filename or 'output'}: {error.strerror or error}")
            return USAGE
        except Exception as error:
            complain_at_length(error)
            return INTERNAL
        finally:
            give_up()


def _run(arguments: Sequence[str]) -> int:
    try:
        options = parser().parse_args(arguments)
        return options.command(options)
    finally:
        sys.stdout.flush()  # a verdict that nobody can read is none


def _open_closed_streams() -> str:
    """Open what is closed of stdin, stdout, stderr, lest files take their places; name an output.

    A file of records that got the number of stdout would be printed into.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    return " and ".join(name for name in ("stdout", "stderr") if getattr(sys, name) is None)


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
