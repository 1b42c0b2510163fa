"""`report`: one page of everything that the records say."""

from argparse import ArgumentParser, Namespace

from bench.commands import OK, _options

EXAMPLE = "report"


def arguments(command: ArgumentParser) -> None:
    """What the command line takes."""
    _options.results_argument(command)


def run(options: Namespace) -> int:
    """say what the records answer, and rebuild one HTML page per machine, tables and figures"""
    from bench.reporting.findings import collect_evidence, find, format_findings
    from bench.reporting.page import write_page

    records = _options.read_machines(options)
    for root in sorted({*records, *_options.list_timed_machines(options)}):
        own = records.get(root, [])
        evidences = list(collect_evidence(own))
        told, page = format_findings(find(evidences)), write_page(root, own, evidences)
        print(*filter(None, [told, page]), sep="\n\n")
    return OK
