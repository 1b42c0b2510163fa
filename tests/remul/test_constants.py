"""Constants stay plain tensors, whatever traced or transformed the call that made them."""

import importlib
import pkgutil

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import remul
from models import gnn
from remul import POINT, SO3, Rep, Signature, act, actions, canonicalise, rotations
from remul.constants import constant

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")  # torch's

MAKERS = {
    "coupling": (actions._coupling, (3, torch.device("cpu"))),
    "group": (rotations.generate, (rotations.CYCLE, rotations.QUARTER_TURN)),
}
X = torch.ones(2, 1, dtype=torch.float64)


class Wrapped(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.forward = function


def call_with_fake_tensors(function):
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        return function(mode.from_tensor(X))


def call_in_inference_mode(function):
    with torch.inference_mode():
        return function(X)


def call_with_a_default_device(function):
    with torch.device("meta"):
        return function(X)


PLACES = {
    "fake": call_with_fake_tensors,
    "inference": call_in_inference_mode,
    "meta": call_with_a_default_device,
    "vmap": lambda function: torch.func.vmap(function)(X),
    "jvp": lambda function: torch.func.jvp(function, (X,), (X,)),
    "grad": lambda function: torch.func.grad(lambda x: function(x).sum())(X),
    "compile": lambda function: torch.compile(function, backend="eager", fullgraph=True)(X),
    "export": lambda function: torch.export.export(Wrapped(function), (X,), strict=False),
    "strict_export": lambda function: torch.export.export(Wrapped(function), (X,), strict=True),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(("maker", "args"), MAKERS.values(), ids=MAKERS)
def test_what_is_kept_is_a_plain_tensor(maker, args, place):
    look_up = constant(maker.__wrapped__)
    place(lambda x: x * look_up(*args).sum().to(x.dtype))
    kept, expected = look_up(*args), maker.__wrapped__(*args)
    assert type(kept) is torch.Tensor
    assert not kept.is_inference()
    assert torch.equal(kept, expected)


@pytest.mark.slow
def test_act_is_itself_after_an_export():
    signature = Signature({"position": POINT}, {"q": Rep("5e")})
    model, x = canonicalise(gnn.build(signature), signature), {"position": torch.randn(2, 4, 3)}
    torch.export.export(model, (x,), strict=False)
    q = {"q": torch.randn(2, 4, 11)}
    assert type(act(SO3.sample(q, torch.Generator()), q, signature.outputs)["q"]) is torch.Tensor


def test_no_module_holds_a_tensor():
    modules = [
        importlib.import_module(f"remul.{m.name}") for m in pkgutil.iter_modules(remul.__path__)
    ]
    held = [k for module in modules for k, v in vars(module).items() if isinstance(v, torch.Tensor)]
    assert not held
