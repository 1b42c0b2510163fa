"""The answer as the page shows it: what each question and claim comes to, then the sentences."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.reporting import findings
from bench.reporting.figures.style import slug
from bench.reporting.findings import Claim, Evidence, Finding

LOOKS = {"yes": "yes", "confirmed": "yes", "no": "no", "refuted": "no"}  # all else is open
NOT_RUN = "not run"


@dataclass(frozen=True)
class Line:
    """A sentence with its verdict: what it answers, the rows it rests on, what would settle it."""

    question: str
    verdict: str
    sentence: str
    rows: Sequence[str]
    settles: str

    @property
    def look(self) -> str:
        """Return the class of its verdict."""
        return LOOKS.get(self.verdict, "open")


@dataclass(frozen=True)
class TaskAnswer:
    """What is found on a task, in a sentence and at length."""

    task: str
    lead: str
    lines: list[Line]

    @property
    def settled(self) -> bool:
        """Return whether exact and unconstrained networks have both been run."""
        return self.lead != findings.NOT_ANSWERED

    @property
    def anchor(self) -> str:
        """Return the end of a link to it."""
        return f"answer-{slug(self.task)}"

    @property
    def counts(self) -> str:
        """Return how many verdicts there are of each kind."""
        counts = Counter(line.verdict for line in self.lines)
        return ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))


@dataclass(frozen=True)
class Overview:
    """For each question, or claim, the verdict on each task."""

    heading: str
    rows: dict[str, dict[str, str]]


def answer(evidences: Sequence[Evidence]) -> tuple[list[Overview], list[TaskAnswer]]:
    """Return what the evidence answers: questions and claims over the tasks, and task by task.

    Tasks with most rows come first.
    """
    found, claims = findings.find(evidences), findings.claims(evidences)
    sizes = {evidence.task: len(evidence.data) for evidence in evidences}
    leads = {evidence.task: findings.lead(evidence) for evidence in evidences if evidence.rows}
    answers = [
        TaskAnswer(task, leads[task], [_line(one) for one in (*found, *claims) if one.task == task])
        for task in sorted(leads, key=lambda task: (-sizes[task], task))
    ]
    shown = {one.task for one in list_shown(answers)}
    questions = _gather([(f.question, _verdict(f), f.task) for f in found if f.task in shown])
    verdicts = _gather([(c.claim, _verdict(c), c.task) for c in claims if c.task in shown])
    overviews = [
        Overview("Question", questions),
        Overview("Claim of the paper's abstract", verdicts),
    ]
    return [overview for overview in overviews if overview.rows], answers


def list_shown(answers: list[TaskAnswer]) -> list[TaskAnswer]:
    """Return the tasks that have an answer; all of them where none has."""
    return [one for one in answers if one.settled] or answers


def _line(one: Finding | Claim) -> Line:
    question = one.claim if isinstance(one, Claim) else one.question
    return Line(question, _verdict(one), one.sentence, one.rows, one.settles)


def _verdict(one: Finding | Claim) -> str:
    """Return the verdict; that nothing was run where no row bears on it."""
    return one.verdict if one.rows else NOT_RUN


def _gather(verdicts: Sequence[tuple[str, str, str]]) -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    for question, verdict, task in verdicts:
        rows.setdefault(question, {})[task] = verdict
    return rows
