"""The answer as the page shows it: what each question and claim comes to, then the sentences."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.records.run_record import RunRecord
from bench.reporting import findings
from bench.reporting.figures.style import slug
from bench.reporting.findings import Claim, Finding

LOOKS = {"yes": "yes", "confirmed": "yes", "no": "no", "refuted": "no"}  # all else is open


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
    """What is found on a task."""

    task: str
    lines: list[Line]

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


def answer(records: Sequence[RunRecord]) -> tuple[list[Overview], list[TaskAnswer]]:
    """Return what the records answer: questions and claims over all tasks, and task by task.

    Tasks with most rows come first.
    """
    found, claims = findings.find(records), findings.claims(records)
    sizes = Counter(str(record.run.task) for record in records)
    tasks = sorted({one.task for one in found}, key=lambda task: (-sizes[task], task))
    answers = [
        TaskAnswer(task, [_line(one) for one in (*found, *claims) if one.task == task])
        for task in tasks
    ]
    questions = _gather([(one.question, one.verdict, one.task) for one in found])
    verdicts = _gather([(one.claim, one.verdict, one.task) for one in claims])
    overviews = [
        Overview("Question", questions),
        Overview("Claim of the paper's abstract", verdicts),
    ]
    return [overview for overview in overviews if overview.rows], answers


def _line(one: Finding | Claim) -> Line:
    question = one.claim if isinstance(one, Claim) else one.question
    return Line(question, one.verdict, one.sentence, one.rows, one.settles)


def _gather(verdicts: Sequence[tuple[str, str, str]]) -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    for question, verdict, task in verdicts:
        rows.setdefault(question, {})[task] = verdict
    return rows
