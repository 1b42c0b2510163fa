"""eSEN of fairchem-core: convolutions in frames of the edges, l = 2, direct forces, two layers."""

import torch
from torch import nn

from bench.peers._adapters import edges, sample
from remul.fields import Fields

PACKAGE = "fairchem-core"
JOB = "vectors"
OURS = {"name": "segnn", "kwargs": {"layers": 2, "degree": 2}}
DIFFERS = "another kind: theirs turns features into frames of the edges, and sees no velocities"


def build(
    neighbours: int | None, channels: int = 32, layers: int = 2, degree: int = 2
) -> nn.Module:
    """`eSCNMDBackbone`, the one of UMA, with `Linear_Force_Head`, no data sets embedded."""
    return Peer(neighbours, channels, layers, degree)


class Peer(nn.Module):
    def __init__(self, neighbours: int | None, channels: int, layers: int, degree: int) -> None:
        from fairchem.core.models.uma.escn_md import Linear_Force_Head, eSCNMDBackbone

        super().__init__()
        self.neighbours = neighbours
        self.net = eSCNMDBackbone(
            max_num_elements=3,
            sphere_channels=channels,
            lmax=degree,
            mmax=degree,
            cutoff=50.0,
            edge_channels=channels,
            num_distance_basis=64,
            num_layers=layers,
            hidden_channels=channels,
            use_dataset_embedding=False,
        )
        self.head = Linear_Force_Head(self.net)

    def forward(self, inputs: Fields) -> Fields:
        data = Graph(inputs, self.neighbours)
        return {"force": self.head(data, self.net(data))["forces"].view_as(inputs["position"])}


class Graph(dict):
    """What fairchem reads, by its names; its `get` has a word for the default."""

    def __init__(self, inputs: Fields, neighbours: int | None) -> None:
        x = inputs["position"]
        batch, n, _ = x.shape
        receiver, sender = edges(x, neighbours)
        zeros = torch.zeros(batch, dtype=torch.long, device=x.device)
        super().__init__(
            pos=x.flatten(0, 1),
            atomic_numbers=(inputs["charge"] > 0).long().flatten() + 1,
            batch=sample(batch, n, x.device),
            natoms=zeros + n,
            charge=zeros,
            spin=zeros,
            edge_index=torch.stack([sender, receiver]),
            nedges=zeros + len(sender) // batch,
            cell=x.new_zeros(batch, 3, 3),
            cell_offsets=x.new_zeros(len(sender), 3),
        )

    def get(self, key: str, default: object = None) -> object:
        return super().get(key, default)
