"""The command line: `python -m bench COMMAND`."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from bench.commands import INTERRUPTED, OK, USAGE

COMMANDS = (
    "list", "run", "try", "table", "plot", "report", "speed", "check", "compare", "calibrate",
    "data",
)  # fmt: skip


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Raises what `main` prints."""
        raise ValueError(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code."""
    sys.stdout.reconfigure(line_buffering=True)
    try:
        options = parser().parse_args(arguments)
        return options.command(options)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("interrupted; what had finished is kept, the same command continues", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return OK
    except OSError as error:
        print(f"error: {error.filename or 'system'}: {error.strerror}", file=sys.stderr)
        return USAGE


def parser() -> Parser:
    """The parser of all commands."""
    top = Parser(
        prog="python -m bench",
        description="Accuracy, equivariance error and speed of 3-D networks, in one row.",
        epilog="example: python -m bench run quick",
    )
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = import_module(f"bench.commands.{name}")
        text, example = module.run.__doc__, f"example: python -m bench {module.EXAMPLE}"
        command = commands.add_parser(name, help=text, description=text, epilog=example)
        module.arguments(command)
        command.set_defaults(command=module.run)
    return top
