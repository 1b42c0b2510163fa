"""A line of the check of a user's file, and how it is printed."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line of the report; `kept` is None where there is nothing to keep."""

    about: str
    text: str
    kept: bool | None = None


def _kept(about: str, promise: str, test: Callable[[], None]) -> Finding:
    """Whether a test passes; whatever the model raises is the reason why it does not."""
    try:
        test()
    except Exception as error:
        reason = str(error).partition("\n")[0]
        return Finding(about, f"not {promise}: {type(error).__name__}: {reason}", False)
    return Finding(about, promise, True)


def line(finding: Finding) -> str:
    """A finding as it is printed."""
    mark = {True: "ok  ", False: "FAIL", None: "    "}[finding.kept]
    return f"{mark} {finding.about}: {finding.text}"


def failed(findings: list[Finding]) -> bool:
    """Whether something that has to be kept is not."""
    return any(finding.kept is False for finding in findings)
