"""`report`: one page of everything that the records say."""

from argparse import ArgumentParser, Namespace

from bench.commands import OK, _options

EXAMPLE = "report"


def arguments(command: ArgumentParser) -> None:
    """What the command line takes."""
    _options.results_argument(command)


def run(options: Namespace) -> int:
    """rebuild one HTML page per machine, tables and figures, from the records"""
    from bench.reporting import page

    found = _options.stored(options)
    for root in sorted({*found, *_options.timed(options)}):
        print(page.write(root, found.get(root, [])))
    return OK
