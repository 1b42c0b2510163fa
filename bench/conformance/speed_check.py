"""How fast a model is beside the default Transformer, and what a run will take."""

from collections.abc import Iterator

from bench.conformance.result import CheckResult
from bench.core.config import Plugin, Run
from bench.system.clock import clock_of
from bench.system.progress import duration
from bench.timing.closures import build_closures
from bench.timing.samples import measure_functions

CHECK_ROUNDS = 12
RIVAL = Plugin("transformer")
LENGTHS = (2_000, 50_000)


def measure_speed(run: Run, device: str) -> Iterator[CheckResult]:
    """Yield the times of a step and of inference beside the default Transformer's, and of a run."""
    functions, own = {}, str(run.model)
    for plugin in {str(run.model): run.model, str(RIVAL): RIVAL}.values():
        step, inference, network = build_closures(Run(run.task, plugin, run.method), device)
        functions |= {(str(plugin), "step"): step, (str(plugin), "inference"): inference}
    weights = sum(weight.numel() for weight in network.parameters())  # of the last, the rival
    there = {key: function for key, function in functions.items() if function}
    timings = measure_functions(there, CHECK_ROUNDS, clock_of(device))
    for kind in ("step", "inference"):
        if (own, kind) in timings:
            own_ms, rival_ms = (timings[name, kind].median_ms for name in (own, str(RIVAL)))
            faster = f"{rival_ms / own_ms:.2g} times as fast as {RIVAL.name} ({weights:,} weights)"
            yield CheckResult(kind, f"{own_ms:.3g} ms at batch {run.batch_size}, {faster}")
    if (own, "step") in timings:
        step_s = 1e-3 * timings[own, "step"].median_ms
        each = ", ".join(f"{steps:,} steps {duration(step_s * steps)}" for steps in LENGTHS)
        yield CheckResult("a run", f"takes about: {each}")
