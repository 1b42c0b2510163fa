"""Framed: one backbone in learned frames, exact, in random ones, augmented, or in none, plain."""

import pytest
import torch
from torch.testing import assert_close

from models import framed, transformer
from models.layers.blocks import turn_channels
from remul import E3, POINT, SCALAR, SE3, VECTOR, Rep, Signature, equivariance_error
from remul.rotations import draw_haar

TYPES = {"mass": SCALAR, "position": POINT, "velocity": VECTOR, "shape": Rep("2e+1e")}
SIGNATURE = Signature(TYPES, TYPES)
BONDED = Signature({"position": POINT, "bond": Rep("1o", objects=2)}, {"position": POINT})


@pytest.fixture
def inputs(draw):
    return {name: draw(8, 5, rep.dim) for name, rep in TYPES.items()}


def error(model, inputs, group, generator):
    with torch.no_grad():
        return equivariance_error(model, inputs, SIGNATURE, group.sample(inputs, generator))


def test_learned_frames_are_exact(network, inputs, generator):
    model = network("framed", SIGNATURE, channels=48)
    assert error(model, inputs, SE3, generator).max() < 1e-12


def test_identity_frames_are_the_backbone_to_the_bit(network, inputs):
    backbone = network("transformer", SIGNATURE)
    model = network("framed", SIGNATURE, frames="identity")
    assert_close(model.state_dict(), backbone.state_dict(), rtol=0, atol=0)
    assert_close(model(inputs), backbone(inputs), rtol=0, atol=0)


def test_random_frames_turn_each_sample_in_training(network, inputs):
    model = network("framed", SIGNATURE, frames="random")
    with torch.random.fork_rng(devices=[]):
        rotation = draw_haar(8, torch.default_generator.manual_seed(1))
        torch.manual_seed(1)
        outputs = model(inputs)
    turned = framed.turn_irreps(
        torch.cat([*(inputs | {"position": centred(inputs)}).values()], -1),
        TYPES,
        rotation[:, None].expand(-1, 5, -1, -1),
    )
    fields = dict(zip(TYPES, turned.split([rep.dim for rep in TYPES.values()], -1), strict=True))
    expected = network("transformer", SIGNATURE)(fields)["velocity"] @ rotation
    assert_close(outputs["velocity"], expected)


def centred(inputs):
    return inputs["position"] - inputs["position"].mean(1, keepdim=True)


def test_random_frames_are_none_in_evaluation(network, inputs):
    model = network("framed", SIGNATURE, frames="random").eval()
    assert_close(model(inputs), network("transformer", SIGNATURE)(inputs), rtol=0, atol=0)


@pytest.mark.parametrize("frames", ["random", "identity"])
def test_frames_that_see_nothing_keep_nothing(frames, network, inputs, generator):
    model = network("framed", SIGNATURE, frames=frames).eval()
    assert error(model, inputs, E3, generator).min() > 1e-3


def test_axes_are_orthonormal(draw):
    axes = framed.orthonormalise(100 * draw(20, 2, 3))
    eye = torch.eye(3).double().expand(20, 3, 3)
    assert_close(axes @ axes.mT, eye, rtol=0, atol=1e-3)
    assert (torch.linalg.det(axes) > 0.99).all()


def test_one_direction_makes_one_axis():
    axes = framed.orthonormalise(torch.tensor([[[3.0, 0, 0], [5.0, 0, 0]]]).double())
    assert_close(axes.abs().sum((0, 2)), torch.tensor([1.0, 0, 0]).double(), rtol=0, atol=1e-2)


def test_vectors_of_heads_turn_and_scalars_do_not(draw, generator):
    x, rotations = draw(2, 3, 4, 9), draw_haar(6, generator).view(2, 3, 3, 3)
    turned = turn_channels(x, rotations)
    assert_close(turned[..., :6], x[..., :6], rtol=0, atol=0)
    assert_close(turned[..., 6:], torch.einsum("bnhi,bnij->bnhj", x[..., 6:], rotations))


def test_attention_is_that_of_lloca_in_the_same_frames(draw, generator):
    """LLoCa's vectors have a time, here zero, and Minkowski's product, the other sign in space."""
    library = pytest.importorskip("lloca.backbone.attention")
    frames = pytest.importorskip("lloca.framesnet.frames")
    block = transformer.Block(32, 2).double()  # heads of 10 scalars and 2 vectors
    x, rotations = draw(3, 5, 32), draw_haar(15, generator).view(3, 5, 3, 3)
    q, k, v = block.to_qkv(x).unflatten(-1, (3, 2, 16)).permute(2, 0, 3, 1, 4)
    k = k * torch.tensor([1.0] * 10 + [-1.0] * 6)
    matrices = torch.eye(4).double().repeat(3, 5, 1, 1)
    matrices[..., 1:, 1:] = rotations
    attention = library.LLoCaAttention("10x0n+2x1n", 2, preserve_variance=False)
    attention.prepare_frames(frames.Frames(matrices))
    outputs = attention(*(to_spacetime(part) for part in (q, k, v)), scale=16**-0.5)
    space = torch.cat([outputs[..., :10], outputs[..., 11:14], outputs[..., 15:]], -1)
    expected = space.transpose(1, 2).flatten(2)
    assert_close(block.attend(x, None, rotations), expected, rtol=1e-12, atol=1e-12)


def to_spacetime(x):
    time = torch.zeros_like(x[..., :1])
    return torch.cat([x[..., :10], time, x[..., 10:13], time, x[..., 13:]], -1)


def test_vectors_need_something_to_make_frames_of():
    with pytest.raises(ValueError, match="there are none to turn field 'force'"):
        framed.build(Signature({"charge": SCALAR}, {"force": VECTOR}))


def test_frames_that_turn_refuse_pairs_of_vectors():
    with pytest.raises(ValueError, match="framed takes 0e of pairs; field 'bond' is '1o'"):
        framed.build(BONDED)
    assert framed.build(BONDED, frames="identity").bias is not None
    with pytest.raises(ValueError, match="framed takes 0e of pairs"):
        framed.build(BONDED, frames="random")


def test_a_sample_of_padding_alone_spoils_no_other(network, inputs):
    mask = torch.ones(*inputs["position"].shape[:2], 1).double()
    mask[0] = 0
    outputs = network("framed", SIGNATURE)(inputs | {"mask": mask})
    assert all(x.isfinite().all() for x in outputs.values())


@pytest.mark.parametrize("options", [{"frames": "all"}, {"heads": 3}], ids=str)
def test_other_frames_and_heads_are_refused(options):
    with pytest.raises(ValueError, match=r"frames are|heads must divide"):
        framed.build(SIGNATURE, **options)
