"""A worker's side of timing: make closures ready, then sample them when asked."""

from collections.abc import Callable, Mapping

import torch

from bench.core.cases import TimingTarget
from bench.core.outcomes import outcome
from bench.system import environment, gpu, machine
from bench.system.clock import OffCpu, clock_of, now
from bench.system.protocol import Prepared, Sample
from bench.timing.closures import closure
from bench.timing.samples import LIMITS, warm_up

MEMORY = 0.7  # share of the free memory of the machine that one process may take
SHORTEST_S = 1e-2  # of a sample; what comes between two turns costs more than short ones save
FRESHEN_S = 3e-3  # of calls before a sample that is not long
LONG_S = 3e-2
TAKES = 3
SIDE = {"cpu": 1024, "cuda": 8192}  # of the matrices whose product shows what the machine can do
MEGABYTES = {"cpu": 64, "cuda": 1024}  # of the copy that does


class Stage:
    """Closures by name, warm, and how many calls make a sample of each."""

    def __init__(self) -> None:
        self.device = "cpu"
        self.functions: dict[str, Callable] = {}
        self.calls: dict[str, int] = {}
        self.sample_s: dict[str, float] = {}

    def prepare(self, timed: Mapping[str, TimingTarget], device: str) -> Prepared:
        """Builds and warms one closure for each name; what fails is a reason.

        Answers with first calls, seconds that a sample takes, counters and facts.
        """
        self.device, clock = device, clock_of(device)
        if device == "cpu":
            environment.pin()
            environment.spare_memory(MEMORY)
        made = Prepared("done", {}, self.sample_s, {}, machine.facts(device))
        for kind, one in timed.items():
            try:
                function = closure(one, device)
                made.first_call_s[kind] = clock(function, 1)
                self.calls[kind] = warm_up(function, clock, SHORTEST_S)
                self.sample_s[kind] = clock(function, self.calls[kind]) * self.calls[kind]
                self.functions[kind] = function
            except Exception as error:
                told = outcome(error)
                status = "refused" if isinstance(error, ValueError) else told["status"]
                made.reasons[kind] = told["reason"]
                if status != "refused" or (made.status == "done" and not self.functions):
                    made.status = status
        return made

    def sample(self, kind: str) -> Sample:
        """One sample in milliseconds, the share of its time without the processor, a GPU's clock
        and why it is throttled.

        A sample during which others had the processor is taken again, a few times at most.
        """
        takes = []
        while len(takes) < TAKES and (not takes or takes[-1].lag > LIMITS["lag"][0]):
            takes.append(self._take(kind))
        return min(takes, key=lambda take: take.lag)

    def _take(self, kind: str) -> Sample:
        self._freshen(kind)
        off_cpu = OffCpu()
        took = clock_of(self.device)(self.functions[kind], self.calls[kind])
        if self.device == "cpu":
            return Sample(1e3 * took, lag=off_cpu.share(), mhz=None, throttled="")
        return Sample(1e3 * took, lag=0.0, mhz=gpu.clock_mhz(), throttled=gpu.throttle_reasons())

    def _freshen(self, kind: str) -> None:
        """Calls that are not timed, for the caches that the other processes have filled."""
        started = now()
        while self.sample_s[kind] < LONG_S and now() - started < FRESHEN_S:
            self.functions[kind]()

    def energy_mj(self, kind: str) -> float | None:
        """Millijoules of one call on a GPU that counts them, over at least a second of calls."""
        if self.device == "cpu":
            return None
        return gpu.energy_mj(self.functions[kind])


def ceilings(device: str) -> dict[str, float]:
    """What the machine reaches in a matrix product, FLOP/s, and in a copy, bytes/s (float32)."""
    clock, side = clock_of(device), SIDE[device]
    a = torch.ones(side, side, device=device)
    source = torch.ones(MEGABYTES[device] * 2**18, device=device)
    target = torch.empty_like(source)
    product_s = min(clock(lambda: torch.mm(a, a), 2) for _ in range(5))
    copy_s = min(clock(lambda: target.copy_(source), 2) for _ in range(5))
    return {"flops_per_s": 2 * side**3 / product_s, "bytes_per_s": 2 * source.nbytes / copy_s}
