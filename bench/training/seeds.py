"""One of several trainings that are stepped at once, and what its method is given for a model."""

from dataclasses import dataclass, field
from typing import Any, NoReturn

from torch import Generator, Tensor
from torch._C._functorch import is_functorch_wrapped_tensor

from bench.core.config import Run
from bench.core.contracts import Method, Task
from bench.core.outcomes import DivergedError
from bench.training.batches import Batches
from bench.training.generators import rng
from remul import Batch, Fields, Terms


class LooksInsideError(ValueError):
    """The method asks for more of the model than its outputs."""


class ForwardRequest(Exception):  # noqa: N818 - no error: outputs that are not there yet
    """The inputs that a method wants the outputs of."""

    def __init__(self, inputs: Fields) -> None:
        self.inputs = inputs


class KnownOutputs:
    """What a method is given for a model: outputs that are there, and requests for others."""

    def __init__(self, outputs: list[Fields]) -> None:
        self._outputs = iter(outputs)

    def __call__(self, inputs: Fields) -> Fields:
        """Return the next output, or ask for that of the inputs."""
        output = next(self._outputs, None)
        if any(is_functorch_wrapped_tensor(x) or x.requires_grad for x in inputs.values()):
            raise ValueError("the method takes derivatives of the model in its inputs")
        if output is None:
            raise ForwardRequest(inputs)
        return output

    def __getattr__(self, name: str) -> NoReturn:
        raise LooksInsideError(f"the method asks the model for {name!r}")


@dataclass
class Seed:
    """One of several trainings: its own method, group elements and batches."""

    run: Run
    task: Task
    method: Method
    generator: Generator = field(init=False)
    batches: Batches = field(init=False)
    diverged: DivergedError | None = None

    def __post_init__(self) -> None:
        self.generator = rng("elements", self.run.seed)
        order = rng("batches", self.run.seed)
        data = self.method.data or self.task.train
        self.batches = Batches(data, self.run.batch_size, order)

    def terms(self, batch: Batch, state: Tensor, outputs: list[Fields]) -> Terms | ForwardRequest:
        """Return the method's terms, from outputs of its first model calls, or the next call.

        Begins anew each time, with the group elements that follow the generator's `state`.
        """
        self.generator.set_state(state)
        try:
            drawn = self.method.draw(batch, self.generator)
            return self.method.terms(KnownOutputs(outputs), batch, drawn)
        except ForwardRequest as request:
            return request

    def state_dict(self) -> dict[str, Any]:
        """Return all that the seed's next step depends on but the weights."""
        return {
            "batches": self.batches.state_dict(),
            "elements": self.generator.get_state(),
            "penalty": self.method.penalty.state_dict(),
            "diverged": self.diverged and str(self.diverged),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self.batches.load_state_dict(state["batches"])
        self.generator.set_state(state["elements"])
        self.method.penalty.load_state_dict(state["penalty"])
        self.diverged = DivergedError(state["diverged"]) if state["diverged"] else None
