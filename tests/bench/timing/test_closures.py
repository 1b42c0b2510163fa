"""What is timed: rough times of the steps of a dry run."""

import pytest

from bench.core.config import Plugin, Run
from bench.timing import closures


@pytest.mark.parametrize("error", ["KeyError('x')", "SystemExit('x')"])
def test_a_run_that_fails_has_no_estimate_and_says_why(error, tmp_path, capsys):
    (tmp_path / "odd.py").write_text(f"def build(signature):\n    raise {error}\n")
    models = [Plugin(str(tmp_path / "odd.py")), Plugin("drift")]
    runs = [Run(Plugin("bodies"), model, Plugin("plain"), batch_size=2) for model in models]
    failed, timed = closures.seconds_per_step(runs, "cpu")
    assert (failed, timed > 0) == (None, True)
    shown = capsys.readouterr().err
    assert shown.startswith(f"no estimate: {models[0]} plain: {error[: error.index('(')]}: ")
    assert shown.endswith("(odd.py, line 2)\n")


def test_one_reason_is_said_once_for_all_that_it_stops(tmp_path, capsys):
    (tmp_path / "odd.py").write_text("def build(signature):\n    raise KeyError('x')\n")
    odd = Plugin(str(tmp_path / "odd.py"))
    runs = [Run(Plugin("bodies"), odd, Plugin(m), batch_size=2) for m in ("plain", "augment")]
    assert closures.seconds_per_step(runs, "cpu") == [None, None]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"no estimate: {odd} plain and 1 more: KeyError: ")
