"""What a run counts of itself: the same as where it is timed."""

from copy import deepcopy

import pytest
from torch.testing import assert_close

from bench import Plugin, Run
from bench.timing.closures import count_run
from bench.training.build import build
from bench.training.flops import count_training

TASK = Plugin("nbody_gravity", {"train": 16, "val": 8, "test": 8, "ood": 8})
TINY = Plugin("transformer", {"channels": 8, "layers": 1, "heads": 2})


def run(method):
    return Run(TASK, TINY, Plugin(method), steps=3, batch_size=8)


@pytest.mark.parametrize("method", ["plain", "remul"])
def test_counts_are_those_of_the_timed_run(method):
    counts = count_training(run(method), *build(run(method), "cpu"))
    timed = count_run(run(method), "cpu")
    assert counts == {name: timed[name] for name in counts}


def test_counting_leaves_the_model_as_it_was():
    task, model, method = build(run("remul"), "cpu")
    before = deepcopy(model.state_dict())
    count_training(run("remul"), task, model, method)
    assert_close(model.state_dict(), before, rtol=0, atol=0)
