"""Latent equivariance: how the pooled embedding turns is learned, the output is left alone."""

from torch import Generator, nn

from bench import Method, Task
from remul import SO3, Batch, Constant, Fields, Terms, latent_terms, latent_transform
from remul.latent import pooled_embedding


class Latent(nn.Module):
    """A network as it is, beside the transform of its embedding that is trained along."""

    def __init__(self, model: nn.Module, channels: int) -> None:
        super().__init__()
        self.model, self.transform = model, latent_transform(channels)

    def forward(self, inputs: Fields) -> Fields:
        """Return the outputs of the network."""
        return self.model(inputs)


def build(task: Task, beta: float = 1.0, alpha: float = 1.0) -> Method:
    """The loss alpha l(f(x), y) + beta |T(z(x), g) - z(g x)|^2 by `remul.latent_terms`.

    z is the mean of the last layer's features, T a small network trained along, g a Haar rotation
    for each sample and step: the idea of TransIP (2025). Raises `ValueError` for weights as
    `Constant`, for tasks whose group is not that of all rotations, and, when they are built, for
    networks whose layers have no features per object.
    """
    if task.group is not SO3:
        raise ValueError("latent is for tasks whose group is all rotations")

    def wrap(model: nn.Module) -> nn.Module:
        return Latent(model, pooled_embedding(model, task.train[:1].inputs)[1].shape[-1])

    def terms(wrapped: Latent, batch: Batch, generator: Generator) -> Terms:
        g = task.group.sample(batch.inputs, generator)
        model, learned = wrapped.model, wrapped.transform
        return latent_terms(model, learned, batch, task.signature, g, task.distance)

    return Method(terms, Constant(alpha, beta), wrap=wrap)
