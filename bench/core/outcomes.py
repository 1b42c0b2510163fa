"""How a run or a timing ends, and why."""

TORCH_FULL = "OutOfMemoryError"  # known by its name, since verdicts and tables do without torch
CPU_FULL = "can't allocate memory"  # an allocation that fails on a CPU is a plain RuntimeError


class DivergedError(RuntimeError):
    """A loss or a score is not a finite number."""


def outcome(error: Exception) -> dict[str, str]:
    """Return the status that a record keeps of an error, "oom" or "failed", and the reason."""
    reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}".rstrip(": ")
    full = isinstance(error, MemoryError) or type(error).__name__ == TORCH_FULL
    return {"status": "oom" if full or CPU_FULL in str(error) else "failed", "reason": reason}


def status_of(death: str) -> str:
    """Return the status that a record keeps of a worker that died: "oom" if it was killed."""
    return "oom" if "code -9" in death else "failed"
