"""`report`: one page of everything that the records say."""

from argparse import ArgumentParser, Namespace

from bench.commands import OK, _store

EXAMPLE = "report"


def arguments(command: ArgumentParser) -> None:
    """What the command line takes."""
    _store.results_argument(command)


def run(options: Namespace) -> int:
    """rebuild one HTML page per machine, tables and figures, from the records"""
    from bench import report

    found = _store.stored(options)
    for root in sorted({*found, *_store.timed(options)}):
        print(report.write(root, found.get(root, [])))
    return OK
