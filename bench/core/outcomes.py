"""How a run or a timing ends, and why."""

from contextlib import suppress

from bench.system.plain import one_line

TORCH_FULL = "OutOfMemoryError"  # known by its name, since verdicts and tables do without torch
CPU_FULL = "can't allocate memory"  # an allocation that fails on a CPU is a plain RuntimeError

LONGEST = 1000  # letters of a reason


class DivergedError(RuntimeError):
    """A loss or a score is not a finite number."""


def outcome(error: Exception) -> dict[str, str]:
    """Return the status that a record keeps of an error, "oom" or "failed", and the reason."""
    full = isinstance(error, MemoryError) or type(error).__name__ == TORCH_FULL
    reason = explain(error)
    return {"status": "oom" if full or CPU_FULL in reason else "failed", "reason": reason}


def explain(error: BaseException) -> str:
    """Return the kind of an error and the first line of what it says, in letters fit to print."""
    text = ""
    with suppress(Exception):  # an error of somebody's own may not be able to say it
        text = str(error).strip().partition("\n")[0][:LONGEST]
    return one_line(f"{type(error).__name__}: {text}".rstrip(": "))


def status_of(death: str) -> str:
    """Return the status that a record keeps of a worker that died: "oom" if it was killed."""
    return "oom" if "code -9" in death else "failed"
