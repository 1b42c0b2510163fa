"""What differs between two sets of records besides the code, and how far their unit has moved."""

from collections.abc import Mapping
from statistics import median

from bench.core import cases
from bench.records.speed_record import SpeedRecord
from bench.records.timings import Timing

Records = Mapping[str, SpeedRecord]  # by case
FACTS = ("name", "processor", "gpu", "driver", "threads", "keeps_pages", "python", "torch",
         "e3nn", "e3nn_jit_mode", "tf32")  # fmt: skip
FEW = 3  # names that stand for many
NEAR = 0.1  # ceilings, or times of the unit, that are farther apart are worth a line


def list_differences(base: Records, new: Records) -> list[str]:
    """Return lines on what differs besides the code: machine, versions, clocks, configuration."""
    common = sorted(base.keys() & new.keys())
    return [
        *list_conditions(base, new, NEAR),
        *_list_unit_moves(base, new),
        *[
            f"only in {side}: {len(names)} of {total} cells ({', '.join(sorted(names)[:FEW])}"
            + (", ...)" if len(names) > FEW else ")")
            for side, names, total in (
                ("the base", base.keys() - new.keys(), len(base)),
                ("the new", new.keys() - base.keys(), len(new)),
            )
            if names
        ],
        *[f"VERSION of a plug-in: {name}" for name in common if base[name].key != new[name].key],
    ]


def list_conditions(base: Records, new: Records, near: float) -> list[str]:
    """Return lines on machines, versions and settings that differ, and on ceilings not so near."""
    lines = [
        f"{fact}: {', '.join(map(str, before))} / {', '.join(map(str, after))}"
        for fact in FACTS
        if (before := _collect(base, fact)) != (after := _collect(new, fact))
    ]
    for name in ("flops_per_s", "bytes_per_s"):
        before, after = (
            max((r.ceilings.get(name, 0) for r in records.values()), default=0)
            for records in (base, new)
        )
        if before and after and max(before / after, after / before) > 1 + near:
            lines.append(f"ceiling of {name}: {before:.3g} / {after:.3g}")
    return lines


def _collect(records: Records, fact: str) -> list[str]:
    return sorted({str(getattr(record.machine, fact)) for record in records.values()})


def _list_unit_moves(base: Records, new: Records) -> list[str]:
    """Return lines on the unit's own time on one machine, which ratios to it do not show."""
    by_session: dict[tuple[str, ...], list[float]] = {}
    for name in base.keys() & new.keys():
        before, after = base[name], new[name]
        for kind in before.timings.keys() & after.timings.keys():
            unit_ms = [_unit_ms(record.timings[kind]) for record in (before, after)]
            if all(unit_ms) and before.machine.name == after.machine.name:
                by_session.setdefault(session_of(name, kind), []).append(unit_ms[1] / unit_ms[0])
    factors = [median(session) for session in by_session.values()]
    sides = {
        "slower": [factor for factor in factors if factor > 1 + NEAR],
        "faster": [1 / factor for factor in factors if 1 / factor > 1 + NEAR],
    }
    return [
        f"the unit itself is {median(moved):.1f} times {side} ({cases.UNIT}, {len(moved)} of "
        f"{len(factors)} timings), which ratios to it do not show"
        for side, moved in sides.items()
        if moved
    ]


def _unit_ms(timing: Timing) -> float | None:
    return timing.median_ms / median(timing.ratios) if timing.ratios else None


def session_of(case: str, measure: str) -> tuple[str, ...]:
    """Return what timings have in common that were taken in turn: all but the network."""
    return *case.rsplit(", ", 3)[1:], measure
