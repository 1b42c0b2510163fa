"""`calibrate`: the noise floor of this machine."""

from argparse import ArgumentParser, Namespace

from bench.commands import OK, _options
from bench.system import machine

EXAMPLE = "calibrate --budget 5m"


def arguments(command: ArgumentParser) -> None:
    """Add what the command line takes."""
    command.add_argument("--device", default="cpu", metavar="D", help="cpu (default) or cuda")
    _options.budget_argument(command, 300.0, "how long, at least once for each cell (default 5m)")
    _options.results_argument(command)


def run(options: Namespace) -> int:
    """compare identical code with itself, for thresholds and sample counts of this machine"""
    from bench.regression.noise import calibrate
    from bench.system.progress import telling

    _options.check_temporary_folder()
    root = options.results / machine.folder(options.device)
    with telling() as tell:
        noise = calibrate(root, options.device, options.budget, tell)
    ratios = f"{min(noise['ratios']):.3f} to {max(noise['ratios']):.3f}"
    print(f"noise floor {noise['floor']:.1%}, {noise['rounds']} rounds: {root / 'noise.json'}")
    print(f"(of ratios from {ratios}, the most that the interval of one did not cover)")
    return OK
