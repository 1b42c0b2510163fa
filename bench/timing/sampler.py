"""A worker's side of timing: make closures ready, then sample them when asked."""

from collections.abc import Callable, Mapping

import torch

from bench.core.cases import TimingTarget
from bench.core.outcomes import outcome
from bench.system import environment, gpu, machine
from bench.system.clock import OffCpu, clock_of, now
from bench.system.protocol import Prepared, Sample
from bench.timing.closures import build_closure
from bench.timing.samples import LIMITS, warm_up
from bench.training.precision import check_precision, tf32

MEMORY = 0.7  # share of the free memory of the machine that one process may take
SHORTEST_S = 1e-2  # of a sample; what comes between two turns costs more than short ones save
WARM_CACHES_S = 3e-3  # of calls before a sample that is not long
LONG_S = 3e-2
TAKES = 3
SIDE = {"cpu": 1024, "cuda": 8192}  # of the matrices whose product shows what the machine can do
MEGABYTES = {"cpu": 64, "cuda": 1024}  # of the copy that does


class Sampler:
    """Closures by name, warm, and how many calls make a sample of each."""

    def __init__(self) -> None:
        self.device = "cpu"
        self.functions: dict[str, Callable] = {}
        self.calls: dict[str, int] = {}
        self.sample_s: dict[str, float] = {}

    def prepare(self, targets: Mapping[str, TimingTarget], device: str) -> Prepared:
        """Build and warm one closure for each name; what fails is a reason."""
        self.device, clock = device, clock_of(device)
        if device == "cpu":
            environment.pin()
            environment.spare_memory(MEMORY)
        prepared = Prepared("done", {}, self.sample_s, {}, {})
        for name, target in targets.items():
            try:
                function = build_closure(target, device)
                prepared.first_call_s[name] = clock(function, 1)
                self.calls[name] = warm_up(function, clock, SHORTEST_S)
                self.sample_s[name] = clock(function, self.calls[name]) * self.calls[name]
                self.functions[name] = function
            except Exception as error:
                failure = outcome(error)
                status = "refused" if isinstance(error, ValueError) else failure["status"]
                prepared.reasons[name] = failure["reason"]
                if status != "refused" or (prepared.status == "done" and not self.functions):
                    prepared.status = status
        prepared.machine = machine.facts(device)  # which a model may have changed when it was built
        return prepared

    def take_sample(self, name: str) -> Sample:
        """Return a sample in milliseconds.

        One during which others had the processor is taken again, a few times at most.
        """
        samples = []
        while len(samples) < TAKES and (not samples or samples[-1].lag > LIMITS["lag"][0]):
            samples.append(self._time(name))
        return min(samples, key=lambda sample: sample.lag)

    def _time(self, name: str) -> Sample:
        self._warm_caches(name)
        off_cpu = OffCpu()
        seconds = clock_of(self.device)(self.functions[name], self.calls[name])
        if self.device == "cpu":
            return Sample(1e3 * seconds, lag=off_cpu.share(), mhz=None, throttled="")
        return Sample(1e3 * seconds, lag=0.0, mhz=gpu.clock_mhz(), throttled=gpu.throttle_reasons())

    def _warm_caches(self, name: str) -> None:
        """Call untimed, since other processes have filled the caches; a GPU ends each call."""
        started, clock = now(), clock_of(self.device)
        while self.sample_s[name] < LONG_S and now() - started < WARM_CACHES_S:
            clock(self.functions[name], 1)

    def energy_mj(self, name: str) -> float | None:
        """Return the millijoules of a call on a GPU that counts them, over a second at least."""
        if self.device == "cpu":
            return None
        return gpu.energy_mj(self.functions[name])


def measure_ceilings(device: str, precision: str = "float32") -> dict[str, float]:
    """Return what the machine reaches: FLOP/s of a product in a precision, bytes/s of a copy."""
    clock, side = clock_of(device), SIDE[device]
    check_precision(precision, device)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.ones(side, side, device=device, dtype=dtype)
    source = torch.ones(MEGABYTES[device] * 2**18, device=device)
    target = torch.empty_like(source)
    with tf32(precision):
        product_s = min(clock(lambda: torch.mm(a, a), 2) for _ in range(5))
    copy_s = min(clock(lambda: target.copy_(source), 2) for _ in range(5))
    return {"flops_per_s": 2 * side**3 / product_s, "bytes_per_s": 2 * source.nbytes / copy_s}
