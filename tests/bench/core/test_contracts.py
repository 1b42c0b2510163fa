"""What tasks and methods may be: a wrong one is refused when it is made."""

import pytest
from torch.nn.functional import mse_loss

from bench import Task
from remul import VECTOR, Batch, Signature

EMPTY = Batch({}, {})


def task(**parts):
    return Task(Signature({"v": VECTOR}, {"v": VECTOR}), EMPTY, EMPTY, EMPTY, mse_loss, **parts)


@pytest.mark.parametrize("part", ["more", "scores"])
@pytest.mark.parametrize("name", ["ood-90", "my score", "", 90])
def test_names_that_records_cannot_have_are_refused(part, name):
    with pytest.raises(ValueError, match="name it by letters, digits and _"):
        task(**{part: {name: EMPTY}})


@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_a_further_split_replaces_no_other(name):
    with pytest.raises(ValueError, match=f"more has another '{name}'"):
        task(more={name: EMPTY})


@pytest.mark.parametrize(
    "name", ["best_step", "mse_val", "mse_far", "expected_error_p95_test", "squared_error_max_far"]
)
def test_a_score_of_its_own_replaces_no_other(name):
    with pytest.raises(ValueError, match=f"every task has a score '{name}'"):
        task(more={"far": EMPTY}, scores={name: lambda _: 0.0})


@pytest.mark.parametrize("name", ["zero_mse", "mse_energy", "mae_test"])
def test_other_names_are_its_own(name):
    assert name in task(more={"far": EMPTY}, scores={name: lambda _: 0.0}).scores
