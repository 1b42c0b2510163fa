"""EquiLLM: what the language model reads, and that it neither learns nor breaks the symmetry."""

import pytest
import torch
from torch.testing import assert_close

from models import equillm
from models.layers.language import CHARACTERS, RandomLanguageModel, freeze, spell
from remul import E3, POINT, SCALAR, VECTOR, Rep, Signature, act, equivariance_error

SIGNATURE = Signature(
    {"charge": SCALAR, "position": POINT, "velocity": VECTOR},
    {"position": POINT, "energy": Rep("0e", objects=0)},
)


def drawn(draw, batch=4, objects=5):
    return {name: draw(batch, objects, rep.dim) for name, rep in SIGNATURE.inputs.items()}


def build(**options):
    with torch.random.fork_rng():
        torch.random.manual_seed(0)
        return equillm.build(SIGNATURE, channels=16, **options).double()


def error(model, inputs, generator):
    return equivariance_error(model, inputs, SIGNATURE, E3.sample(inputs, generator)).max()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1.00e+00 "),
        (0.0, "0.00e-99 "),
        (9.999, "1.00e+01 "),
        (0.0123456, "1.23e-02 "),
        (6.02e23, "6.02e+23 "),
        (2.5e-7, "2.50e-07 "),
    ],
)
def test_numbers_are_spelled_with_three_digits(number, text):
    indices = spell(torch.tensor([[number]], dtype=torch.float64))[0]
    assert "".join(CHARACTERS[index] for index in indices) == text


def test_the_prompt_stays_under_rotations(draw, generator):
    model, inputs = build(), drawn(draw)
    turned = act(E3.sample(inputs, generator), inputs, SIGNATURE.inputs)

    def statistics(fields):
        _, x, v = model.encoder(fields)
        return model.reader.measure(fields, x, v)

    assert_close(statistics(turned), statistics(inputs), rtol=1e-12, atol=1e-12)


def test_raw_coordinates_break_the_symmetry_a_million_times_as_much(draw, generator):
    inputs = drawn(draw)
    broken = error(build(reads="coordinates"), inputs, generator)
    assert error(build(), inputs, generator) < 1e-12
    assert error(build(reads="nothing"), inputs, generator) < 1e-12
    assert broken > 1e6 * error(build(), inputs, generator)


def test_what_is_read_counts(draw):
    model, inputs = build(), drawn(draw)
    before = model(inputs)["energy"]
    model.reader.characters.copy_(model.reader.characters.flip(0))
    assert (model(inputs)["energy"] - before).abs().min() > 0


def test_the_language_model_does_not_learn(draw):
    model, inputs = build(), drawn(draw)
    before = {name: x.clone() for name, x in model.reader.language.state_dict().items()}
    optimiser = torch.optim.Adam(model.parameters())
    for _ in range(3):
        optimiser.zero_grad()
        model(inputs)["energy"].square().sum().backward()
        optimiser.step()
    assert before.keys() == dict(model.reader.language.named_buffers()).keys()
    assert_close(model.reader.language.state_dict(), before, rtol=0, atol=0)
    assert not [*model.reader.language.parameters()]


def test_a_prefix_is_read_once_as_if_it_stood_before_each_sample(draw):
    language = RandomLanguageModel(width=16, depth=2, heads=2, longest=64).double()
    tokens, objects = torch.tensor(language.tokenise("a few words ")), draw(3, 4, 16)
    whole = language.read(tokens[:1], tokens[1:].expand(3, -1), objects, None)
    split = language.read(tokens[:8], tokens[8:].expand(3, -1), objects, None)
    assert_close(split, whole, rtol=1e-12, atol=1e-12)


def test_a_prompt_that_is_too_long_is_one_line(draw):
    language = RandomLanguageModel(longest=8).double()
    with pytest.raises(ValueError, match="a prompt of 8 bytes is too long, 7 fit"):
        language.read(torch.zeros(5).long(), torch.zeros(1, 3).long(), draw(1, 2, 64), None)


def test_a_checkpoint_is_read_from_its_folder(tmp_path, draw, generator):
    transformers = pytest.importorskip("transformers")
    tokens = {bytes([byte]).decode("latin1"): byte for byte in range(256)}
    tokeniser = transformers.PreTrainedTokenizerFast(tokenizer_object=characters(tokens))
    config = transformers.GPT2Config(
        vocab_size=256, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    transformers.GPT2Model(config).save_pretrained(tmp_path)
    tokeniser.save_pretrained(tmp_path)
    model, inputs = build(checkpoint=str(tmp_path)), drawn(draw)
    assert error(model, inputs, generator) < 1e-12
    assert not model.train().reader.language.network.training
    order = torch.tensor([3, 1, 4, 0, 2])
    moved = model({name: x[:, order] for name, x in inputs.items()})
    assert_close(moved["position"], model(inputs)["position"][:, order], rtol=1e-10, atol=1e-12)


def characters(tokens):
    """A tokeniser of single characters."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    tokeniser = Tokenizer(models.WordLevel(tokens, unk_token=" "))
    tokeniser.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokeniser.decoder = decoders.Fuse()
    return tokeniser


def test_a_missing_checkpoint_is_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"needs the extra \[llm\]|no language model in"):
        build(checkpoint=str(tmp_path / "none"))


def test_it_reads_what_there_is():
    with pytest.raises(ValueError, match="equillm reads features, coordinates, nothing; got 'all'"):
        build(reads="all")


def test_frozen_weights_are_kept():
    layer = torch.nn.Linear(2, 2)
    weight = layer.weight.clone()
    freeze(layer)
    assert not [*layer.parameters()]
    assert_close(layer.state_dict()["weight"], weight)
