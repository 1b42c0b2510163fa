"""Every network at much the same size: what is the fastest, what is the most accurate?"""

from collections.abc import Iterator

from bench import Plugin, Run
from bench.sweeps._small import AUGMENT, EGNN, PLAIN, STEPS, TRANSFORMER, remul, seeded

SEEDS = 5
EQUIVARIANT = (
    EGNN,
    Plugin("egno", {"channels": 55}),
    Plugin("emlp", {"channels": 256, "objects": 4}),
    Plugin("equillm", {"channels": 72}),
    Plugin("evfn", {"channels": 56}),
    Plugin("framed", {"channels": 64}),
    Plugin("gatr", {"channels": 48, "layers": 3}),
    Plugin("gatr_slim", {"channels": 72, "layers": 3}),
    Plugin("hegnn", {"channels": 58}),
    Plugin("nequip", {"channels": 40, "layers": 3, "degree": 1}),
    Plugin("painn"),
    Plugin("radial_field", {"channels": 90}),
    Plugin("se3_transformer", {"channels": 40, "layers": 3}),
    Plugin("segnn", {"channels": 32, "layers": 4}),
    Plugin("tfn", {"channels": 64, "layers": 2}),
)
NEARLY = (Plugin("platonic"), Plugin("rapidash"))
UNCONSTRAINED = (
    TRANSFORMER,
    Plugin("gnn", {"channels": 72}),
    Plugin("mlp", {"objects": 4}),
    Plugin("mpnn", {"channels": 76}),
)


def runs() -> Iterator[Run]:
    """Those with symmetry built in plain; the others plain, augmented and with REMUL."""
    methods = (PLAIN, AUGMENT, remul(10.0))
    return seeded(
        *[(model, PLAIN, STEPS) for model in (*EQUIVARIANT, *NEARLY)],
        *[(model, method, STEPS) for model in UNCONSTRAINED for method in methods],
        (Plugin("drift"), PLAIN, STEPS),
        seeds=SEEDS,
    )
