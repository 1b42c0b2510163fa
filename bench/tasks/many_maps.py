"""Many noisy linear maps of one symmetry: each has few examples, all together show what it is."""

import torch
from torch import Generator, nn
from torch.nn.functional import mse_loss

from bench import Task
from bench.data.maps import check_kind, draw_map, group_of
from remul import Batch, Rep, Signature

QUERIES = 20


def load(
    seed: int,
    n: int = 8,
    kind: str = "circulant",
    support: int = 20,
    train: int = 1000,
    val: int = 100,
    test: int = 100,
    noise: float = 0.3,
) -> Task:
    """Problems y = W x + noise, each with a W of its own of one `kind`, as in `linear_maps`.

    A problem has `support` examples, of which it is to learn W, and 20 queries, whose answers are
    W x without noise. Equivariance is that of queries and answers, the support as it is. Score:
    "of_least_squares", the mean squared error as a share of what least squares on the support has.
    Raises `ValueError` for other kinds, sizes below 1 and a support that does not determine W.
    """
    check_kind(kind, n)
    if min(n, train, val, test) < 1 or support <= n:
        raise ValueError(f"sizes have to be at least 1, the support more than {n}, got {support}")
    generator = Generator().manual_seed(seed)
    sizes = {"train": train, "val": val, "test": test}
    splits = {name: _draw(size, n, kind, support, noise, generator) for name, size in sizes.items()}
    plain, moved = Rep(f"{n}x0e"), Rep(f"{n}x0e", space="signal")
    signature = Signature({"support": plain, "answer": plain, "query": moved}, {"response": moved})
    scores = {"of_least_squares": lambda model: of_least_squares(model, splits["test"])}
    return Task(signature, **splits, distance=mse_loss, scores=scores, group=group_of(kind, n))


def _draw(size: int, n: int, kind: str, support: int, noise: float, generator: Generator) -> Batch:
    matrices = torch.stack([draw_map(kind, n, generator) for _ in range(size)])
    x = torch.randn(size, support + QUERIES, n, generator=generator)
    y = x @ matrices.mT
    answers = y[:, :support] + noise * torch.randn(size, support, n, generator=generator)
    inputs = {"support": x[:, :support], "answer": answers, "query": x[:, support:]}
    return Batch(inputs, {"response": y[:, support:]})


def of_least_squares(model: nn.Module, test: Batch) -> float:
    """Return the error on the queries over that of least squares on each support."""
    response = test.targets["response"]
    given = {name: x.double() for name, x in test.inputs.items()}  # solutions lose digits
    fitted = torch.linalg.lstsq(given["support"], given["answer"]).solution
    error = mse_loss(model(test.inputs)["response"], response)
    return float(error / mse_loss(given["query"] @ fitted, response.double()))
