"""What a ratio of errors, or a difference, says of a claim."""

from dataclasses import dataclass

from bench.reporting import comparisons
from bench.reporting.comparisons import MARGIN
from bench.reporting.findings.claim import CONFIRMED, OPEN, REFUTED
from bench.reporting.findings.evidence import PERCENT, say_end, say_interval, say_span

ALIKE, APART = f"alike to {PERCENT}", "not told apart"


@dataclass(frozen=True)
class Comparison:
    """How many times as much one row errs as another, and what that says of a claim."""

    ratio: comparisons.ErrorRatio

    def __str__(self) -> str:
        few = f"; {self.ratio.seeds} seeds" * (self.ratio.seeds < comparisons.FEW_SEEDS)
        span = say_span(self.ratio.low, self.ratio.high)
        return f"{say_end(self.ratio.ratio)} times ({span}{few})"

    @property
    def seeds(self) -> int:
        """The seeds that both rows have."""
        return self.ratio.seeds

    @property
    def brief(self) -> str:
        """The ratio and its interval, for a table."""
        return say_interval(self.ratio.ratio, self.ratio.low, self.ratio.high)

    @property
    def less(self) -> str:
        """The verdict on the claim that it errs less."""
        return self._tell(CONFIRMED, REFUTED)

    @property
    def more(self) -> str:
        """The verdict on the claim that it errs more."""
        return self._tell(REFUTED, CONFIRMED)

    @property
    def side(self) -> str:
        """Whether it errs less or more, is alike or cannot be told apart."""
        return self._tell("less", "more", APART)

    @property
    def no_more(self) -> str:
        """The verdict on the claim that it errs more by less than the margin."""
        return self._judge({True: CONFIRMED, False: REFUTED, None: OPEN}[self.ratio.is_within()])

    def _tell(self, less: str, more: str, neither: str = OPEN) -> str:
        """Return which of these it is, and where the whole interval is, that both are alike."""
        low, high = self.ratio.low, self.ratio.high
        told = less if high < 1 else more if low > 1 else ""
        if low > 1 / (1 + MARGIN) and high < 1 + MARGIN:
            return self._judge(f"{told}, but {ALIKE}" if told else ALIKE)
        return self._judge(told or neither)

    def _judge(self, verdict: str) -> str:
        return judge(verdict, self.ratio.seeds)


@dataclass(frozen=True)
class Change:
    """A difference, and the ends between which it lies in 19 of 20 draws."""

    value: float
    low: float
    high: float
    seeds: int

    @property
    def brief(self) -> str:
        """The difference and its ends."""
        return f"{self.value:+.3f} ({self.low:+.3f} to {self.high:+.3f})"

    @property
    def is_there(self) -> str:
        """The verdict on the claim that there is one."""
        return judge(OPEN if self.low <= 0 <= self.high else CONFIRMED, self.seeds)


def judge(verdict: str, seeds: int) -> str:
    """Return a verdict, called a hint where it rests on few seeds."""
    told = verdict not in (OPEN, APART)
    return f"hint: {verdict}" if told and seeds < comparisons.FEW_SEEDS else verdict
