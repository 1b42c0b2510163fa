"""Sums of numbers with weights of 1 and -1: which places count alike?"""

import torch
from torch import Generator
from torch.nn.functional import mse_loss

from bench import Task
from bench.data.partitions import partition_distance
from remul import SCALAR, Batch, Rep, Signature


def load(
    seed: int,
    count: int = 4,
    signs: bool = True,
    train: int = 100,
    val: int = 150,
    test: int = 1000,
) -> Task:
    """y = sum_k w_k x_k + U(-1/2, 1/2), with x_k from 1 to 9 at each of `count` places.

    The second task of Yeh et al. (2022): w alternates between -1 and 1 if `signs`, and is 1
    otherwise. y is standardised by what its mean and deviation are, and free of noise in the test
    split. Score: "partition_distance" of models that tell which places share. Raises `ValueError`
    for sizes below 1.
    """
    if min(count, train, val, test) < 1:
        raise ValueError(f"sizes have to be at least 1, got {(count, train, val, test)}")
    generator = Generator().manual_seed(seed)
    labels = torch.arange(count) % 2 if signs else torch.zeros(count).long()
    weights = (1.0 - 2 * labels)[:, None]
    mean, deviation = 5 * float(weights.sum()), (count * 60 / 9) ** 0.5
    splits = {}
    for name, size in {"train": train, "val": val, "test": test}.items():
        x = torch.randint(1, 10, (size, count), generator=generator).float()
        noise = torch.rand(size, 1, generator=generator) - 0.5
        y = x @ weights + noise * (name != "test")
        splits[name] = Batch({"number": x[..., None]}, {"sum": (y - mean) / deviation})
    signature = Signature({"number": SCALAR}, {"sum": Rep("0e", objects=0)})
    scores = {
        "partition_distance": lambda model: (
            partition_distance(model.partition(), labels) if hasattr(model, "partition") else None
        )
    }
    return Task(signature, **splits, distance=mse_loss, scores=scores, group=None)
