"""Walking at the paper's 2,000 epochs, small networks: what do the rows of `mocap` come to?"""

from collections.abc import Iterator

from bench import Run
from bench.sweeps.mocap import train
from bench.sweeps.paper_mocap import STEPS

SEEDS = 5


def runs() -> Iterator[Run]:
    """Every network of `mocap`, as long as the paper trains."""
    yield from train(STEPS, SEEDS)
