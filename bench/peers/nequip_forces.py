"""NequIP of nequip: energies and forces by differentiation, l = 1, over all pairs."""

import torch
from torch import nn

from bench.peers._adapters import edges, sample
from remul.fields import Fields

PACKAGE = "nequip"
OURS = {"name": "nequip", "kwargs": {"layers": 3, "degree": 1}}


def build(neighbours: int | None, channels: int = 32, layers: int = 3) -> nn.Module:
    """`nequip.model.NequIPGNNModel`; training it differentiates twice."""
    return Peer(neighbours, channels, layers)


class Peer(nn.Module):
    def __init__(self, neighbours: int | None, channels: int, layers: int) -> None:
        from nequip.model import NequIPGNNModel
        from nequip.utils.global_state import set_global_state

        super().__init__()
        self.neighbours = neighbours
        set_global_state()  # refuses to build without; sets a float64 default for this process
        self.net = NequIPGNNModel(
            seed=0,
            model_dtype="float32",
            r_max=50.0,
            type_names=["minus", "plus"],
            num_layers=layers,
            l_max=1,
            num_features=channels,
            avg_num_neighbors=16.0,
        )

    def forward(self, inputs: Fields) -> Fields:
        with torch.inference_mode(False), torch.enable_grad():
            x = inputs["position"].clone()
            batch, n, _ = x.shape
            receiver, sender = edges(x, self.neighbours)
            data = {
                "pos": x.flatten(0, 1).double(),
                "edge_index": torch.stack([receiver, sender]),
                "atom_types": (inputs["charge"].clone() > 0).long().flatten(),
                "batch": sample(batch, n, x.device),
                "num_atoms": torch.full((batch,), n, device=x.device),
            }
            return {"force": self.net(data)["forces"].view(x.shape).to(x)}
