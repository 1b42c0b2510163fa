"""`list`: what there is."""

from argparse import ArgumentParser, Namespace

from bench.commands import OK
from bench.core import plugins

EXAMPLE = "list models"


def arguments(command: ArgumentParser) -> None:
    """What the command line takes."""
    command.add_argument("kind", nargs="?", choices=[*plugins.FOLDERS], help="one kind only")


def run(options: Namespace) -> int:
    """what there is: tasks, models, methods and sweeps, one line each"""
    for kind in [options.kind] if options.kind else plugins.FOLDERS:
        print(kind)
        for name in plugins.names(kind):
            print(f"  {name:<16} {_line(kind, name)}")
    return OK


def _line(kind: str, name: str) -> str:
    try:
        return plugins.describe(kind, name)
    except ValueError as error:
        return f"cannot be read: {error}"
