"""What a run leaves: its record, and the loss surface that some runs ask for."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from bench.core import config, plugins
from bench.core.config import Run
from bench.core.contracts import STANDARD
from bench.core.keys import run_key
from bench.records.files import convert
from bench.records.machine_facts import MachineFacts
from bench.records.timings import Timing

RUN_SCHEMA = 1
LARGEST = 1e100  # of a score: what is beyond has no mean
Count = Annotated[int, Meta(ge=0, lt=2**62)]
Counter = Literal[
    "parameters", "flops", "dispatched_ops", "moved_bytes", "peak_bytes", "graph_breaks",
    "step_flops", "step_dispatched_ops", "step_moved_bytes", "step_peak_bytes",
]  # fmt: skip
Counters = dict[Counter, Count | None]
Key = Annotated[str, Meta(pattern="^[0-9a-f]{8}$")]


class Penalty(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The weights that a penalty has come to, where it tells them, and its state."""

    alpha: float | None = None
    beta: float | None = None
    state: dict[str, Any] | None = None


class Profiles(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where a network errs: E' by angle and by axis, energy by degree; empty if it was wrapped.

    `energy_by_layer` is that of hidden features; `pose_deg` and `error_by_pose` are the error on
    training samples against the angle to the nearest pose that they were trained in. The task's
    `own` are curves of any kind.
    """

    angles_deg: list[float] = []
    expected_error_by_angle: list[float] = []
    expected_error_by_axis: dict[str, float] = {}
    energy_by_degree: list[float] = []
    energy_by_layer: dict[str, list[float]] = {}
    pose_deg: list[float] = []
    error_by_pose: list[float] = []
    own: dict[str, list[float]] = {}

    def __post_init__(self) -> None:
        if len(self.angles_deg) != len(self.expected_error_by_angle):
            raise ValueError("angles_deg and expected_error_by_angle differ in length")


class RunRecord(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a run ended, its scores, penalty, timings and counters, and the machine it ran on.

    The `reason` is why it failed, or what was left out of the scores of one that is done.
    `seconds` are those of training and scoring, `scoring_seconds` of scoring alone; `untimed` is
    the session in which it could not be timed.
    """

    schema: Literal[1]
    run: Run
    key: Key
    status: Literal["done", "failed", "diverged", "oom", "timeout"]
    reason: str | None
    equivariant: bool
    trivial: bool
    scores: dict[str, int | float]
    penalty: Penalty | None = None
    timings: dict[Literal["inference", "train_step"], Timing]
    counters: Counters
    machine: MachineFacts
    traceback: list[str] | None = None
    profiles: Profiles | None = None
    seconds: Annotated[float, Meta(ge=0)] | None = None
    scoring_seconds: Annotated[float, Meta(ge=0)] | None = None
    untimed: str | None = None

    def __post_init__(self) -> None:
        for name, score in self.scores.items():
            smallest = 0 if STANDARD.fullmatch(name) else -LARGEST  # a task may score otherwise
            if not (name.isidentifier() and smallest <= score <= LARGEST):
                raise ValueError(f"scores: {name!r} is none, or cannot be {score!r:.40}")
        for kind, timing in self.timings.items():
            if not (timing.samples_ms and timing.session):
                raise ValueError(f"timings: that of {kind!r} lacks samples_ms or session")


class Surface(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The loss around a trained model at the places `at`, along a line and in a plane.

    With the largest eigenvalue and the trace of its Hessian, where there are second derivatives.
    """

    at: Annotated[list[float], Meta(min_length=1)]
    line: list[float]
    plane: list[list[float]]
    hessian_largest: float | None = None
    hessian_trace: float | None = None

    def __post_init__(self) -> None:
        if {len(self.at)} != {len(self.line), len(self.plane), *map(len, self.plane)}:
            raise ValueError("line or plane has another length than at")


def parse(plain: Any) -> RunRecord:  # noqa: ANN401 - any JSON
    """Return the record that JSON holds. Raises `ValueError`, naming the field, if it is none."""
    return convert(plain, RunRecord, run=config.run_from_plain)


def parse_surface(plain: Any) -> Surface:  # noqa: ANN401 - any JSON
    """Return the surface that JSON holds. Raises `ValueError`, naming the field, if it is none."""
    return convert(plain, Surface)


def blank_record(run: Run) -> RunRecord:
    """Return the record of a run of which nothing is known yet but that it went well."""
    return RunRecord(
        schema=RUN_SCHEMA,
        run=run,
        key=run_key(run),
        status="done",
        reason=None,
        equivariant=plugins.claims_equivariance(run.model.name, run.model.kwargs),
        trivial=plugins.is_trivial(run.model.name),
        scores={},
        penalty=Penalty(),
        timings={},
        counters={},
        machine=MachineFacts(),
    )
