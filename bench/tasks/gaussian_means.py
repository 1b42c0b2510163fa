"""Means of noisy numbers, some of them equal: which may be averaged together?"""

import torch
from torch import Generator, Tensor
from torch.nn.functional import mse_loss, one_hot

from bench import Task
from bench.data.partitions import partition_distance
from remul import Batch, Rep, Signature

APART = 3.0  # between the means of two groups, in units of the noise


def load(
    seed: int, count: int = 5, groups: int = 3, train: int = 30, val: int = 70, test: int = 1000
) -> Task:
    """`count` numbers from N(theta_k, 1), each theta_k one of `groups` values 3 apart.

    The first task of Yeh et al. (2022); groups are as even as can be, in random order. The input
    is the constant "one". Scores: "partition_distance" of models that tell which numbers share
    their mean, "mean_mse" of the means, and for comparison "unshared_mse" and "oracle_mse" of the
    averages of training and validation samples alone and over the true groups: by their variance
    1 / (train + val), and groups / count of that. Raises `ValueError` for sizes below 1 and more
    groups than numbers.
    """
    if min(groups, train, val, test) < 1 or groups > count:
        raise ValueError(f"there have to be samples and 1 to {count} groups, got {groups}")
    generator = Generator().manual_seed(seed)
    labels = torch.randperm(count, generator=generator) % groups
    means = APART * labels.float()
    splits = {}
    for name, size in {"train": train, "val": val, "test": test}.items():
        y = means + torch.randn(size, count, generator=generator)
        splits[name] = Batch({"one": torch.ones(size, 1)}, {"y": y})
    signature = Signature({"one": Rep("0e", objects=0)}, {"y": Rep(f"{count}x0e", objects=0)})
    both = torch.cat([splits[name].targets["y"] for name in ("train", "val")]).mean(0)
    scores = _scores(means, labels, both)
    return Task(signature, **splits, distance=mse_loss, scores=scores, group=None)


def _scores(means: Tensor, labels: Tensor, averages: Tensor) -> dict:
    member = one_hot(labels).float()
    shared = (member / member.sum(0)) @ (member.mT @ averages)

    def error(estimate: Tensor) -> float:
        return float((estimate - means).square().mean())

    return {
        "partition_distance": lambda model: (
            partition_distance(model.partition(), labels) if hasattr(model, "partition") else None
        ),
        "mean_mse": lambda model: error(model({"one": torch.ones(1, 1)})["y"]),
        "unshared_mse": lambda _: error(averages),
        "oracle_mse": lambda _: error(shared),
    }
