"""Layers whose weights are U v: U is learned over many problems, v adapts to each (MSR)."""

import torch
from torch import Tensor, nn
from torch.func import grad, vmap

from remul.fields import Fields, Signature


def build(
    signature: Signature,
    form: str = "full",
    filters: int = 3,
    inner_steps: int = 3,
    rate: float = 0.1,
) -> "MSR":
    """Return a linear layer that adapts to the support of each problem, then answers its queries.

    After Zhou et al. (2021): vec(W) = U v in `form` "full" with any U, "kronecker" with
    U = A x B, and what they are compared with: "dense", where U is the identity, "local", a
    filter of its own at each place, and "convolution", one for all. `filters` is the size of v in
    the first two, of a filter in the last two. Adapting is `inner_steps` steps of gradient descent
    on the mean squared error over the support, from a v and with rates that are learned; they
    begin at `rate`. Takes the fields of `bench.tasks.filters` and raises `ValueError` for others
    and for unknown forms.
    """
    names = {"support", "answer", "query"}
    if set(signature.inputs) != names or set(signature.outputs) != {"response"}:
        raise ValueError(f"msr takes the fields {', '.join(sorted(names))} and gives response")
    if form not in FORMS:
        raise ValueError(f"no form {form!r}; there are {', '.join(FORMS)}")
    shape = (signature.outputs["response"].dim, signature.inputs["query"].dim)
    return MSR(FORMS[form](*shape, filters), shape, [rate] * inner_steps)


class MSR(nn.Module):
    def __init__(self, symmetry: nn.Module, shape: tuple[int, int], rates: list[float]) -> None:
        super().__init__()
        self.symmetry, self.shape = symmetry, shape
        self.start = nn.Parameter(symmetry.draw())
        self.rate = nn.Parameter(torch.tensor(rates))

    def forward(self, inputs: Fields) -> Fields:
        v = self.adapt(inputs["support"], inputs["answer"])  # (problems, k)
        weight = self.symmetry(v).view(-1, *self.shape)
        return {"response": inputs["query"] @ weight.mT}

    def adapt(self, x: Tensor, y: Tensor) -> Tensor:
        """Return v for each problem, from its support."""
        slope = vmap(grad(self._error))
        v = self.start.expand(len(x), -1)
        for rate in self.rate:
            v = v - rate * slope(v, x, y)
        return v

    def _error(self, v: Tensor, x: Tensor, y: Tensor) -> Tensor:
        weight = self.symmetry(v).view(self.shape)
        return (x @ weight.mT - y).square().mean()


class Full(nn.Module):
    """Any U, (outputs inputs, k), which is learned."""

    def __init__(self, outputs: int, inputs: int, k: int) -> None:
        super().__init__()
        self.u = nn.Parameter(0.1 * torch.randn(outputs * inputs, k))
        self.shape = (outputs, inputs, k)

    def draw(self) -> Tensor:
        """Return a v to begin with."""
        return 0.1 * torch.randn(self.shape[-1])

    def forward(self, v: Tensor) -> Tensor:
        return v @ self.u.mT

    def matrix(self) -> Tensor:
        """Return U, (outputs, inputs, k)."""
        return self.u.view(self.shape)


class Kronecker(nn.Module):
    """U = A x B, which is learned: W = A V B with V of the shape of W."""

    def __init__(self, outputs: int, inputs: int, _: int) -> None:
        super().__init__()
        self.left, self.right = (nn.Parameter(torch.eye(n)) for n in (outputs, inputs))

    def draw(self) -> Tensor:
        """Return a v to begin with."""
        return 0.1 * torch.randn(len(self.left) * len(self.right))

    def forward(self, v: Tensor) -> Tensor:
        inner = v.unflatten(-1, (len(self.left), len(self.right)))
        return (self.left @ inner @ self.right).flatten(-2)


class Fixed(nn.Module):
    """The U of a sharing that is known: which number of v each weight is, -1 for none."""

    def __init__(self, places: Tensor) -> None:
        super().__init__()
        self.count = int(places.max()) + 1
        self.register_buffer("places", places.flatten().clamp_min(0))
        self.register_buffer("present", (places.flatten() >= 0).float())

    def draw(self) -> Tensor:
        """Return a v to begin with."""
        return 0.1 * torch.randn(self.count)

    def forward(self, v: Tensor) -> Tensor:
        return v[..., self.places] * self.present


def _dense(outputs: int, inputs: int, _: int) -> Fixed:
    return Fixed(torch.arange(outputs * inputs))


def _convolution(outputs: int, inputs: int, size: int) -> Fixed:
    offset = torch.arange(inputs) - torch.arange(outputs)[:, None]
    return Fixed(torch.where((offset >= 0) & (offset < size), offset, -1))


def _local(outputs: int, inputs: int, size: int) -> Fixed:
    shared = _convolution(outputs, inputs, size).places.view(outputs, inputs)
    offset = torch.arange(inputs) - torch.arange(outputs)[:, None]
    own = shared + size * torch.arange(outputs)[:, None]
    return Fixed(torch.where((offset >= 0) & (offset < size), own, -1))


FORMS = {
    "full": Full,
    "kronecker": Kronecker,
    "dense": _dense,
    "local": _local,
    "convolution": _convolution,
}
