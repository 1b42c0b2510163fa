"""`calibrate`: this checkout against itself, for the noise floor of this machine."""

import json
from datetime import UTC, datetime
from itertools import cycle
from math import ceil, log
from pathlib import Path
from typing import Any

from bench.core.cases import UNIT, SpeedCase
from bench.core.config import Plugin
from bench.records import files
from bench.regression.revisions import RevisionComparison
from bench.regression.verdicts import MINIMUM_EFFECT, Comparison
from bench.system.checkout import ROOT
from bench.system.clock import now
from bench.system.progress import Tell, ignore

CASES = (
    SpeedCase(UNIT, 20, 32),
    SpeedCase(UNIT, 5, 8),
    SpeedCase(Plugin("egnn"), 20, 32),
    SpeedCase(Plugin("egnn"), 5, 8),
)
REMEDY = "'python -m bench calibrate' measures"
LARGEST_FLOOR, MOST_ROUNDS = 1.0, 1000  # more is no floor, or no end
ROUNDS, MINIMUM_ROUNDS, MAXIMUM_ROUNDS = 30, 20, 60


def calibrate(root: Path, device: str, budget_s: float, tell: Tell = ignore) -> dict[str, Any]:
    """Measure pairs of equal processes while there is time, each case at least once; write it.

    The floor is the largest change of identical code that its interval did not cover: where a
    process has its memory is the same in all of its samples. The rounds are as many as bring the
    typical interval down to the minimum effect.
    """
    files.check_writable(root)
    itself, started = RevisionComparison((ROOT, ROOT), device, 0.0, ROUNDS), now()
    comparisons = []
    for index, case in enumerate(cycle(CASES)):
        if index >= len(CASES) and now() - started >= budget_s:
            break
        spent = (now() - started) / max(budget_s, 1e-9)
        tell(str(case), min(index / len(CASES), spent, 1.0))
        by_kind, counters = itself.measure(case, until=0.0)
        if not by_kind:
            raise ValueError(f"{case} cannot be timed here: {counters.why}")
        comparisons += by_kind.values()
        print(f"{case}: " + ", ".join(f"{kind} {c.ratio:.3f}" for kind, c in by_kind.items()))
    noise = estimate_noise(comparisons)
    noise |= {"date": datetime.now(UTC).isoformat(timespec="seconds")}
    files.write_whole(root / "noise.json", files.as_text(noise))
    return noise


def estimate_noise(comparisons: list[Comparison]) -> dict[str, Any]:
    """Return the floor that comparisons of identical code show, and the rounds it calls for."""
    widths = sorted(log(c.high / c.low) / 2 for c in comparisons)
    typical = widths[len(widths) // 2]
    wanted = ROUNDS * (typical / log(1 + MINIMUM_EFFECT)) ** 2
    return {
        "floor": round(max(max(c.low, 1 / c.high, 1.0) - 1 for c in comparisons), 4),
        "rounds": min(MAXIMUM_ROUNDS, max(MINIMUM_ROUNDS, ceil(wanted))),
        "half_width": round(typical, 4),
        "ratios": [round(c.ratio, 4) for c in comparisons],
    }


def read_noise(root: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the noise floor of a machine, and a line that says where it is from.

    Raises `ValueError`, naming the file, for what can be no floor.
    """
    file = root / "noise.json"
    noise = {"rounds": ROUNDS, "date": "undated"} | (_parse(file) if file.is_file() else {})
    if "floor" not in noise:
        return noise | {"floor": 0.0}, [f"no noise floor of this machine; {REMEDY} it"]
    return noise, [f"noise floor {noise['floor']:.1%} of {root.name}, {noise['date']}"]


def _parse(file: Path) -> dict[str, Any]:
    try:
        noise = json.loads(file.read_text())
    except (RecursionError, ValueError):
        raise ValueError(f"{file} is not JSON; {REMEDY} it anew") from None
    if not isinstance(noise, dict):
        raise ValueError(f"{file} holds no noise floor; {REMEDY} it anew")
    floor, rounds = noise.get("floor", 0.0), noise.get("rounds", ROUNDS)
    if type(floor) not in (int, float) or not 0 <= floor <= LARGEST_FLOOR:
        raise ValueError(f"{file}: the noise floor is {json.dumps(floor)[:40]}; {REMEDY} it anew")
    if type(rounds) is not int or not 1 <= rounds <= MOST_ROUNDS:
        raise ValueError(f"{file}: the rounds are {json.dumps(rounds)[:40]}; {REMEDY} them anew")
    return noise
