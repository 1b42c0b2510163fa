"""Does REMUL's loss run on a grid? Images under quarter turns, sequences under shifts."""

from collections.abc import Iterator

from bench import Plugin, Run

SEEDS = 5
SIZE = {"validations": 5, "batch_size": 60, "elements": 4, "samples": 200}
KINDS = {"quarter_turns": 2, "shifts": 1}  # and how many dimensions the grid has
METHODS = (
    Plugin("plain"),
    Plugin("augment"),
    Plugin("remul", {"beta": 0.1}),
    Plugin("remul", {"beta": 1.0}),
    Plugin("remul", {"beta": 10.0}),
)


def runs() -> Iterator[Run]:
    """Shapes in one pose x {plain, augmentation, REMUL of three weights}, a small CNN."""
    for seed in range(SEEDS):
        for kind, dimensions in KINDS.items():
            task = Plugin("shapes", {"kind": kind})
            model = Plugin("discovery/grid_net", {"dimensions": dimensions})
            for method in METHODS:
                yield Run(task, model, method, 600, lr=3e-3, seed=seed, **SIZE)
