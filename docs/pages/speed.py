"""The table of compiled steps in speed.md, from the records of the speed grid."""

from math import isinf

from bench.core.cases import UNIT
from bench.records.speed_store import SpeedStore
from bench.reporting.formats import ABSENT, Row, plain
from bench.reporting.speed_table import make_rows
from pages.published import MACHINE, fill_block

KINDS = {"inference": "inference", "train_step": "plain step", "remul_step": "REMUL step"}


def fill(page: str) -> str:
    """Return the page with the table that the records give."""
    return fill_block(page, "compiled", tabulate(make_rows(SpeedStore(MACHINE).load()[0])))


def tabulate(rows: list[Row]) -> list[str]:
    """Return how many times faster each network is compiled, and what that costs at first."""
    eager = {key(row): row for row in rows if row["mode"] == "eager"}
    compiled = [row for row in rows if row["mode"] == "compile" and key(row) in eager]
    compiled.sort(key=lambda row: -(gain(eager[key(row)], row, "train_step") or 0))
    heads = [*KINDS.values(), "seconds until the first plain step", "steps until it pays"]
    lines = [f"| network | {' | '.join(heads)} |", "| --- |" + " ---: |" * len(heads)]
    for row in compiled:
        gains = [say(gain(eager[key(row)], row, kind)) for kind in KINDS]
        first_s, steps = row["train_step_first_call_s"], row["train_step_break_even"]
        known = gain(eager[key(row)], row, "train_step") is not None
        pays = "never" if steps is not None and isinf(steps) else say(steps if known else None, 2)
        lines.append(f"| {row['model']} | {' | '.join([*gains, say(first_s, 2), pays])} |")
    sizes = ", ".join(sorted({row["size"] for row in compiled}))
    lines += ["", f"Times as fast as eager, objects x samples: {sizes}; default sizes."]
    return [*lines, narrowed(eager, compiled)]


def narrowed(eager: dict[tuple[str, str, str], Row], compiled: list[Row]) -> str:
    """Return what compilation leaves of the distance between exact networks and the unit."""
    gains = {row["model"]: gain(eager[key(row)], row, "inference") for row in compiled}
    known = [row for row in compiled if gains[row["model"]]]
    exact = [gains[row["model"]] for row in known if row["equivariant"]]
    free = [gains[row["model"]] for row in known if not row["equivariant"]]
    return (
        f"In inference exact networks gain {min(exact):.2g} to {max(exact):.2g} times, "
        f"`{UNIT.name}` {gains[UNIT.name]:.3g}, others that are not exact for all rotations up to "
        f"{max(free):.2g}: at this size eager ratios to it, as in every other table here, flatter "
        "it. Larger sizes were not compiled."
    )


def key(row: Row) -> tuple[str, str, str]:
    """Return what the modes of a case have in common."""
    return row["model"], row["size"], row["dtype"]


def gain(eager: Row, row: Row, kind: str) -> float | None:
    """Return how many times faster a mode is, by the ratios of both to the eager unit.

    Of disturbed times none is known.
    """
    if "C" in (eager[f"{kind}_quality"], row[f"{kind}_quality"]):
        return None
    ratios = eager[f"{kind}_x_unit"], row[f"{kind}_x_unit"]
    return ratios[0] / ratios[1] if all(ratios) else None


def say(value: float | None, digits: int = 3) -> str:
    """Return so many digits of a number, if there is one."""
    return ABSENT if value is None else plain(value, digits)
