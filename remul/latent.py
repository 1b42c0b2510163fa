"""Latent equivariance: a learned transform predicts what a rotation does to hidden features."""

import torch
from torch import Tensor, nn

from remul.actions import check_elements, transform
from remul.batches import Batch
from remul.checks import check_labels
from remul.distances import Distance, field_distance
from remul.elements import Element
from remul.fields import BATCH, MASK, Fields, Signature, zero_padding
from remul.hidden import hidden_features
from remul.layouts import join
from remul.losses import EQUIVARIANCE, FIT, Terms


def latent_transform(channels: int) -> nn.Module:
    """Return a learned action of rotations on embeddings: z -> z + MLP(z, R).

    Args:
        channels: Width of the embeddings.

    Returns:
        A module of embeddings `(batch, channels)` and one rotation for each.

    Raises:
        ValueError: For fewer channels than 1.

    Example:
        >>> latent_transform(8)(torch.zeros(5, 8), g).shape
        torch.Size([5, 8])
    """
    if channels < 1:
        raise ValueError(f"channels needs to be at least 1, got {channels}")
    return LatentTransform(channels)


class LatentTransform(nn.Module):
    """The action of rotations that `latent_transform` returns."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide, narrow = nn.Linear(channels + 9, channels), nn.Linear(channels, channels)
        self.net = nn.Sequential(wide, nn.SiLU(), narrow)

    def forward(self, z: Tensor, g: Element) -> Tensor:
        """Return the embeddings that samples turned by g are to have."""
        rotation = g.to(z.device).rotation.to(z)
        return z + self.net(torch.cat([z, rotation.flatten(1)], -1))


def pooled_embedding(
    model: nn.Module, inputs: Fields
) -> tuple[Fields, Tensor]:  # and (batch, channels)
    """Return the outputs, and the mean over real objects of the features of the last layer.

    Args:
        model: A network that `hidden_features` reads.
        inputs: x, not ragged.

    Returns:
        f(x) and the embedding of each sample, `(batch, channels)`, zero without a real object.

    Raises:
        ValueError: As `hidden_features`, and for ragged inputs.

    Example:
        >>> class Net(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.layers = torch.nn.ModuleList([torch.nn.Linear(3, 8).double()])
        ...
        ...     def forward(self, fields):
        ...         return {"x": layer(fields["x"])[..., :3] for layer in self.layers}
        >>> pooled_embedding(Net(), inputs)[1].shape
        torch.Size([5, 8])
    """
    if BATCH in inputs:
        raise ValueError("embeddings are pooled over padded samples, not ragged ones")
    outputs, features = hidden_features(model, inputs)
    last, mask = [*features.values()][-1], inputs.get(MASK)
    if mask is None:
        return outputs, last.mean(1)
    return outputs, zero_padding({"": last}, mask)[""].sum(1) / mask.to(last).sum(1).clamp_min(1)


def latent_terms(
    model: nn.Module,
    learned: nn.Module,
    batch: Batch,
    signature: Signature,
    g: Element,
    distance: Distance,
) -> Terms:
    """Return "fit" as `loss_terms`, and "equivariance" l(T(z(x), g), z(g x)) of the embeddings z.

    A transform T that is learned along with f says how its embedding turns, as in TransIP (2025):
    the output itself is held to nothing. Both terms come from one forward pass.

    Args:
        model: f, a network that `hidden_features` reads.
        learned: T, such as a `latent_transform`, trained along with f.
        batch: Inputs x and targets y.
        signature: The types of both.
        g: One rotation per sample.
        distance: l, as in `loss_terms`; of the embeddings it is the mean square.

    Returns:
        "fit" in the units of `distance`, "equivariance" in squared units of the embedding.

    Raises:
        ValueError: As `loss_terms` and `pooled_embedding`, and unless g is one motion per sample.

    Example:
        >>> class Net(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.layers = torch.nn.ModuleList([torch.nn.Linear(3, 8).double()])
        ...
        ...     def forward(self, fields):
        ...         return {"x": layer(fields["x"])[..., :3] for layer in self.layers}
        >>> list(latent_terms(Net(), latent_transform(8).double(), batch, signature, g, mse))
        ['fit', 'equivariance']
    """
    layout = check_labels(batch, signature)
    g = _match(g, batch)
    turned = transform(g, batch.inputs, signature.inputs, layout)
    outputs, embedding = pooled_embedding(model, join([batch.inputs, turned]))
    output = {name: y[: len(y) // 2] for name, y in outputs.items()}
    z, z_turned = embedding.chunk(2)
    mask = batch.inputs.get(MASK)
    return {
        FIT: field_distance(output, batch.targets, distance, mask, signature.outputs),
        EQUIVARIANCE: (learned(z, g) - z_turned).square().mean(),
    }


def _match(g: Element, batch: Batch) -> Element:
    """Return the elements where the batch is; `ValueError` unless they are motions, one each."""
    check_elements([g], (Element,))
    if len(g) != len(batch):
        raise ValueError(f"{len(batch)} samples need as many rotations, got {len(g)}")
    return g.to(batch.device)
