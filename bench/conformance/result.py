"""A line of the check of a user's file, and how it is printed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.core.outcomes import explain, outcome


@dataclass(frozen=True)
class CheckResult:
    """One line of the report; `passed` is None where there is nothing to pass."""

    about: str
    text: str
    passed: bool | None = None


def run_check(about: str, promise: str, check: Callable[[], None]) -> CheckResult:
    """Return whether a check passes; whatever the model raises is the reason why it does not."""
    try:
        check()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a model may raise SystemExit as well
        return CheckResult(about, f"not {promise}: {explain(error)}", False)
    return CheckResult(about, promise, True)


def collect(about: str, results: Iterable[CheckResult]) -> list[CheckResult]:
    """Return the results, as far as they come: whatever the model raises is a failure, the last."""
    collected = []
    try:
        collected.extend(results)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        collected.append(CheckResult(about, outcome(error)["reason"], False))
    return collected


def format_line(result: CheckResult) -> str:
    """Return a result as it is printed."""
    mark = {True: "ok  ", False: "FAIL", None: "    "}[result.passed]
    return f"{mark} {result.about}: {result.text}"


def has_failed(results: list[CheckResult]) -> bool:
    """Return whether a check has not passed."""
    return any(result.passed is False for result in results)
