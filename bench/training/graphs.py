"""A training step as one CUDA graph: the same work on the GPU, launched at once."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from bench.core.contracts import Method, pass_on
from bench.training.optimisers import Together
from remul import Batch
from remul.fields import BATCH

WARM_UP = 3  # steps before the graph is captured, taken as any other


def explain_eager(
    method: Method, optimiser: torch.optim.Optimizer | Together, batch: Batch
) -> str | None:
    """Return why a step cannot be a CUDA graph; None if it can."""
    capturable = all(group.get("capturable") for group in optimiser.param_groups)
    penalty = method.penalty.penalty
    reasons = {
        "it needs a GPU": batch.device.type != "cuda",
        "the method draws inside its terms": method.draw is pass_on,
        "its penalty changes from step to step": bool(getattr(penalty, "state_dict", lambda: 1)()),
        "its penalty takes gradients of its own": hasattr(penalty, "watch"),
        "the optimiser waits for the GPU": not capturable,
        "its samples differ in size": BATCH in batch.inputs,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


@dataclass
class GraphedTrainer:
    """A trainer whose steps are replayed from one CUDA graph, to the same weights.

    The first steps are taken as they are, on a stream of their own, so that all that is made once
    is there. Where there is no graph `refuse` is told why, and steps go on as they are. A loss is
    overwritten by that of the next step.
    """

    trainer: Any  # `loop.Trainer`, which makes use of this module
    refuse: Callable[[str], None]
    taken: int = 0
    inputs: list[Tensor] = field(default_factory=list)  # what the graph reads
    results: tuple[Tensor, dict[str, Tensor]] | None = None
    graph: Any = None
    eager: bool = False

    @property
    def optimiser(self) -> torch.optim.Optimizer | Together:
        """That of the trainer."""
        return self.trainer.optimiser

    def step(self, batch: Batch) -> Tensor:
        """Take a step and return the loss."""
        if not (self.eager or self.taken):
            self._refuse(explain_eager(self.trainer.method, self.optimiser, batch))
        if self.eager:
            return self.trainer.step(batch)
        self.taken += 1
        if self.taken <= WARM_UP:
            return self._warm_up(batch)
        drawn = self.trainer.method.draw(batch, self.trainer.generator)
        if self.graph is None:
            self._try_to_capture(batch, drawn)
        if self.eager:
            return self.trainer.work(batch, drawn)
        for own, given in zip(self.inputs, list_tensors((batch, drawn)), strict=True):
            own.copy_(given)
        self.graph.replay()
        loss, terms = self.results
        self.trainer.method.penalty.note(terms)
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return that of the trainer."""
        return self.trainer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self.trainer.load_state_dict(state)

    def _refuse(self, reason: str | None) -> None:
        if reason:
            self.eager = True
            self.refuse(f"no CUDA graph of its steps: {reason}")

    def _warm_up(self, batch: Batch) -> Tensor:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            loss = self.trainer.step(batch)
        torch.cuda.current_stream().wait_stream(stream)
        return loss

    def _try_to_capture(self, batch: Batch, drawn: Any) -> None:  # noqa: ANN401 - as a method draws
        own = Batch(deepcopy(batch.inputs), deepcopy(batch.targets), batch.objects), deepcopy(drawn)
        terms, graph = {}, torch.cuda.CUDAGraph()

        def weigh(given: dict[str, Tensor]) -> Tensor:
            terms.update((name, term.detach()) for name, term in given.items())
            return self.trainer.method.penalty.penalty(given)

        try:
            with torch.cuda.graph(graph):
                loss = self.trainer.work(*own, weigh)
        except RuntimeError as error:
            self._refuse(str(error).partition("\n")[0])
            return
        self.inputs, self.results, self.graph = [*list_tensors(own)], (loss, terms), graph


def list_tensors(tree: Any) -> Iterator[Tensor]:  # noqa: ANN401 - batches, elements, lists of them
    """Yield the tensors of batches and group elements, always in the same order."""
    if isinstance(tree, Tensor):
        yield tree
        return
    if isinstance(tree, Batch):
        parts = (tree.inputs, tree.targets)
    elif isinstance(tree, list | tuple):
        parts = tree
    else:
        parts = (tree if isinstance(tree, Mapping) else vars(tree)).values()
    for part in parts:
        yield from list_tensors(part)
