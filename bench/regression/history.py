"""The speed of every case over the revisions of a file of records, and the steps in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.records.timings import Timing
from bench.regression.compare import judge_beside_unit, parse_records
from bench.regression.differences import Records
from bench.regression.report import Verdict
from bench.regression.verdicts import INCOMPARABLE, MOVED, REGRESSED, Comparison, compare_samples
from bench.system.checkout import list_versions

Series = tuple[str, str, str]  # machine, case, measure


@dataclass(frozen=True)
class Step:
    """A revision at which a ratio to the unit left the level that it had."""

    revision: str
    verdict: str
    comparison: Comparison

    def describe(self) -> str:
        """Return the factor and where it was, or that the unit itself may have moved."""
        unit = "; most moved alike: the unit?" if self.verdict == INCOMPARABLE else ""
        return f"x {self.comparison.ratio:.3f} at {self.revision}{unit}"


@dataclass
class Track:
    """Ratios to the unit of one case: the first, the level, the last, and steps between levels."""

    first: Sequence[float]
    level: Sequence[float]
    last: Sequence[float] = ()
    revisions: int = 0
    steps: list[Step] = field(default_factory=list)

    def note(self, revision: str, ratios: Sequence[float], verdict: Verdict | None) -> None:
        """Take the ratios of a further revision, and the verdict on them and the level."""
        self.last = ratios
        self.revisions += 1
        if verdict and verdict.comparison and verdict.verdict in (*MOVED, INCOMPARABLE):
            self.steps.append(Step(revision, verdict.verdict, verdict.comparison))
            self.level = ratios

    @property
    def is_slower(self) -> bool:
        """Whether the last step was one to a slower level."""
        return bool(self.steps) and self.steps[-1].verdict == REGRESSED


def read_revisions(file: Path) -> tuple[list[tuple[str, Records]], list[str]]:
    """Return the records of each committed revision of a file, oldest first, and of today's.

    With a line for each revision that today's code cannot read. Raises `ValueError` for a file that
    git does not know.
    """
    revisions, problems = [], []
    for name, content in list_versions(file):
        try:
            revisions.append((name, parse_records(content, file)))
        except ValueError as error:
            problems.append(f"left out: {name}: {error}")
    return revisions, problems


def follow(revisions: Sequence[tuple[str, Records]], floor: float) -> dict[Series, Track]:
    """Return the track of each case, every revision compared with the last level.

    So a creep too slow for a step between two revisions is one when it has added up.
    """
    tracks: dict[Series, Track] = {}
    for name, records in revisions:
        timings = {s: t for s, t in _timings(records).items() if _is_new(tracks.get(s), t)}
        verdicts = _judge({s: t for s, t in timings.items() if s in tracks}, tracks, floor)
        for series, timing in timings.items():
            track = tracks.setdefault(series, Track(timing.ratios, timing.ratios))
            track.note(name, timing.ratios, verdicts.get(series))
    return tracks


def _is_new(track: Track | None, timing: Timing) -> bool:
    """Return whether a timing is not the one that the revision before had."""
    return track is None or timing.ratios != track.last


def _judge(
    timings: dict[Series, Timing], tracks: dict[Series, Track], floor: float
) -> dict[Series, Verdict]:
    """Return the verdicts on timings of one revision, in the light of each other."""
    names = {(f"{machine}: {case}", kind): (machine, case, kind) for machine, case, kind in timings}
    comparisons = {
        name: compare_samples(tracks[series].level, timings[series].ratios, floor)
        for name, series in names.items()
    }
    verdicts = judge_beside_unit(comparisons) if comparisons else []
    return {names[verdict.case, verdict.measure]: verdict for verdict in verdicts}


def _timings(records: Records) -> dict[Series, Timing]:
    """Return what can be followed: timings beside the unit that were not disturbed."""
    return {
        (record.machine.name, case, kind): timing
        for case, record in records.items()
        for kind, timing in record.timings.items()
        if timing.ratios and timing.quality != "C"
    }


def markdown(tracks: dict[Series, Track], notes: Sequence[str]) -> str:
    """Return the tracks as a table, those with steps first."""
    slower = sum(track.is_slower for track in tracks.values())
    lines = [f"**Speed over revisions: {len(tracks)} timings, {slower} slower since a step**", ""]
    lines += [*[f"- {note}" for note in notes], ""] if notes else []
    lines += ["| machine | cell | measure | timings | x unit, first | now | steps |",
              "| --- | --- | --- | ---: | ---: | ---: | --- |"]  # fmt: skip
    for series, track in sorted(tracks.items(), key=lambda pair: (not pair[1].steps, pair[0])):
        ends = (f"{median(ratios):.3g}" for ratios in (track.first, track.last))
        steps = "; ".join(step.describe() for step in track.steps)
        lines.append("| " + " | ".join((*series, str(track.revisions), *ends, steps)) + " |")
    return "\n".join(lines) + "\n"
