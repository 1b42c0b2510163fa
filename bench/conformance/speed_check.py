"""How fast a model is beside the default Transformer, and what a run will take."""

from collections.abc import Iterator

from bench.conformance.result import Finding
from bench.core.config import Plugin, Run
from bench.system.clock import clock_of
from bench.system.progress import duration
from bench.timing.closures import closures
from bench.timing.samples import measure

ROUNDS = 12
RIVAL = Plugin("transformer")
LENGTHS = (2_000, 50_000)


def examine_speed(run: Run, device: str) -> Iterator[Finding]:
    """A training step and inference beside the default Transformer's, and what a run will take."""
    functions = {}
    for plugin in {str(run.model): run.model, str(RIVAL): RIVAL}.values():
        step, inference, network = closures(Run(run.task, plugin, run.method), device)
        functions |= {(plugin.name, "step"): step, (plugin.name, "inference"): inference}
    weights = sum(weight.numel() for weight in network.parameters())  # of the last, the rival
    there = {key: function for key, function in functions.items() if function}
    timings = {key: t.median_ms for key, t in measure(there, ROUNDS, clock_of(device)).items()}
    for kind in ("step", "inference"):
        if (run.model.name, kind) in timings:
            own, rival = timings[run.model.name, kind], timings[RIVAL.name, kind]
            faster = f"{rival / own:.2g} times as fast as {RIVAL.name} ({weights:,} weights)"
            yield Finding(kind, f"{own:.3g} ms at batch {run.batch_size}, {faster}")
    if (run.model.name, "step") in timings:
        took = [duration(1e-3 * timings[run.model.name, "step"] * n) for n in LENGTHS]
        each = ", ".join(f"{n:,} steps {t}" for n, t in zip(LENGTHS, took, strict=True))
        yield Finding("a run", f"takes about: {each}")
