"""What else brings symmetry to a plain network, or freedom to an exact one? Rivals of REMUL."""

from collections.abc import Iterator

from bench import Plugin, Run
from bench.sweeps._small import AUGMENT, EGNN, PLAIN, STEPS, TRANSFORMER, remul, seeded

SEEDS = 5
METHODS = (
    PLAIN,
    AUGMENT,
    remul(10.0),
    Plugin("lie_penalty", {"beta": 10.0}),
    Plugin("hinge", {"beta": 10.0}),
    Plugin("latent"),
    Plugin("frames"),
    Plugin("frames", {"kind": "canonical"}),
)
RELAXED_MLP = Plugin("emlp", {"channels": 176, "objects": 4, "free": True})
RELAXED = (
    (Plugin("discovery/relaxed_egnn"), Plugin("ace")),
    (RELAXED_MLP, Plugin("rpp")),
    (RELAXED_MLP, Plugin("per")),
)
LANGUAGE = (
    Plugin("equillm", {"channels": 72}),
    Plugin("equillm", {"channels": 72, "reads": "coordinates"}),
    Plugin("equillm", {"channels": 72, "reads": "nothing"}),
)


def runs() -> Iterator[Run]:
    """Transformer x {plain, augment, remul and rivals}; relaxed networks; equillm; egnn."""
    cells = [*((TRANSFORMER, method) for method in METHODS), *RELAXED]
    cells += [(model, PLAIN) for model in (*LANGUAGE, EGNN)]
    longer = (TRANSFORMER, AUGMENT, 2 * STEPS)  # the passes of REMUL
    return seeded(*[(*cell, STEPS) for cell in cells], longer, seeds=SEEDS)
