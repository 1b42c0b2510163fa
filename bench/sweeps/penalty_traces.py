"""What do the penalties do in training? Those that move, for the figure `penalty_traces`."""

from collections.abc import Iterator

from bench import Run
from bench.sweeps._small import MOVING, STEPS, TRANSFORMER, seeded


def runs() -> Iterator[Run]:
    """Transformer x {ramp, gradnorm, dual at three levels}, all of them cells of `beta`."""
    return seeded(*[(TRANSFORMER, method, STEPS) for method in MOVING])
