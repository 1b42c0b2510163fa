"""Batches: an index and a loader pick the same samples of both sides, padded or ragged."""

import pickle
from copy import deepcopy

import pytest
import torch
from forms import draw_forms
from torch.testing import assert_close
from torch.utils.data import DataLoader, Subset

from remul import Batch

HALF = torch.float16


def test_a_slice_of_a_batch_keeps_inputs_and_targets_together():
    batch = Batch({"x": torch.arange(5)[:, None]}, {"y": 10 * torch.arange(5)[:, None]})
    part = batch[torch.tensor([3, 1])]
    assert torch.equal(10 * part.inputs["x"], part.targets["y"])


def test_the_length_of_a_batch_is_its_number_of_samples():
    assert len(Batch({"x": torch.zeros(5, 2, 3)}, {"y": torch.zeros(5, 1)})[1:4]) == 3


def test_a_batch_changes_dtype_on_both_sides():
    batch = Batch({"x": torch.zeros(5, 1)}, {"y": torch.zeros(5, 1)}).to(torch.float64)
    assert {batch.inputs["x"].dtype, batch.targets["y"].dtype} == {torch.float64}


def test_whole_numbers_stay_whole_in_another_dtype():
    inputs = {"x": torch.zeros(5, 1), "kind": torch.zeros(5, 1, dtype=torch.long)}
    batch = Batch(inputs, {"y": torch.zeros(5, 1)}).to(torch.float64)
    assert [x.dtype for x in batch.inputs.values()] == [torch.float64, torch.long]


def numbered(size):
    """A batch whose targets say which sample it is."""
    number = torch.arange(float(size))[:, None]
    return Batch(
        {"x": number[:, :, None].expand(size, 4, 3), "charge": number.long()}, {"y": number}
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_gives_batches_of_a_batch(workers):
    loader = DataLoader(numbered(5), batch_size=2, num_workers=workers)
    parts = list(loader)
    assert [type(part) for part in parts] == [Batch] * 3
    assert_close(torch.cat([part.inputs["x"] for part in parts]), numbered(5).inputs["x"])
    assert_close(torch.cat([part.targets["y"] for part in parts]), numbered(5).targets["y"])


def test_the_fields_of_a_copy_may_be_cast_in_place():
    """As Lightning does it under 64-true, which refuses frozen dataclasses."""
    copied = deepcopy(numbered(2))
    copied.inputs = {name: x.double() for name, x in copied.inputs.items()}
    assert copied.inputs["x"].dtype == torch.float64


SIZES = (3, 1, 2, 4)
INDICES = {
    "a number": 2,
    "a slice": slice(1, 3),
    "numbers": torch.tensor([3, 0, 3]),
    "a claim": torch.tensor([True, False, True, True]),
}


@pytest.fixture
def forms(generator):
    return draw_forms(SIZES, generator)


def of_sample(form, number):
    """The fields of one sample, object by object: both sides, without padding."""
    part = form.batch[number]
    alone = type(form)((SIZES[number],), form.signature, part.inputs, form.ragged)
    return alone.pad(part.inputs), alone.pad(part.targets)


@pytest.mark.parametrize("number", range(4))
def test_a_sample_is_that_of_the_padded_form(number, forms):
    padded, ragged = forms
    n = SIZES[number]
    for side in range(2):
        for name, x in of_sample(ragged, number)[side].items():
            whole = (padded.batch.inputs, padded.batch.targets)[side][name][number : number + 1]
            objects = padded.types[name].objects
            assert_close(x, whole[(slice(None), *[slice(n)] * objects)])


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_an_index_of_ragged_samples_joins_each(index, forms):
    batch = forms[1].batch
    wanted = torch.arange(4)[index].view(-1).tolist()
    together = next(iter(DataLoader([batch[i] for i in wanted], batch_size=len(wanted))))
    assert_close(batch[index].inputs, together.inputs)
    assert_close(batch[index].targets, together.targets)


@pytest.mark.parametrize("samples", [list, lambda batch: batch, lambda b: Subset(b, range(4))])
def test_a_loader_joins_ragged_samples(samples, forms):
    batch = forms[1].batch
    loaded = next(iter(DataLoader(samples(batch), batch_size=4)))
    assert_close((loaded.inputs, loaded.targets), (batch.inputs, batch.targets))


def test_edges_in_any_order_go_with_their_sample(forms, generator):
    batch = forms[1].batch
    order = torch.randperm(batch.inputs["edge_index"].shape[1], generator=generator)
    mixed = dict(batch.inputs)
    mixed |= {name: mixed[name][order] for name in ("w", "shift")}
    mixed["edge_index"] = mixed["edge_index"][:, order]
    part = Batch(mixed, {}, batch.objects)[2]
    assert sorted(part.inputs["w"][:, 0].tolist()) == sorted(batch[2].inputs["w"][:, 0].tolist())
    assert part.inputs["edge_index"].max() < 2


def test_other_indices_are_seen(forms):
    batch = forms[1].batch
    assert len(batch) == 4
    batch.inputs["batch"] = torch.zeros_like(batch.inputs["batch"])
    assert len(batch) == 1


@pytest.mark.parametrize(
    ("objects", "words"), [({}, "3 .*for 6 objects"), ({"y": 2}, "'edge_index'")]
)
def test_a_batch_says_what_a_ragged_value_belongs_to(objects, words):
    inputs = {"x": torch.zeros(6, 3), "batch": torch.tensor([0, 0, 0, 1, 2, 2])}
    with pytest.raises(ValueError, match=words):
        Batch(inputs, {"y": torch.zeros(3, 1)}, objects)[0]


def test_a_ragged_batch_can_be_sent_to_a_worker(forms):
    batch = forms[1].batch
    sent = pickle.loads(pickle.dumps(batch))[1]
    assert_close((sent.inputs, sent.targets), (batch[1].inputs, batch[1].targets))


@pytest.mark.parametrize(
    ("args", "options"),
    [((), {"device": "meta"}), (("meta",), {"non_blocking": True}), (("meta",), {"dtype": HALF})],
    ids=str,
)
def test_a_batch_goes_where_a_tensor_would(args, options):
    sent = numbered(2).to(*args, **options)
    wanted = torch.zeros(1).to(*args, **options)
    assert (sent.inputs["x"].dtype, sent.inputs["x"].device) == (wanted.dtype, wanted.device)
    assert sent.inputs["charge"].dtype == torch.long


def test_batches_are_compared_as_objects():
    batch = numbered(2)
    assert batch == batch
    assert batch != numbered(2)


def rings(edge_index, **objects):
    """Two samples of three objects, with as many edges as objects."""
    inputs = {"x": torch.zeros(6, 3), "batch": torch.tensor([0, 0, 0, 1, 1, 1])}
    inputs |= {"edge_index": torch.tensor(edge_index), "bond": torch.arange(6.0)[:, None]}
    return Batch(inputs, {"energy": torch.zeros(2, 1)}, {"energy": 0, **objects})


UNEVEN = [[0, 1, 3, 4, 5, 3], [1, 2, 4, 5, 3, 5]]  # two edges in the first sample
EVEN = [[0, 1, 2, 3, 4, 5], [1, 2, 0, 4, 5, 3]]


def test_a_value_of_either_objects_or_edges_is_named():
    with pytest.raises(ValueError, match=r"'bond' .*6 objects or of 6 edges; name it in objects="):
        rings(UNEVEN, x=1)[1]


@pytest.mark.parametrize(("kind", "rows"), [(1, [3, 4, 5]), (2, [2, 3, 4, 5])])
def test_once_named_it_goes_with_its_kind(kind, rows):
    part = rings(UNEVEN, x=1, bond=kind)[1]
    assert part.inputs["bond"][:, 0].tolist() == rows


def test_where_both_are_the_same_rows_no_name_is_needed():
    assert rings(EVEN)[1].inputs["bond"][:, 0].tolist() == [3, 4, 5]


def test_what_was_picked_is_known():
    part = rings(EVEN)[:]
    part.inputs["edge_index"] = torch.tensor(UNEVEN)
    assert len(part[0].inputs["x"]) == 3


def test_a_length_that_fits_nothing_says_what_to_write():
    batch = rings(EVEN)
    with pytest.raises(ValueError, match=r"2 for 6 objects; name it in objects=, 0 for a sample"):
        Batch(batch.inputs, batch.targets)[0]
