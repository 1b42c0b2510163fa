"""How a run or a timing ends, and why."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from traceback import extract_tb, walk_tb

from bench.system.plain import one_line

TORCH_FULL = "OutOfMemoryError"  # known by its name, since verdicts and tables do without torch
CPU_FULL = "can't allocate memory"  # an allocation that fails on a CPU is a plain RuntimeError
OWN = {"bench", "models", "remul"}
BY_PATH = "plugin_"  # begins the names of modules that were loaded by their path
UNWRITABLE = "unwritable"  # the status of a run whose record cannot be kept
LONGEST = 1000  # letters of a reason


class DivergedError(RuntimeError):
    """A loss or a score is not a finite number."""


def outcome(error: BaseException) -> dict[str, str]:
    """Return the status that a record keeps of an error, "oom" or "failed", and the reason.

    The reason ends with the place in the file of a plug-in that was given by its path.
    """
    full = isinstance(error, MemoryError) or type(error).__name__ == TORCH_FULL
    reason = explain(error) + locate(error)
    return {"status": "oom" if full or CPU_FULL in reason else "failed", "reason": reason}


def explain(error: BaseException) -> str:
    """Return the kind of an error and the first line of what it says, in letters fit to print."""
    text = ""
    with suppress(Exception):  # an error of somebody's own may not be able to say it
        text = str(error).strip().partition("\n")[0][:LONGEST]
    return one_line(f"{type(error).__name__}: {text}".rstrip(": "))


def locate(error: BaseException) -> str:
    """Return the last line of a plug-in given by its path that an error passed; or nothing."""
    frames = [(f.f_globals.get("__name__", ""), f, n) for f, n in walk_tb(error.__traceback__)]
    places = [(f.f_code.co_filename, n) for name, f, n in frames if name.startswith(BY_PATH)]
    return f" ({PurePath(places[-1][0]).name}, line {places[-1][1]})" if places else ""


def is_meant(error: ValueError) -> bool:
    """Return whether a `ValueError` is of our own words or a plug-in's, or of text that is none.

    One from within a package that we use was no check of ours: what it says is no user's mistake.
    """
    *_, (frame, _) = walk_tb(error.__traceback__)
    name = frame.f_globals.get("__name__", "")
    own = name.partition(".")[0] in OWN or name.startswith(BY_PATH)
    return own or isinstance(error, UnicodeError)


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Raise what a plug-in's code raises, `SystemExit` too, as `ValueError` with its file and line.

    An interruption, and what is an error of ours already, go through.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        frames = extract_tb((error.__cause__ or error).__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(path)]
        line = f", line {lines[-1]}" if lines else ""
        if not lines and isinstance(error, ValueError | OSError):
            raise
        raise ValueError(f"{path}{line}: {explain(error)}") from error


def status_of(death: str) -> str:
    """Return the status that a record keeps of a worker that died: "oom" if it was killed."""
    return "oom" if "code -9" in death else "failed"
