"""Times as every record keeps them: samples of one function, and what they come to."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Positive = Annotated[float, Meta(gt=0)]
Several = Annotated[list[Positive], Meta(min_length=1)]
Quality = Literal["A", "B", "C"]


class Timing(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Samples in milliseconds with their median, its interval, the best, the spread and a quality.

    `session` is when a run was timed beside the others of its task. A case of the speed grid has
    the `ratios` of its samples to those of the unit, their median `x_unit`, and the energy of a
    call, None where nothing counts it. A run's `ratios` are to the row whose key is `beside`, which
    was timed in the same session and relates it to others. A reference leaves the samples out.
    """

    first_call_s: Positive | None = None
    median_ms: Positive
    interval_ms: Annotated[list[Positive], Meta(min_length=2, max_length=2)] | None = None
    best_ms: Positive | None = None
    iqr_ms: Annotated[float, Meta(ge=0)] | None = None
    rounds: Annotated[int, Meta(ge=1)] | None = None
    samples_ms: Several = []
    quality: Quality
    reason: str | None = None
    session: str | None = None
    ratios: Several = []
    x_unit: Positive | None = None
    beside: str | None = None
    energy_mj: Positive | UnsetType | None = UNSET
