"""What every public name of `remul` has to bear: being sent to a worker, copied, traced, cast."""

import pickle
from copy import deepcopy

import pytest
import torch
from torch.nn import Identity
from torch.testing import assert_close

import remul
from remul import POINT, Batch, Signature

GROUPS = {
    "E3": remul.E3,
    "about_axis": remul.about_axis("z"),
    "by_angle": remul.rotations_by_angle(10, 20),
    "octahedral": remul.groups.octahedral,
    "permutations": remul.groups.permutations,
}
PENALTIES = {
    "Constant": remul.Constant(),
    "Ramp": remul.Ramp(1.0, 10),
    "GradNorm": remul.GradNorm(),
    "Dual": remul.Dual(0.1),
}
X = torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(0))
SIGNATURE = Signature({"x": POINT}, {"x": POINT})
WRAPPED = {
    "group_average": remul.group_average(Identity(), SIGNATURE, remul.groups.octahedral.elements()),
    "frame_average": remul.frame_average(Identity(), SIGNATURE),
    "canonicalise": remul.canonicalise(Identity(), SIGNATURE),
}
VALUES = {
    "signature": SIGNATURE,
    "batch": Batch({"x": X}, {"x": X}),
    "element": remul.groups.octahedral.elements()[3],
    "permutation": remul.Permutation(torch.tensor([[1, 0]])),
    **GROUPS,
    **PENALTIES,
    **WRAPPED,
}


@pytest.mark.parametrize("copy", [deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_what_a_worker_needs_can_be_sent_to_it(value, copy):
    assert type(copy(value)) is type(value)


@pytest.mark.parametrize("wrapper", WRAPPED.values(), ids=WRAPPED)
def test_a_wrapper_that_was_sent_gives_what_it_gave(wrapper):
    assert_close(pickle.loads(pickle.dumps(wrapper))({"x": X}), wrapper({"x": X}))
