"""`calibrate`: this checkout against itself, for the noise floor of this machine."""

import json
from datetime import UTC, datetime
from itertools import cycle
from math import ceil, log
from pathlib import Path
from typing import Any

from bench.core.cases import UNIT, Cell
from bench.core.config import Plugin
from bench.records import files
from bench.regression.revisions import Duel
from bench.regression.verdicts import MARGIN, Change
from bench.system.checkout import ROOT
from bench.system.clock import now

CELLS = (
    Cell(UNIT, 20, 32),
    Cell(UNIT, 5, 8),
    Cell(Plugin("egnn"), 20, 32),
    Cell(Plugin("egnn"), 5, 8),
)
ROUNDS = 30
FEWEST, MOST = 20, 60


def calibrate(root: Path, device: str, budget_s: float) -> dict[str, Any]:
    """Measures pairs of equal processes while there is time, each cell once at least; writes it.

    The floor is the largest change of identical code that its interval did not cover: where a
    process has its memory is the same in all of its samples. The rounds are as many as bring the
    typical interval down to the margin.
    """
    files.check_writable(root)
    duel, started, changes = Duel((ROOT, ROOT), device, 0.0, ROUNDS), now(), []
    for look, cell in enumerate(cycle(CELLS)):
        if look >= len(CELLS) and now() - started >= budget_s:
            break
        found, counted = duel.measure(cell, until=0.0)
        if not found:
            raise ValueError(f"{cell} cannot be timed here: {counted.why}")
        changes += found.values()
        print(f"{cell}: " + ", ".join(f"{kind} {c.ratio:.3f}" for kind, c in found.items()))
    noise = of_changes(changes) | {"date": datetime.now(UTC).isoformat(timespec="seconds")}
    files.write_whole(root / "noise.json", files.as_text(noise))
    return noise


def of_changes(changes: list[Change]) -> dict[str, Any]:
    """The noise floor that changes of identical code show, and the rounds that they call for."""
    widths = sorted(log(one.high / one.low) / 2 for one in changes)
    typical = widths[len(widths) // 2]
    wanted = ROUNDS * (typical / log(1 + MARGIN)) ** 2
    return {
        "floor": round(max(max(one.low, 1 / one.high, 1.0) - 1 for one in changes), 4),
        "rounds": min(MOST, max(FEWEST, ceil(wanted))),
        "half_width": round(typical, 4),
        "ratios": [round(one.ratio, 4) for one in changes],
    }


def noise_of(root: Path) -> tuple[dict[str, Any], list[str]]:
    """The noise floor of a machine, and a line that says where it is from."""
    try:
        noise = json.loads((root / "noise.json").read_text())
        line = f"noise floor {noise['floor']:.1%} of {root.name}, {noise['date']}"
        return {"rounds": ROUNDS} | noise, [line]
    except (KeyError, OSError, TypeError, ValueError):
        return {"floor": 0.0, "rounds": ROUNDS}, [
            "no noise floor of this machine; 'python -m bench calibrate' measures it"
        ]
