"""What is kept of a case of the speed grid."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from bench.core import cases, plugins
from bench.core.cases import SpeedCase
from bench.core.keys import case_key
from bench.records.files import convert
from bench.records.machine_facts import MachineFacts
from bench.records.run_record import Counters, Key
from bench.records.timings import Positive, Timing

SPEED_SCHEMA = 1
CaseKind = Literal["inference", "train_step", "augment_step", "remul_step"]
Scale = Annotated[str, Meta(pattern="^(default|paper|[1-9][0-9]*)$")]


class SpeedRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How timing a case ended, its timings by kind, and why kinds are missing.

    `scale` is what chose the model's size; `ceilings` are the rates of matrix products and of
    copies that the machine reached in the `session`.
    """

    schema: Literal[1]
    cell: SpeedCase
    scale: Scale
    key: Key
    status: Literal["done", "failed", "oom", "refused"]
    reasons: dict[str, str]
    equivariant: bool
    timings: dict[CaseKind, Timing]
    counters: Counters
    machine: MachineFacts
    session: str | None
    ceilings: dict[Literal["flops_per_s", "bytes_per_s"], Positive] = {}


def parse(plain: Any) -> SpeedRecord:  # noqa: ANN401 - any JSON
    """Return the record that JSON holds. Raises `ValueError`, naming the field, if it is none."""
    return convert(plain, SpeedRecord, cell=cases.case_from_plain)


def blank_record(case: SpeedCase) -> SpeedRecord:
    """Return the record of a case of which nothing is known yet."""
    return SpeedRecord(
        schema=SPEED_SCHEMA,
        cell=case,
        scale="default",
        key=case_key(case),
        status="failed",
        reasons={},
        equivariant=plugins.claims_equivariance(case.model.name, case.model.kwargs),
        timings={},
        counters={},
        machine=MachineFacts(),
        session=None,
    )
