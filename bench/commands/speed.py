"""`speed`: timing cells over batch, nodes, mode and precision."""

from argparse import ArgumentParser, Namespace
from itertools import product
from math import inf
from pathlib import Path

from bench.commands import FAILED, OK, _options
from bench.core import notation, plugins
from bench.core.cases import GRAPHED, MODES
from bench.core.config import Plugin
from bench.system import machine

EXAMPLE = "speed --models transformer egnn --nodes 5 20 --batch 32"
DTYPES = ("float32", "tf32", "bf16")
ON_GPU = {*GRAPHED, "tf32"}


def arguments(command: ArgumentParser) -> None:
    """What the command line takes."""
    models_argument(command, "as in egnn or my_model.py:channels=64 (default: every network)")
    command.add_argument("--nodes", nargs="+", type=int, metavar="N", help="bodies per sample")
    command.add_argument("--batch", nargs="+", type=int, metavar="B", help="samples per call")
    command.add_argument(
        "--modes", nargs="+", choices=MODES, help="default: eager; on a GPU all of them"
    )
    command.add_argument("--dtypes", nargs="+", choices=DTYPES, default=["float32"])
    command.add_argument(
        "--size", default="default", metavar="SIZE",
        help="default, paper (published sizes) or a number of parameters that all are matched to",
    )  # fmt: skip
    command.add_argument("--device", default="cpu", metavar="D", help="cpu (default) or cuda")
    _options.budget_argument(command, inf, "start no session after this time")
    command.add_argument(
        "--peers", nargs="*", metavar="PEER",
        help="ours against other packages' networks: all that are installed, or these, by name or "
        "by the path of an adapter",
    )  # fmt: skip
    command.add_argument("--force", action="store_true", help="time finished cells again")
    _options.results_argument(command)


def models_argument(command: ArgumentParser, text: str = "default: every network") -> None:
    """`--models`."""
    command.add_argument("--models", nargs="+", metavar="MODEL", help=text)


def run(options: Namespace) -> int:
    """time inference and training steps over batch x nodes x mode x precision"""
    from bench.records.speed_store import SpeedStore
    from bench.reporting.figures.speed import draw_speed_figures
    from bench.reporting.speed_table import write_speed_table
    from bench.timing import grid

    root = options.results / machine.folder(options.device)
    _options.check_temporary_folder()
    if options.peers is not None:
        return _measure_peers(root, options)
    nodes, batch = (
        options.nodes or grid.GRID_NODES,
        options.batch or grid.GRID_BATCH[options.device],
    )
    if min(*nodes, *batch) < 1:
        raise ValueError("--nodes and --batch have to be at least 1")
    without = ON_GPU.intersection([*(options.modes or ()), *options.dtypes])
    if options.device == "cpu" and without:
        raise ValueError(f"{', '.join(sorted(without))} need a GPU: --device cuda")
    variants = product(options.modes or grid.GRID_MODES[options.device], options.dtypes)
    cases = grid.list_cases(models(options), list(product(nodes, batch)), list(variants))
    limits = (SpeedStore(root), options.device, options.budget, options.force, options.size)
    ran = grid.measure_grid(grid.GridOptions(cases, *limits))
    print(write_speed_table(root, "text").rstrip("\n"))
    for drawing in draw_speed_figures(root):
        print(drawing.file)
    return OK if ran else FAILED


def _measure_peers(root: Path, options: Namespace) -> int:
    from bench.records.peer_store import PeerStore
    from bench.reporting.peers_table import write_peers_table
    from bench.reporting.scaling_table import write_scaling_table
    from bench.timing.peers import BUDGET_S, PeerOptions, measure_peers

    own = (options.models, options.nodes, options.batch, options.modes)
    if any(own) or (options.size, options.dtypes) != ("default", ["float32"]):
        raise ValueError("--peers has models, sizes and modes of its own")
    for name in options.peers:
        plugins.find("peers", name)
    budget_s = BUDGET_S if options.budget == inf else options.budget
    store = PeerStore(root)
    complete = measure_peers(
        PeerOptions(store, options.device, options.peers, budget_s, options.force)
    )
    for write in (write_peers_table, write_scaling_table):
        print(write(root, "text").rstrip("\n"))
    return OK if complete else FAILED


def models(options: Namespace) -> list[Plugin]:
    """The models in the size that is asked for; those without that size are left out, by name."""
    asked = [notation.parse("models", text) for text in options.models or plugins.networks()]
    if options.size == "default":
        return asked
    from bench.core.sizes import check_size, options_for_size
    from bench.tasks.bodies import SIGNATURE

    check_size(options.size)
    sized = []
    for plugin in asked:
        try:
            own = options_for_size(plugin.name, options.size, SIGNATURE, **plugin.kwargs)
            sized.append(Plugin(plugin.name, own))
        except ValueError as error:
            print(f"left out: {error}")
    if not sized:
        raise ValueError(f"no model in the size {options.size}")
    return sized
