"""Many linear problems with one symmetry: each is a filter, and few examples tell which."""

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss

from bench import Task
from remul import Batch, Rep, Signature

WIDTH, SIZE = 70, 3  # of signals and filters
FILTERS, SIDE, IMAGE = 3, 3, 12  # of the lifting convolution


def load(
    seed: int,
    kind: str = "shifts",
    rank: int = 1,
    train: int = 2000,
    val: int = 100,
    test: int = 400,
    support: int | None = None,
) -> Task:
    """Problems y = W x, each with a W of its own: the inputs are its support and queries.

    Of `kind` "shifts" W has 68 rows, each a filter of 3 numbers one place further along a signal
    of 70 from N(0, 1). Every row is a mixture, always the same, of `rank` random filters of the
    problem: with rank 1 W is a convolution. There are `support` examples, 10 unless said, and 10
    queries. Of `kind` "quarter_turns" W are the patches 3 x 3 of a lifting convolution, 3 random
    filters in 4 orientations, on the 100 patches of each of `support` images, 1 unless said, and
    of one more. After Zhou et al. (2021). Scores: "zero_mse", that of no answer, of models that
    learn their symmetry matrix U with rank 1 "band_energy", its share in the 3 diagonals of
    convolutions, and "row_deviation", how far its rows are from the same, and "turn_violation",
    the share of the learned W that is not the same filter in 4 orientations. Raises `ValueError`
    for other kinds, sizes below 1 and a rank of quarter turns.
    """
    if kind not in KINDS:
        raise ValueError(f"no kind {kind!r}; there are {', '.join(KINDS)}")
    if min(rank, train, val, test, 1 if support is None else support) < 1:
        raise ValueError("sizes have to be at least 1")
    if kind == "quarter_turns" and rank != 1:
        raise ValueError(f"filters in 4 orientations have no rank, got {rank}")
    generator = Generator().manual_seed(seed)
    draw, score = KINDS[kind](rank, support, generator)
    sizes = {"train": train, "val": val, "test": test}
    splits = {name: draw(size, generator) for name, size in sizes.items()}
    inputs, targets = splits["test"].inputs, splits["test"].targets
    types = {name: Rep(f"{x.shape[-1]}x0e") for name, x in {**inputs, **targets}.items()}
    signature = Signature(
        {name: types[name] for name in inputs}, {name: types[name] for name in targets}
    )
    scores = {"zero_mse": lambda _: float(targets["response"].square().mean()), **score(inputs)}
    return Task(signature, **splits, distance=mse_loss, scores=scores, group=None)


def _shifts(rank: int, support: int | None, generator: Generator) -> tuple:
    mixture = torch.randn(WIDTH - SIZE + 1, rank, generator=generator).softmax(-1)
    mixture = mixture if rank > 1 else torch.ones_like(mixture)

    def draw(size: int, generator: Generator) -> Batch:
        filters = mixture @ torch.randn(size, rank, SIZE, generator=generator)  # (size, 68, 3)
        x = [torch.randn(size, n, WIDTH, generator=generator) for n in (support or 10, 10)]
        y = [torch.einsum("bniw,biw->bni", part.unfold(-1, SIZE, 1), filters) for part in x]
        return _as_batch(x, y)

    return draw, (lambda _: {"band_energy": band_energy, "row_deviation": row_deviation})


def _quarter_turns(_: int, support: int | None, generator: Generator) -> tuple:
    def draw(size: int, generator: Generator) -> Batch:
        filters = torch.randn(size, FILTERS, SIDE, SIDE, generator=generator)
        turned = torch.stack([filters.rot90(k, (-2, -1)) for k in range(4)], 2)
        weight = turned.flatten(3).flatten(1, 2)  # (size, 12, 9)
        x = [_patches(size, n, generator) for n in (support or 1, 1)]
        return _as_batch(x, [part @ weight.mT for part in x])

    def score(inputs: dict[str, Tensor]) -> dict:
        return {"turn_violation": lambda model: turn_violation(model, inputs)}

    return draw, score


def _patches(size: int, images: int, generator: Generator) -> Tensor:  # (size, patches, 9)
    image = torch.randn(size, images, IMAGE, IMAGE, generator=generator)
    patches = image.unfold(2, SIDE, 1).unfold(3, SIDE, 1)
    return patches.reshape(size, -1, SIDE * SIDE)


def _as_batch(x: list[Tensor], y: list[Tensor]) -> Batch:
    inputs = {"support": x[0], "answer": y[0], "query": x[1]}
    return Batch(inputs, {"response": y[1]})


def band_energy(model: nn.Module) -> float | None:
    """Return the share of U's squares in the diagonals that a convolution has."""
    symmetry = _symmetry_of(model)
    if symmetry is None:
        return None
    return float(_band(symmetry).square().sum() / symmetry.square().sum())


def row_deviation(model: nn.Module) -> float | None:
    """Return how far the rows of U, each moved to the first place, are from their mean."""
    symmetry = _symmetry_of(model)
    if symmetry is None:
        return None
    band = _band(symmetry)
    return float((band - band.mean(0)).norm() / band.norm())


def _symmetry_of(model: nn.Module) -> Tensor | None:
    symmetry = getattr(model, "symmetry", None)
    return symmetry.matrix().detach() if hasattr(symmetry, "matrix") else None


def _band(symmetry: Tensor) -> Tensor:  # (rows, 3, k)
    row, place = torch.arange(len(symmetry))[:, None], torch.arange(SIZE)
    return symmetry[row, row + place]


def turn_violation(model: nn.Module, inputs: dict[str, Tensor]) -> float | None:
    """Return the share of the adapted W that is not one filter in four orientations."""
    if not hasattr(model, "adapt"):
        return None
    weight = model.symmetry(model.adapt(inputs["support"], inputs["answer"])).detach()
    filters = weight.view(-1, FILTERS, 4, SIDE, SIDE)
    back = torch.stack([filters[:, :, k].rot90(-k, (-2, -1)) for k in range(4)], 2)
    mean = back.mean(2, keepdim=True)
    return float((back - mean).square().sum() / back.square().sum())


KINDS = {"shifts": _shifts, "quarter_turns": _quarter_turns}
