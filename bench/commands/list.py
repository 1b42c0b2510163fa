"""`list`: what there is."""

from argparse import ArgumentParser, Namespace

from bench.commands import OK
from bench.core import plugins

EXAMPLE = "list models"
DISCOVERY = "discovery"  # the folder of models that learn which symmetry there is


def arguments(command: ArgumentParser) -> None:
    """What the command line takes."""
    command.add_argument("kind", nargs="?", choices=[*plugins.FOLDERS], help="one kind only")


def run(options: Namespace) -> int:
    """what there is: tasks, models, methods, sweeps and peers (other packages' networks)"""
    for kind in [options.kind] if options.kind else plugins.FOLDERS:
        print(kind)
        for name in [*plugins.names(kind), *plugins.names(kind, DISCOVERY)]:
            print(f"  {name:<24} {_line(kind, name)}")
    return OK


def _line(kind: str, name: str) -> str:
    try:
        return plugins.describe(kind, name)
    except ValueError as error:
        return f"cannot be read: {error}"
