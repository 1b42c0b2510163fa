"""Which weights move together? A symmetry matrix that is learned over many small problems."""

from collections.abc import Iterator

from bench import Plugin, Run

SEEDS = 5
SIZE = {"batch_size": 16, "validations": 4, "decay": "cosine"}
SHIFTS = {  # by rank, form and size of what adapts, with the inner rate that it can bear
    1: {"dense": (3, 2.0), "convolution": (3, 0.5), "full": (3, 0.1)},
    2: {"convolution": (3, 0.5), "full": (6, 0.1)},
    5: {"full": (15, 0.1)},
}
TURNS = {"kronecker": (27, 4.0), "full": (27, 0.1)}


def runs() -> Iterator[Run]:
    """Filters of rank 1, 2 and 5, and in four orientations, by every form of the weights."""
    tasks = [(Plugin("filters", {"rank": rank}), forms) for rank, forms in SHIFTS.items()]
    tasks.append((Plugin("filters", {"kind": "quarter_turns"}), TURNS))
    for seed in range(SEEDS):
        for task, forms in tasks:
            for form, (filters, rate) in forms.items():
                options = {"form": form, "filters": filters, "rate": rate}
                model, lr = Plugin("discovery/msr", options), 3e-2 if form == "full" else 1e-3
                yield Run(task, model, Plugin("plain"), 900, lr=lr, seed=seed, **SIZE)
