"""Where does symmetry break? Error by angle and degree of plain, augment, remul and egnn."""

from collections.abc import Iterator

from bench import Run
from bench.sweeps._small import AUGMENT, EGNN, PLAIN, STEPS, TRANSFORMER, remul, seeded


def runs() -> Iterator[Run]:
    """Transformer x {plain, augment, remul} and egnn, as the figure `pose_shift` compares them."""
    cells = [(TRANSFORMER, method, STEPS) for method in (PLAIN, AUGMENT, remul(10.0))]
    return seeded(*cells, (EGNN, PLAIN, STEPS))
