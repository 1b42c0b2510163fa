"""Checks of fields against their types; tests of losses and measures have the messages."""

import pytest
import torch

from remul import POINT
from remul.checks import check


@pytest.mark.parametrize("shape", [(2, 1, 4), (2, 5, 1), (2, 4), (2, 4, 2)])
def test_a_mask_of_another_shape_is_refused(shape):
    fields = {"x": torch.zeros(2, 4, 3), "mask": torch.ones(shape)}
    with pytest.raises(ValueError, match=r"'mask' is .* \(batch, n, 1\)"):
        check(fields, {"x": POINT})
