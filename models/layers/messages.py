"""Messages between two objects: of what both hold and of what is between them."""

from torch import Tensor, nn

from models.layers.edges import Edges
from models.layers.mlp import SiLU, linear, mlp


class Messages(nn.Module):
    """A network of (h_i, h_j, a_ij), of so many numbers of the pair, (batch, rows, k, channels).

    Its first layer is linear, so h_i and h_j pass it before they meet, once per object and not once
    per edge.
    """

    def __init__(self, channels: int, numbers: int) -> None:
        super().__init__()
        self.receive, self.send = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.edge = linear(numbers, channels, bias=False)
        self.message = nn.Sequential(SiLU(), *mlp(channels, channels, activate_last=True))

    def forward(self, h: Tensor, numbers: Tensor, edges: Edges) -> Tensor:
        return self.message(self.meet(h, numbers, edges))

    def meet(self, h: Tensor, numbers: Tensor, edges: Edges) -> Tensor:
        """Return the first linear layer."""
        hidden = edges.gather_senders(self.send(h))  # a fresh tensor
        hidden = hidden.add_(edges.gather_receivers(self.receive(h)))
        if numbers.shape[-1] == 0:
            return hidden
        if hidden.dtype == numbers.dtype == self.edge.weight.dtype:  # not so under autocast
            hidden.flatten(0, 2).addmm_(numbers.flatten(0, 2), self.edge.weight.mT)
            return hidden
        return hidden + self.edge(numbers)
