"""NequIP of nequip: energies and forces by differentiation, l = 1, over all pairs."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from bench.peers._adapters import edges, sample
from remul.fields import Fields

PACKAGE = "nequip"
JOB = "forces"
OURS = {"name": "nequip", "kwargs": {"layers": 3, "degree": 1}}


def build(
    neighbours: int | None, channels: int = 32, layers: int = 3, forces: bool = True
) -> nn.Module:
    """`nequip.model.NequIPGNNModel`; training it differentiates twice."""
    from nequip.model import NequIPGNNModel

    make = partial(NequIPGNNModel, num_layers=layers, l_max=1, num_features=channels)
    return Peer(neighbours, make, forces)


class Peer(nn.Module):
    def __init__(
        self, neighbours: int | None, make: Callable[..., nn.Module], forces: bool
    ) -> None:
        from nequip.utils.global_state import set_global_state

        super().__init__()
        self.neighbours, self.forces = neighbours, forces
        set_global_state()  # refuses to build without; sets a float64 default for this process
        self.net = make(
            seed=0,
            model_dtype="float32",
            r_max=50.0,
            type_names=["minus", "plus"],
            avg_num_neighbors=16.0,
            do_derivatives=forces,
        )

    def forward(self, inputs: Fields) -> Fields:
        if not self.forces:
            energy = self.net(self.graph(inputs))["total_energy"]
            return {"energy": energy.to(inputs["position"])}
        with torch.inference_mode(False), torch.enable_grad():
            forces = self.net(self.graph(inputs))["forces"]
            return {"force": forces.view(inputs["position"].shape).to(inputs["position"])}

    def graph(self, inputs: Fields) -> dict[str, Tensor]:
        """What NequIP reads, by its names."""
        x = inputs["position"].clone()
        batch, n, _ = x.shape
        receiver, sender = edges(x, self.neighbours)
        return {
            "pos": x.flatten(0, 1).double(),
            "edge_index": torch.stack([receiver, sender]),
            "atom_types": (inputs["charge"].clone() > 0).long().flatten(),
            "batch": sample(batch, n, x.device),
            "num_atoms": torch.full((batch,), n, device=x.device),
        }
