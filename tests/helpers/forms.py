"""The same samples in both forms, padded and ragged, and a network that takes either."""

from dataclasses import dataclass
from itertools import product

import torch

from remul import POINT, SCALAR, VECTOR, Batch, Rep, Signature

OBJECTS = {"p": POINT, "v": VECTOR, "m": SCALAR}
EDGES = {"w": Rep("1o+0e", objects=2)}
SAMPLES = {"cell": Rep("3x1o", objects=0), "t": Rep("0e", objects=0)}
IMAGE = Rep("3x0e", objects=2)  # what `shift` is among padded samples
OUTPUTS = {
    "p": POINT,
    "q": Rep("2e+1o"),
    "bond": Rep("1o", objects=2),
    "energy": Rep("0e", objects=0),
    "dipole": Rep("1o", objects=0),
}
ALONG = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)  # what breaks every symmetry


@dataclass
class Form:
    """Samples of some sizes in one form."""

    sizes: tuple
    signature: Signature
    inputs: dict
    ragged: bool

    @property
    def batch(self):
        kinds = {name: rep.objects for name, rep in self.types.items()}
        targets = {name: 1 + 2 * y for name, y in network(self.inputs).items()}
        return Batch(self.inputs, targets, kinds)

    @property
    def types(self):
        return self.signature.inputs | self.signature.outputs

    def pad(self, fields, edge_index=None):
        """Fields as blocks with zeros where there is no object, whichever form they have."""
        if not self.ragged:
            typed = {name: x for name, x in fields.items() if name in self.types}
            return {name: blank(x, self.types[name], self.sizes) for name, x in typed.items()}
        edge_index = self.inputs["edge_index"] if edge_index is None else edge_index
        return {
            name: block(x, self.types[name].objects, self.sizes, edge_index)
            for name, x in fields.items()
            if name in self.types
        }


def draw_forms(sizes, generator):
    """The padded and the ragged form of random samples; edges join all, objects themselves too."""
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    edges = [
        (start + i, start + j)
        for start, n in zip(starts, sizes, strict=True)
        for i, j in product(range(n), repeat=2)
    ]
    edge_index = torch.tensor(edges).T.contiguous()
    counts = (len(sizes), sum(sizes), len(edges))
    types = OBJECTS | EDGES | SAMPLES
    fields = {
        name: torch.randn(counts[rep.objects], rep.dim, dtype=torch.float64, generator=generator)
        for name, rep in types.items()
    }
    shift = torch.randint(-1, 2, (len(edges), 3), generator=generator)
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    indices = {"batch": batch, "edge_index": edge_index, "shift": shift}
    ragged = Form(sizes, Signature(types, OUTPUTS), fields | indices, ragged=True)
    blocks = {
        n: block(x, types[n].objects, sizes, edge_index, float("nan")) for n, x in fields.items()
    }
    blocks["image"] = block(shift.double(), 2, sizes, edge_index)
    padded = Form(sizes, Signature(types | {"image": IMAGE}, OUTPUTS), blocks, ragged=False)
    if len(set(sizes)) > 1:
        padded.inputs["mask"] = real(sizes).double().unsqueeze(-1)
    return padded, ragged


def real(sizes):
    return torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]


def places(sizes):
    """Sample and place of each object in turn."""
    return real(sizes).nonzero(as_tuple=True)


def block(x, objects, sizes, edge_index, fill=0.0):
    """Rows as blocks, one entry after another."""
    if objects == 0:
        return x
    n, (sample, place) = max(sizes), places(sizes)
    blocks = x.new_full((len(sizes), *[n] * objects, *x.shape[1:]), fill)
    where = (place,) if objects == 1 else (place[edge_index[0]], place[edge_index[1]])
    blocks[(sample if objects == 1 else sample[edge_index[0]], *where)] = x
    return blocks


def blank(x, rep, sizes):
    """Blocks with zeros where there is no object."""
    there = real(sizes)
    there = there[:, :, None] & there[:, None] if rep.objects == 2 else there
    return x if rep.objects == 0 else torch.where(there.unsqueeze(-1), x, 0)


def network(inputs):
    """A network without any symmetry that sums messages over edges, smooth in all its inputs."""
    if "batch" in inputs:
        batch, edges = inputs["batch"], inputs["edge_index"]
        counts = torch.bincount(batch)
        place = torch.arange(len(batch)) - (counts.cumsum(0) - counts)[batch]
        return pass_messages(inputs, batch, place, edges, inputs["shift"].double())
    there = inputs["mask"][..., 0].bool() if "mask" in inputs else inputs["m"][..., 0].isfinite()
    return unpack(inputs, there)


def unpack(inputs, there):
    """The same of padded samples, with NaN where there is no object."""
    sample, place = there.nonzero(as_tuple=True)
    number = torch.zeros_like(there, dtype=torch.int64)
    number[sample, place] = torch.arange(len(sample))
    of, i, j = (there[:, :, None] & there[:, None]).nonzero(as_tuple=True)
    rows = {name: inputs[name] for name in SAMPLES}
    rows |= {name: inputs[name][sample, place] for name in OBJECTS}
    rows |= {name: inputs[name][of, i, j] for name in EDGES}
    edges = torch.stack([number[of, i], number[of, j]])
    outputs = pass_messages(rows, sample, place, edges, inputs["image"][of, i, j])
    size, n = there.shape
    where = {1: (sample, place), 2: (of, i, j)}
    return {
        name: x
        if OUTPUTS[name].objects == 0
        else x.new_full((size, *[n] * OUTPUTS[name].objects, x.shape[-1]), float("nan")).index_put(
            where[OUTPUTS[name].objects], x
        )
        for name, x in outputs.items()
    }


def span(rows, batch, edges, shift):
    """What each edge spans, periodic images among its ends, and how near they are."""
    sender, receiver = edges
    cell = rows["cell"].unflatten(-1, (3, 3))[batch[sender]]
    apart = rows["p"][sender] + (shift.unsqueeze(1) @ cell).squeeze(1) - rows["p"][receiver]
    return apart, torch.exp(-apart.square().sum(-1, keepdim=True) / 4)


def exact(inputs):
    """A ragged network that is equivariant under E(3) and permutations."""
    batch, edges = inputs["batch"], inputs["edge_index"]
    apart, near = span(inputs, batch, edges, inputs["shift"].double())
    got = torch.zeros_like(inputs["p"]).index_add(0, edges[1], near * (apart + inputs["w"][:, :3]))
    sizes = (inputs["v"] * got).sum(-1, keepdim=True)
    energy = inputs["t"].index_add(0, batch, sizes)
    return {
        "p": inputs["p"] + got,
        "q": torch.cat([0 * got, 0 * got[:, :2], sizes * inputs["v"]], -1),
        "bond": near * apart,
        "energy": energy,
        "dipole": inputs["cell"][:, 3:6].index_add(0, batch, got),
    }


def pass_messages(rows, batch, place, edges, shift):
    sender, receiver = edges
    apart, near = span(rows, batch, edges, shift)
    message = near * (apart + rows["w"][:, :3]) * (1 + rows["m"][sender] * rows["w"][:, 3:])
    got = torch.zeros_like(rows["p"]).index_add(0, receiver, message)
    tilt = torch.sin(got @ ALONG).unsqueeze(-1) * (1 + 0.1 * place.unsqueeze(-1))
    p = rows["p"] + got + 0.1 * ALONG * tilt + rows["v"]
    q = torch.cat([got * tilt, rows["v"] + tilt, rows["v"][:, :2]], -1)
    samples = rows["t"].new_zeros(len(rows["t"]), 1)
    energy = rows["t"] + samples.index_add(0, batch, tilt)
    dipole = rows["cell"][:, :3] + (energy * 0).expand(-1, 3).index_add(0, batch, got)
    return {"p": p, "q": q, "bond": message, "energy": energy, "dipole": dipole}
