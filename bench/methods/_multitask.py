"""What the methods share: the terms of one penalty over a group of rotations."""

from functools import partial

from torch import Generator

from bench import Method, Task
from remul import SO3, Batch, Model, Penalty, Terms, about_axis, consistency_terms, loss_terms
from remul.elements import GroupElement

VARIANTS = {
    "label": loss_terms,
    "functional": consistency_terms,
    "stop_gradient": partial(consistency_terms, stop_gradient=True),
}
GROUPS = {"so3": SO3, "about_y": about_axis("y")}
OWN = "task"  # the group that the task says


def multitask(
    task: Task, penalty: Penalty, variant: str = "label", samples: int = 1, group: str = OWN
) -> Method:
    """Fit and equivariance as far as the penalty weighs them, in one forward pass.

    Equivariance is anchored at the "label", l(f(g x), g y), or "functional", l(f(g x), g f(x)),
    the latter with "stop_gradient" through the second part on demand; each is the mean over
    `samples` elements per item, drawn uniformly from the `group`: that of the "task", all rotations
    unless it says otherwise, "so3", or "about_y" for data with an up. Raises `ValueError` for other
    variants and groups, a task that the group leaves as it is and fewer samples than 1.
    """
    for kind, name, known in (("variant", variant, VARIANTS), ("group", group, (*GROUPS, OWN))):
        if name not in known:
            raise ValueError(f"no {kind} {name!r}; there are {', '.join(known)}")
    drawn_from = task.group if group == OWN else GROUPS[group]
    acts = drawn_from is not None if group == OWN else _turns(task)
    if not acts and "equivariance" in penalty.active:
        raise ValueError("no group acts on this task, so there is no symmetry to learn")
    if samples < 1:
        raise ValueError(f"samples needs to be at least 1, got {samples}")

    def draw(batch: Batch, generator: Generator) -> list[GroupElement]:
        if "equivariance" not in penalty.active:
            return []
        drawn = [drawn_from.sample(batch.inputs, generator) for _ in range(samples)]
        return [g.to(batch.device) for g in drawn]

    def terms(model: Model, batch: Batch, elements: list[GroupElement]) -> Terms:
        active = list(penalty.active)
        return VARIANTS[variant](model, batch, task.signature, elements, task.distance, active)

    return Method(terms, penalty, draw=draw)


def _turns(task: Task) -> bool:
    """Return whether rotations move an input: one that is no scalar."""
    return any(degree for rep in task.signature.inputs.values() for _, degree, _ in rep.chunks)
