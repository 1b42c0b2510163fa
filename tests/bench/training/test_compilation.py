"""Compiled training: the scores of eager training, and a record that tells; else a line."""

from dataclasses import replace

import pytest

from bench import Method
from bench.cli import main
from bench.core.config import Plugin, Run
from bench.system import environment
from bench.training import compilation
from bench.training.build import build
from bench.training.compilation import compile_if_asked
from bench.training.execute import execute

# torch 2.11 of its own compiler, when that is first imported
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated")

TASK = Plugin("nbody_gravity", {"train": 16, "val": 8, "test": 8, "ood": 8})
TINY = Plugin("transformer", {"channels": 8, "layers": 1, "heads": 2})
SMALL = {"steps": 6, "batch_size": 8, "validations": 2, "elements": 2, "samples": 4, "lr": 3e-3}
RUN = Run(TASK, TINY, Plugin("remul"), **SMALL)


@pytest.fixture
def asked(monkeypatch):
    """Compiles without C++: what PyTorch captures is called as it is."""
    monkeypatch.setenv(environment.COMPILE, "1")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "")
    monkeypatch.setattr(compilation, "BACKEND", "aot_eager")


def ignore(_):
    pass


@pytest.mark.filterwarnings("ignore::UserWarning")  # of the compiler, where it breaks a graph
@pytest.mark.parametrize("method", ["plain", "remul", "gradnorm"])
def test_compiled_training_has_the_scores_of_eager_training(method, asked, monkeypatch):
    run = replace(RUN, method=Plugin(method))
    compiled = execute(run, "cpu", ignore).record
    monkeypatch.delenv(environment.COMPILE)
    eager = execute(run, "cpu", ignore).record
    assert (compiled.machine.compiled, eager.machine.compiled) == (True, None)
    assert compiled.scores == pytest.approx(eager.scores, rel=1e-4, abs=1e-9)
    assert compiled.counters == eager.counters


def test_what_trains_in_its_own_way_is_not_compiled_and_says_so(asked, capsys):
    task, model, _ = build(RUN, "cpu")
    method = Method(train=lambda *_: iter(()))
    assert compile_if_asked(RUN, task, model, method) is method
    assert "not compiled: ValueError: the method trains in its own way" in capsys.readouterr().err


def test_what_gives_other_losses_is_not_compiled(asked, capsys, monkeypatch):
    def wrong(method):
        return replace(
            method, terms=lambda *args: {n: 2 * x for n, x in method.terms(*args).items()}
        )

    monkeypatch.setattr(compilation, "compile_terms", wrong)
    assert execute(RUN, "cpu", ignore).record.machine.compiled is None
    assert "not compiled: ValueError: it gives other losses or gradients" in capsys.readouterr().err


def test_a_machine_without_a_compiler_is_told_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert main(["run", "quick", "--compile", "--results", str(tmp_path)]) == 2
    assert "needs a C++ compiler, g++ or clang++ or what CXX names" in capsys.readouterr().err
