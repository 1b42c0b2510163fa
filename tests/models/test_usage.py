"""How PyTorch people use a network: precisions, transforms, exports, copies, and odd inputs."""

import inspect
from copy import deepcopy
from functools import cache
from io import BytesIO

import networks
import pytest
import torch
from torch import distributed
from torch.func import functional_call, grad, jvp, stack_module_state, vmap
from torch.nn.parallel import DistributedDataParallel
from torch.testing import assert_close

from bench.core import plugins
from remul import POINT, SCALAR, VECTOR, Rep, Signature

pytestmark = pytest.mark.slow  # every network

NAMES = plugins.names("models")
TYPES = {"mass": SCALAR, "position": POINT, "velocity": VECTOR}
SIGNATURE = Signature(TYPES, {"position": POINT, "force": VECTOR, "energy": Rep("0e", objects=0)})
SIZES = {"channels": 8, "heads": 2, "objects": 5, "degree": 1}

every_model = pytest.mark.parametrize("name", NAMES)


@cache
def shared(name, seed=0, layers=2):
    """The smallest network of some depth; who changes it takes a copy."""
    build = networks.load(name).build
    taken = inspect.signature(build).parameters
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(seed)
        sizes = {"layers": layers, **SIZES}
        return build(SIGNATURE, **{option: x for option, x in sizes.items() if option in taken})


def double(name):
    return deepcopy(shared(name)).double()


def drawn(draw, batch=3, objects=5, dtype=torch.float32):
    return {field: draw(batch, objects, rep.dim).to(dtype) for field, rep in TYPES.items()}


def scaled(inputs, scale):
    """The inputs with positions so many times as large."""
    return inputs | {"position": scale * inputs["position"]}


def total(outputs):
    """A loss of order one whatever the outputs' size."""
    parts = [x.double() for x in outputs.values()]
    parts = [x / x.detach().abs().amax().clamp_min(1) if x.numel() else x for x in parts]
    return torch.cat([x.flatten() for x in parts]).square().sum()


def are_finite(model, inputs):
    """Whether outputs and all gradients are, those of the inputs too."""
    model = deepcopy(model)
    inputs = {field: x.clone().requires_grad_() for field, x in inputs.items()}
    outputs = model(inputs)
    leaves = [*model.parameters(), *inputs.values()]
    gradients = torch.autograd.grad(total(outputs), leaves, allow_unused=True)
    tensors = [*outputs.values(), *(x for x in gradients if x is not None)]
    return all(x.isfinite().all() for x in tensors)


half_types = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
places = pytest.mark.parametrize("scale", [0, 1e-4, 1])


@places
@half_types
@every_model
def test_a_network_of_half_precision_is_finite(name, dtype, scale, draw):
    model = deepcopy(shared(name)).to(dtype)
    assert are_finite(model, scaled(drawn(draw, dtype=dtype), scale))


@places
@half_types
@every_model
def test_training_under_autocast_is_finite(name, dtype, scale, draw):
    with torch.autocast("cpu", dtype):
        assert are_finite(shared(name), scaled(drawn(draw), scale))


@half_types
@every_model
def test_inference_under_autocast_is_near_that_without(name, dtype, draw):
    model, inputs = shared(name), drawn(draw)
    with torch.inference_mode():
        expected = model(inputs)
        with torch.autocast("cpu", dtype):
            outputs = model(inputs)
    outputs = {field: x.float() for field, x in outputs.items()}
    assert_close(outputs, expected, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3, 1e6])
@every_model
def test_coordinates_of_any_size_are_finite(name, scale, draw):
    assert are_finite(shared(name), scaled(drawn(draw), scale))


@every_model
def test_the_default_size_takes_wide_coordinates(name, draw):
    model = networks.load(name).build(SIGNATURE)
    assert are_finite(model, scaled(drawn(draw), 1e6))


@pytest.mark.parametrize("unit", [1e-30, 1e6])
@every_model
def test_units_may_make_numbers_tiny_or_huge(name, unit, draw):
    inputs = {field: unit * x for field, x in drawn(draw).items()}
    assert are_finite(shared(name), inputs)


SHAPES = {
    "no batch": (0, 5),
    "no object": (3, 0),
    "neither": (0, 0),
    "one object": (3, 1),
    "two objects": (1, 2),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@every_model
def test_few_objects_or_none_are_taken(name, shape, draw):
    model, inputs = shared(name), drawn(draw, *shape)
    assert are_finite(model, inputs)
    shapes = {"position": (*shape, 3), "force": (*shape, 3), "energy": (shape[0], 1)}
    assert {field: x.shape for field, x in model(inputs).items()} == shapes


@pytest.mark.parametrize("kind", ["line", "line through the centre", "pairs", "plane"])
@every_model
def test_points_in_special_places_are_finite(name, kind, draw):
    inputs = drawn(draw)
    along = torch.arange(-2.0, 3)[:, None]
    position = {
        "line": along * torch.tensor([1.0, 2, 3]) + torch.tensor([4.0, 0, 1]),
        "line through the centre": along * torch.tensor([0.0, 0, 1]),
        "pairs": inputs["position"][:1, [0, 0, 1, 1, 1]],
        "plane": inputs["position"][:1] * torch.tensor([1.0, 1, 0]),
    }[kind]
    at_rest = torch.zeros_like(inputs["velocity"])
    inputs = inputs | {"position": position.expand(3, -1, -1).clone(), "velocity": at_rest}
    assert are_finite(shared(name), inputs)


def losses(model, inputs):
    return lambda weights: total(functional_call(model, weights, (inputs,)))


@every_model
def test_transforms_give_the_gradient_of_a_backward_pass(name, draw):
    model, inputs = double(name), drawn(draw, dtype=torch.float64)
    weights = dict(model.named_parameters())
    expected = torch.autograd.grad(losses(model, inputs)(weights), [*weights.values()])
    found = grad(losses(model, inputs))({k: x.detach() for k, x in weights.items()})
    assert_close([*found.values()], [*expected], rtol=1e-10, atol=1e-12)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@every_model
def test_many_networks_run_as_one(name, draw):
    models, inputs = [shared(name, seed) for seed in range(3)], drawn(draw)
    weights, buffers = stack_module_state(models)

    def run(weights, buffers):
        return functional_call(models[0], (weights, buffers), (inputs,))

    outputs = vmap(run)(weights, buffers)
    expected = [model(inputs) for model in models]
    for field, x in outputs.items():
        assert_close(x, torch.stack([y[field] for y in expected]), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@every_model
def test_gradients_of_each_sample_are_there(name, draw):
    model, inputs = double(name), drawn(draw, dtype=torch.float64)
    weights = {k: x.detach() for k, x in model.named_parameters()}

    def loss(weights, sample):
        outputs = functional_call(model, weights, ({f: x[None] for f, x in sample.items()},))
        return outputs["position"].square().sum()

    def loss_of_all(weights):
        return functional_call(model, weights, (inputs,))["position"].square().sum()

    found = vmap(grad(loss), (None, 0))(weights, inputs)
    expected = grad(loss_of_all)(weights)
    assert_close({k: x.sum(0) for k, x in found.items()}, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, in its forward mode
@every_model
def test_forward_and_backward_mode_agree(name, draw):
    model, inputs = double(name), drawn(draw, dtype=torch.float64)
    x, along, weight = inputs["position"], draw(3, 5, 3), draw(3, 5, 3)

    def move(x):
        return model(inputs | {"position": x})["position"]

    forward = (jvp(move, (x,), (along,))[1] * weight).sum()
    x = x.clone().requires_grad_()
    backward = (torch.autograd.grad((move(x) * weight).sum(), x)[0] * along).sum()
    assert_close(forward, backward, rtol=1e-9, atol=1e-10)


@every_model
def test_forces_can_be_trained(name, draw):
    model, inputs = double(name), drawn(draw, dtype=torch.float64)
    x, along, step = inputs["position"], draw(3, 5, 3), 1e-5

    def force(x, create_graph=False):
        x = x.clone().requires_grad_()
        energy = model(inputs | {"position": x})["energy"].sum() + 0 * x.sum()
        return torch.autograd.grad(energy, x, create_graph=create_graph)[0], x

    value, leaf = force(x, create_graph=True)
    loss = value.square().sum()
    slope = torch.autograd.grad(loss + 0 * leaf.sum(), leaf, retain_graph=True)[0]
    differences = [force(x + sign * step * along)[0].square().sum() for sign in (1, -1)]
    expected = (differences[0] - differences[1]) / (2 * step)
    assert_close((slope * along).sum(), expected, rtol=1e-5, atol=1e-8)
    if loss.requires_grad:
        loss.backward()
    found = [w.grad for w in model.parameters() if w.grad is not None]
    assert found == [] or all(x.isfinite().all() for x in found)


@pytest.mark.system
@every_model
def test_an_export_takes_any_batch(name, draw):
    model, batch = shared(name, layers=1), torch.export.Dim("batch", min=2, max=64)
    dynamic = {"inputs": {field: {0: batch} for field in TYPES}}
    program = torch.export.export(model, (drawn(draw),), dynamic_shapes=dynamic)
    inputs = drawn(draw, batch=7)
    assert_close(program.module()(inputs), model(inputs), rtol=1e-4, atol=1e-5)


@pytest.mark.system
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # which the compiler reads
@every_model
def test_a_compiled_network_gives_the_same(name, draw):
    torch._dynamo.reset()
    model, inputs = deepcopy(shared(name, layers=1)), drawn(draw)
    compiled = torch.compile(model, backend="eager")
    assert_close(compiled(inputs), model(inputs), rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def group():
    """A process group of this process alone, which has the rules of many."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.system
@pytest.mark.parametrize("layers", [1, 2])
@every_model
def test_distributed_training_goes_on_after_a_step(name, layers, group, draw):
    model = DistributedDataParallel(deepcopy(shared(name, layers=layers)))
    for _ in range(2):  # parameters without a gradient in one step stop the next
        total(model(drawn(draw))).backward()
    assert all(weight.grad is not None for weight in model.parameters())


@every_model
def test_hooks_see_the_same_with_and_without_gradients(name, draw):
    model, inputs, seen = deepcopy(shared(name)), drawn(draw), []
    for module in model.modules():
        module.register_forward_hook(lambda module, args, output: seen.append(output))
    model(inputs)
    expected = [*seen]
    seen.clear()
    with torch.no_grad():
        model(inputs)
    assert_close(seen, expected, rtol=1e-5, atol=1e-6)


@every_model
def test_copies_and_saved_weights_give_the_same(name, draw):
    model, inputs, file = shared(name), drawn(draw), BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other = deepcopy(shared(name, seed=1))
    other.load_state_dict(torch.load(file, weights_only=True))
    expected = model(inputs)
    assert_close(other(inputs), expected, rtol=0, atol=0)
    assert_close(deepcopy(model)(inputs), expected, rtol=0, atol=0)


@every_model
def test_inputs_may_lie_in_memory_as_they_like(name, draw):
    model, inputs = shared(name), drawn(draw)
    strided = {field: x.mT.contiguous().mT for field, x in inputs.items()}
    assert_close(model(strided), model(inputs), rtol=1e-5, atol=1e-6)
    one = {field: x[:1].expand(4, -1, -1) for field, x in inputs.items()}
    same = {field: x[:1].repeat(4, 1, 1) for field, x in inputs.items()}
    assert_close(model(one), model(same), rtol=1e-5, atol=1e-6)
    still = inputs | {"velocity": torch.zeros(1, 1, 3).expand(3, 5, 3)}
    assert are_finite(model, still)
