"""Dynamics with trained forces: does an energy stay, where forces are its gradient or are not?"""

from collections.abc import Iterator

from bench import Plugin, Run
from bench.sweeps import forces

TASK = Plugin(forces.TASK.name, forces.TASK.kwargs | {"dynamics_ps": 10.0})


def runs() -> Iterator[Run]:
    """The painn of `forces`, direct and conservative, for 10 ps at constant energy."""
    for run in forces.runs(TASK):
        if run.model.name == "painn":
            yield run
