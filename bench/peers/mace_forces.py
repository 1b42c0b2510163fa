"""MACE of mace-torch: energies and forces by differentiation, two layers, over all pairs."""

import numpy as np
import torch
from e3nn import o3
from torch import Tensor, nn
from torch.nn.functional import one_hot, silu

from bench.peers._adapters import edges, sample
from remul.fields import Fields

PACKAGE = "mace-torch"
JOB = "forces"
OURS = {"name": "nequip", "kwargs": {"layers": 3, "degree": 2}}
DIFFERS = "another kind: theirs has products of three neighbours"
SMALLER = "ours"


def build(neighbours: int | None, channels: int = 32, forces: bool = True) -> nn.Module:
    """`mace.modules.MACE`, correlation 3, hidden 0e + 1o; training it differentiates twice."""
    return Peer(neighbours, channels, forces)


class Peer(nn.Module):
    def __init__(self, neighbours: int | None, channels: int, forces: bool) -> None:
        from mace import modules

        super().__init__()
        self.neighbours, self.forces = neighbours, forces
        block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
        self.net = modules.MACE(
            r_max=50.0,
            num_bessel=8,
            num_polynomial_cutoff=5,
            max_ell=2,
            interaction_cls=block,
            interaction_cls_first=block,
            num_interactions=2,
            num_elements=2,
            hidden_irreps=o3.Irreps(f"{channels}x0e+{channels}x1o"),
            MLP_irreps=o3.Irreps("16x0e"),
            atomic_energies=np.zeros(2),
            avg_num_neighbors=16.0,
            atomic_numbers=[1, 2],
            correlation=3,
            gate=silu,
        )

    def forward(self, inputs: Fields) -> Fields:
        if not self.forces:
            found = self.net(self.graph(inputs), compute_force=False)
            return {"energy": found["energy"].unsqueeze(-1)}
        with torch.inference_mode(False), torch.enable_grad():
            found = self.net(self.graph(inputs), training=self.training)
            return {"force": found["forces"].view(inputs["position"].shape)}

    def graph(self, inputs: Fields) -> dict[str, Tensor]:
        """What MACE reads, by its names."""
        x = inputs["position"].clone()
        batch, n, _ = x.shape
        receiver, sender = edges(x, self.neighbours)
        kind = (inputs["charge"].clone() > 0).long().flatten()
        return {
            "positions": x.flatten(0, 1),
            "node_attrs": one_hot(kind, 2).to(x),
            "edge_index": torch.stack([sender, receiver]),
            "shifts": x.new_zeros(len(sender), 3),
            "unit_shifts": x.new_zeros(len(sender), 3),
            "cell": x.new_zeros(3 * batch, 3),
            "batch": sample(batch, n, x.device),
            "ptr": n * torch.arange(batch + 1, device=x.device),
        }
