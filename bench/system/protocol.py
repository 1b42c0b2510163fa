"""What a parent and its workers say to each other: one JSON object a line.

`compare --base` talks to the worker of another revision, so these messages are a contract between
revisions. Whoever changes one raises `PROTOCOL`, and tests/bench/system/conversation.jsonl; a new
field that may be left out changes none.
"""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bench.system.plain import as_builtin

PROTOCOL = 2
UNNUMBERED = 1  # that of the workers that know no number
Plain = dict[str, Any]  # a run, or a target to time, as `dataclasses.asdict` takes it apart


class ProtocolError(ValueError):
    """A worker speaks another protocol."""

    def __init__(self, number: int) -> None:
        super().__init__(
            f"speaks protocol {number}, this checkout {PROTOCOL}: no times can be compared"
        )


class Hello(Struct, frozen=True, tag_field="do", tag="hello"):
    """Asks for the worker's protocol; the first message to a worker of another revision."""


class Train(Struct, frozen=True, tag_field="do", tag="train"):
    """Train and score a run, and write its record under the root."""

    run: Plain
    root: str
    device: str


class TrainSeeds(Struct, frozen=True, tag_field="do", tag="train_seeds"):
    """The same for several seeds of one configuration at once, if that is faster."""

    runs: list[Plain]
    root: str
    device: str


class Estimate(Struct, frozen=True, tag_field="do", tag="estimate"):
    """Measure a few training steps of each run."""

    runs: list[Plain]
    device: str


class Prepare(Struct, frozen=True, tag_field="do", tag="prepare"):
    """Build and warm what is to be timed, by name. Answered by `Prepared`."""

    targets: dict[str, Plain]
    device: str


class TakeSample(Struct, frozen=True, tag_field="do", tag="take_sample"):
    """Time one of the targets. Answered by `Sample`."""

    name: str


class MeasureEnergy(Struct, frozen=True, tag_field="do", tag="measure_energy"):
    """Measure the millijoules of one of the targets."""

    name: str


class Count(Struct, frozen=True, tag_field="do", tag="count"):
    """Count the operations of a run, eager and in float32."""

    run: Plain
    device: str


class CountBreaks(Struct, frozen=True, tag_field="do", tag="count_breaks"):
    """Count the graph breaks of a run's inference."""

    run: Plain
    device: str


class MeasureCeilings(
    Struct, frozen=True, tag_field="do", tag="measure_ceilings", omit_defaults=True
):
    """Measure what the machine reaches in a matrix product and in a copy."""

    device: str
    dtype: str = "float32"


class MeasurePeer(Struct, frozen=True, tag_field="do", tag="measure_peer", omit_defaults=True):
    """Time another package's network beside ours and the unit on `batch` clouds of `n` objects."""

    peer: str
    device: str
    n: int = 5
    batch: int = 128


class Step(Struct, frozen=True, tag_field="says", tag="step", omit_defaults=True):
    """So many training steps are done; of each run its last loss, and its error in validation.

    None stands for a number that is not finite, or of a training that has ended.
    """

    step: int
    losses: list[float | None] = []
    errors: list[float | None] = []


class Line(Struct, frozen=True, tag_field="says", tag="line"):
    """Something to tell the user."""

    text: str


class Ended(Struct, frozen=True, tag_field="says", tag="ended"):
    """One of several runs has its record."""

    index: int


class Done(Struct, frozen=True, tag_field="says", tag="done"):
    """The request is answered."""

    result: Any = None


class Failed(Struct, frozen=True, tag_field="says", tag="failed"):
    """The request has no answer, and why."""

    status: str
    reason: str


class Died(Struct, frozen=True):
    """The worker is gone: what a parent says to itself."""

    reason: str
    status: str = "failed"


class Prepared(Struct):
    """Seconds of first calls and of samples by name, why others are missing, and the machine."""

    status: str
    first_call_s: dict[str, float]
    sample_s: dict[str, float]
    reasons: dict[str, str]
    machine: dict[str, Any]


class Sample(Struct, frozen=True):
    """Milliseconds, the share of them off the processor, a GPU's clock and why it is throttled."""

    ms: float
    lag: float
    mhz: int | None
    throttled: str


Request = (
    Hello
    | Train
    | TrainSeeds
    | Estimate
    | Prepare
    | TakeSample
    | MeasureEnergy
    | Count
    | CountBreaks
    | MeasureCeilings
    | MeasurePeer
)
Reply = Step | Line | Ended | Done | Failed


def encode(message: Request | Reply) -> bytes:
    """Return the line of a message."""
    return msgspec.json.encode(message, enc_hook=as_builtin) + b"\n"


def decode_request(line: bytes) -> Request:
    """Return the request of a line. Raises `ValueError` for another one."""
    return _decode(line, Request)


def decode_reply(line: bytes) -> Reply:
    """Return the reply of a line. Raises `ValueError` for another one."""
    return _decode(line, Reply)


def names_files(request: Request) -> bool:
    """Return whether a request has a plug-in run that is given by its path."""
    runs = [getattr(request, "run", {}), *getattr(request, "runs", [])]
    plugins = [part for run in runs for part in run.values() if isinstance(part, dict)]
    return any(str(plugin.get("name", "")).endswith(".py") for plugin in plugins)


def is_numbered(checkout: Path) -> bool:
    """Return whether the workers of a checkout know the number of their protocol."""
    return (checkout / "bench" / "system" / Path(__file__).name).is_file()


def _decode(line: bytes, kind: Any) -> Any:  # noqa: ANN401 - a union of messages
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.MsgspecError as error:
        raise ValueError(f"no message of protocol {PROTOCOL}: {error}") from None
