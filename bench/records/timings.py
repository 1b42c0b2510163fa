"""Times as every record keeps them: samples of one function, and what they come to."""

from math import isclose
from statistics import median
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

DISTURBED_SPREAD = 0.2  # of samples, interquartile range over median: of quality C from there
Positive = Annotated[float, Meta(gt=0)]
Several = Annotated[list[Positive], Meta(min_length=1)]
Quality = Literal["A", "B", "C"]
NEAR, NEAR_MS = 1e-4, 1e-5  # samples are kept with six decimals


class Timing(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Samples in milliseconds with their median, its interval, the best, the spread and a quality.

    `session` is when a run was timed beside the others of its task, `commit` the code that was, of
    which its record may know only what trained it. A case of the speed grid has
    the `ratios` of its samples to those of the unit, their median `x_unit`, and the energy of a
    call, None where nothing counts it. A run's `ratios` are to the row whose key is `beside`, which
    was timed in the same session and relates it to others. A reference leaves the samples out.
    """

    first_call_s: Positive | None = None
    median_ms: Positive
    interval_ms: Annotated[list[Positive], Meta(min_length=2, max_length=2)] | None = None
    best_ms: Positive | None = None
    iqr_ms: Annotated[float, Meta(ge=0)] | None = None
    rounds: Annotated[int, Meta(ge=1, lt=2**31)] | None = None
    samples_ms: Several = []
    quality: Quality
    reason: str | None = None
    session: str | None = None
    commit: str | None = None
    ratios: Several = []
    x_unit: Positive | None = None
    beside: str | None = None
    energy_mj: Positive | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        if self.samples_ms:
            self._check("median_ms", self.median_ms, median(self.samples_ms))
            self._check("best_ms", self.best_ms, min(self.samples_ms))
            self._check("rounds", self.rounds, len(self.samples_ms))
        if self.ratios:
            self._check("x_unit", self.x_unit, median(self.ratios))
        if self.interval_ms and not self.interval_ms[0] <= self.interval_ms[1]:
            raise ValueError("interval_ms ends before it begins")

    def _check(self, name: str, kept: float | None, right: float) -> None:
        """Raise `ValueError` for a number that does not follow from the samples beside it."""
        if kept is not None and not isclose(kept, right, rel_tol=NEAR, abs_tol=NEAR_MS):
            raise ValueError(f"{name} is {kept:g}, its samples say {right:g}")
