"""`try`: a model or a task file from anywhere, looked at in under a minute."""

from argparse import ArgumentParser, Namespace

from bench.commands import FAILED, OK, _options
from bench.system import machine

EXAMPLE = "try my_model.py --task nbody_gravity"


def arguments(command: ArgumentParser) -> None:
    """What the command line takes."""
    command.add_argument(
        "model", nargs="?", default="transformer", metavar="FILE.py",
        help="a model's file or name, and options as in m.py:layers=2 (default: transformer)",
    )  # fmt: skip
    command.add_argument(
        "--task", default="nbody_gravity", metavar="T",
        help="a task's name or FILE.py, and options as in md17:val=500 (default: nbody_gravity)",
    )  # fmt: skip
    command.add_argument(
        "--symmetric", action="store_true",
        help="the task's targets turn with its inputs: a field that does not is a failure",
    )  # fmt: skip
    command.add_argument("--device", default="cpu", metavar="D", help="cpu (default) or cuda")
    _options.data_argument(command)


def run(options: Namespace) -> int:
    """check a model or task file: contract, types, symmetry as built, speed and an ETA"""
    from bench.conformance.check import check
    from bench.conformance.result import format_line, has_failed

    machine.folder(options.device)  # refuses what is no device here
    _options.choose_data(options)
    results = []
    for result in check(options.model, options.task, options.symmetric, options.device):
        print(format_line(result))
        results.append(result)
    return FAILED if has_failed(results) else OK
