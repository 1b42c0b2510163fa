"""The long form of these tests, `FAULTS=long`, tries what the short one samples."""

import io
import json
import os
import signal
import time
import traceback
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module

import pytest
from hypothesis import HealthCheck, Phase, settings

from bench.cli import main
from bench.commands import FAILED, INTERNAL, MISSING, OK, REGRESSED, USAGE
from bench.records import files
from bench.system.checkout import ROOT

SLOW = (
    "torch",
    "bench.regression.compare",
    "bench.regression.reference",
    "bench.training.launcher",
)
SLOW += ("bench.reporting.page", "bench.timing.grid", "bench.timing.runs", "bench.data.catalogue")
FIGURES = ROOT / "results" / "published" / "faults.json"
LONG = os.environ.get("FAULTS") == "long"
LIMIT_S = 20
CODES = {OK, REGRESSED, USAGE, MISSING, FAILED}
settings.register_profile(
    "faults",
    max_examples=1,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],  # a damage is one change: nothing to shrink
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("faults")


@pytest.fixture(scope="session")
def long():
    """Whether thousands of cases are tried, and their figures kept."""
    return LONG


class Hang(BaseException):
    """A command that has no end within `LIMIT_S` seconds."""


WRONG = ("tracebacks", "hangs", "silent", "no_line")


class Tally:
    """Answers of commands and functions to odd input, by kind, and what went wrong among them."""

    def __init__(self):
        self.counts, self.slowest_s = {}, {}

    def note(self, kind, what):
        """Count one more of what became of a kind of input."""
        self.counts.setdefault(kind, Counter())[what] += 1

    def blame(self, kind, what, words):
        """Note what went wrong, and fail."""
        self.note(kind, what)
        pytest.fail(f"{kind}: {words}")

    def run(self, kind, *arguments):
        """Exit code, stdout and stderr of a command, in this process."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        with redirect_stdout(out), redirect_stderr(err):
            code = self.call(kind, lambda: main([str(argument) for argument in arguments]))
        out.flush(), err.flush()
        shown, said = (stream.buffer.getvalue().decode() for stream in (out, err))
        if code not in CODES or "Traceback" in said or code == INTERNAL:
            self.blame(kind, "tracebacks", f"{arguments}: code {code}: {said}")
        if code == USAGE and len(self.errors(said)) != 1:
            self.blame(kind, "no_line", f"{arguments}: {said!r}")
        self.note(kind, f"exit code {code}")
        return code, shown, said

    @staticmethod
    def errors(said):
        """The lines of stderr that say why a command did nothing."""
        return [line for line in said.splitlines() if line.startswith("error: ")]

    def call(self, kind, function, *refusals):
        """What a function returns, or a refusal of it, in so many seconds."""
        self.note(kind, "examples")
        before, began = signal.signal(signal.SIGALRM, self._hang), time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
        try:
            return function()
        except refusals as error:
            return error
        except Hang:
            self.blame(kind, "hangs", f"no end within {LIMIT_S} s")
        except BaseException:
            self.blame(kind, "tracebacks", traceback.format_exc())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            took = time.monotonic() - began
            self.slowest_s[kind] = max(self.slowest_s.get(kind, 0.0), took)

    @staticmethod
    def _hang(*_):
        raise Hang

    def figures(self):
        """The figures of all that were tried, by kind."""
        zero = dict.fromkeys(WRONG, 0)
        return {
            kind: zero
            | dict(sorted(counts.items()))
            | {"slowest_s": round(self.slowest_s[kind], 1)}
            for kind, counts in self.counts.items()
        }


def keep(figures):
    """Write the figures beside those of the other harnesses, and what all of them come to."""
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    kinds = {k: v for k, v in known.get("fuzz", {}).items() if k != "total"} | figures
    total = {what: sum(kind[what] for kind in kinds.values()) for what in ("examples", *WRONG)}
    known["fuzz"] = kinds | {"total": total}
    files.write_whole(FIGURES, files.as_text(known, sort_keys=True))


@pytest.fixture(scope="session")
def tally():
    """Takes the answers to odd input; the long form keeps the figures beside the other ones."""
    taken = Tally()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)  # thousands of files that nobody needs for long
        for name in SLOW:  # no hang of ours, where the processor is busy
            import_module(name)
        yield taken
    if LONG and taken.counts:
        keep(taken.figures())
