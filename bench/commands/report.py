"""`report`: one page of everything that the records say."""

from argparse import ArgumentParser, Namespace

from bench.commands import OK, _options

EXAMPLE = "report"


def arguments(command: ArgumentParser) -> None:
    """What the command line takes."""
    _options.results_argument(command)


def run(options: Namespace) -> int:
    """rebuild one HTML page per machine, tables and figures, from the records"""
    from bench.reporting.page import write_page

    records = _options.read_machines(options)
    for root in sorted({*records, *_options.list_timed_machines(options)}):
        print(write_page(root, records.get(root, [])))
    return OK
