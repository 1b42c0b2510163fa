"""What takes a step along the gradients: Adam, and what else a run may ask for."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

Split = Callable[[Tensor], Iterable[Tensor]]
MATCH = 0.2  # times the root of the longer side: steps of a matrix are then as long as Adam's
EPSILON = 1e-8
BETAS = (0.9, 0.999)


class Together:
    """Several optimisers, each of weights of its own, as one."""

    def __init__(self, *optimisers: "torch.optim.Optimizer | Together") -> None:
        self.optimisers = optimisers

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of all."""
        return [*chain.from_iterable(each.param_groups for each in self.optimisers)]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of all weights."""
        for each in self.optimisers:
            each.zero_grad(set_to_none)

    def step(self) -> None:
        """Take a step with all."""
        for each in self.optimisers:
            each.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the states of all."""
        return {"optimisers": [each.state_dict() for each in self.optimisers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        for each, own in zip(self.optimisers, state["optimisers"], strict=True):
            each.load_state_dict(own)


class BlockAdam(torch.optim.Optimizer):
    """Adam whose step of each block of a matrix is divided by its spectral norm.

    A block is what takes one irrep to another: in a steerable linear map Adam moves some of them by
    far more than others (Manolache and Niepert 2026). A step has the norm of one of Muon's.
    """

    def __init__(self, blocks: dict[nn.Parameter, Split], lr: float) -> None:
        super().__init__([*blocks], {"lr": lr})
        self.blocks = blocks

    @torch.no_grad()
    def step(self) -> None:
        """Take one step."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    weight.sub_(self._update(weight), alpha=group["lr"])

    def _update(self, weight: nn.Parameter) -> Tensor:
        state, (first, second) = self.state[weight], BETAS
        if not state:
            state |= {"step": 0, "mean": torch.zeros_like(weight)}
            state |= {"square": torch.zeros_like(weight), "vectors": {}}
        state["step"] += 1
        state["mean"].lerp_(weight.grad, 1 - first)
        state["square"].lerp_(weight.grad.square(), 1 - second)
        mean = state["mean"] / (1 - first ** state["step"])
        update = mean / ((state["square"] / (1 - second ** state["step"])).sqrt() + EPSILON)
        for i, block in enumerate(self.blocks[weight](update)):
            norm, state["vectors"][i] = spectral_norm(block, state["vectors"].get(i))
            block.mul_(MATCH * max(block.shape) ** 0.5 / norm)
        return update


def spectral_norm(matrix: Tensor, vector: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the largest singular value by power iteration, and its vector to go on from.

    Without a vector it takes ten iterations, else two.
    """
    iterations = 10 if vector is None else 2
    vector = matrix.new_ones(matrix.shape[1]) if vector is None else vector
    image = matrix @ vector
    for _ in range(iterations):
        vector = matrix.mT @ image
        vector = vector / vector.norm().clamp_min(EPSILON)
        image = matrix @ vector
    return image.norm().clamp_min(EPSILON), vector


def find_blocks(model: nn.Module) -> dict[nn.Parameter, Split]:
    """Return how to take each trained matrix apart into blocks of irreps, in place.

    Most are one block, as each irrep has a matrix of its own. Modules of several say so, by
    `list_blocks` the columns of each, or as e3nn's linear maps do, all of them in a row.
    """
    matrices = (weight for weight in model.parameters() if weight.dim() == 2)
    blocks: dict[nn.Parameter, Split] = dict.fromkeys(matrices, lambda update: [update])
    for module in model.modules():
        if hasattr(module, "list_blocks"):
            blocks |= {
                w: partial(Tensor.split, split_size=n, dim=1) for w, n in module.list_blocks()
            }
        elif hasattr(module, "weight_views") and isinstance(module.weight, nn.Parameter):
            blocks[module.weight] = lambda update, views=module.weight_views: [
                view.flatten(0, -2) for view in views(update)
            ]
    return {weight: split for weight, split in blocks.items() if weight.requires_grad}


def build_optimiser(name: str, model: nn.Module, lr: float) -> torch.optim.Optimizer | Together:
    """Return one of `config.OPTIMISERS` for the trained weights of a model."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    graph = weights[0].is_cuda  # where a whole step may become one CUDA graph
    if name in ELEMENTWISE:
        rate = torch.tensor(lr, dtype=torch.float32, device=weights[0].device) if graph else lr
        return ELEMENTWISE[name](weights, lr=rate, fused=True, capturable=graph)
    blocks = find_blocks(model)
    if name == "muon":
        matrices = [weight for weight in blocks if weight.dim() == 2]
        own = torch.optim.Muon(matrices, lr=lr, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    else:
        matrices, own = [*blocks], BlockAdam(blocks, lr)
    kept = {id(weight) for weight in matrices}
    rest = [weight for weight in weights if id(weight) not in kept]
    return Together(own, torch.optim.Adam(rest, lr=lr, fused=True)) if rest else own


def set_lr(optimiser: torch.optim.Optimizer | Together, lr: float) -> None:
    """Set the learning rate of the next step, in place where it lies on a GPU."""
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr


def load_state(optimiser: torch.optim.Optimizer | Together, state: dict[str, Any]) -> None:
    """Have the optimiser go on; its learning rate, set anew at each step, stays where it lies."""
    rates = [group["lr"] for group in optimiser.param_groups]
    optimiser.load_state_dict(state)
    for group, rate in zip(optimiser.param_groups, rates, strict=True):
        group["lr"] = rate


ELEMENTWISE = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
