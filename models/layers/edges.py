"""Edges of the graph: who sends to whom, what each edge holds, and sums by receiver.

They lie in rows, (batch, rows, k, ...): a row has one receiver and k senders. Where all objects of
a sample send to all, or where each has its nearest, there is one row for each object. A list of
edges has as many rows for a receiver as hold its senders, in one block, and sums them by index.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.layers.lengths import smooth_length

TINY = 1e-30  # below any sum of powers, the largest of which is 1


@dataclass(frozen=True)
class Edges:
    """For each row its receiver i and its k senders j.

    `vectors` are x_i - x_j, (batch, rows, k, 3); `mean_weights` those of j in a mean over the real
    senders other than i, (batch or 1, rows, k, 1); `features` the fields of pairs, (batch, rows, k,
    c), or None. `senders` are j, (batch, rows, k), as rows of the objects of all samples one after
    the other, or None where j are all objects of the sample in their order. `receivers` are i,
    (rows,), likewise, of `size` (batch, n), or None where the rows are the objects in their order.
    In a cell senders are moved by `offsets`, (batch, rows, k, 3). They may `fade` out towards a
    cut-off: then a silent sender, of weight 1, takes part in means and attention besides them, so
    that the first one to enter changes nothing at once.
    """

    vectors: Tensor
    mean_weights: Tensor
    features: Tensor | None
    senders: Tensor | None
    receivers: Tensor | None = None
    size: tuple[int, int] | None = None
    offsets: Tensor | None = None
    fade: bool = False

    def lengths(self) -> Tensor:
        """Return |x_i - x_j|, (batch, rows, k, 1), never zero, so that it has a derivative."""
        return smooth_length(self.vectors)

    def append_features(self, x: Tensor) -> Tensor:
        """Return values of edges, (batch, rows, k, c), with the fields of pairs behind them."""
        return x if self.features is None else torch.cat([x, self.features], -1)

    def gather_senders(self, h: Tensor) -> Tensor:
        """Return what the senders hold: (batch, n, c) to (batch, rows or 1, k, c)."""
        return h[:, None] if self.senders is None else gather_rows(h, self.senders)

    def gather_receivers(self, h: Tensor) -> Tensor:
        """Return what the receivers hold: (batch, n, ...) to (batch, rows, 1, ...)."""
        return self.to_rows(h)[:, :, None]

    def to_rows(self, h: Tensor) -> Tensor:
        """Return what the receiver of each row holds: (batch, n, ...) to (batch, rows, ...)."""
        return h if self.receivers is None else gather_rows(h, self.receivers[None])

    def sum_rows(self, x: Tensor) -> Tensor:
        """Return the sums over the rows of a receiver: (batch, rows, ...) to (batch, n, ...)."""
        if self.receivers is None:
            return x
        sums = x.new_zeros(self.size[0] * self.size[1], *x.shape[2:])
        return sums.index_add(0, self.receivers, x[0]).unflatten(0, self.size)

    def aggregate(self, weights: Tensor, messages: Tensor) -> Tensor:
        """Return weighted sums over j: (batch or 1, rows, k, 1), (batch, rows, k, c) to objects."""
        if self.receivers is not None and messages.shape[2] == 1:  # no product for each edge
            return self.sum_rows((weights * messages).squeeze(2))
        return self.sum_rows((weights.mT @ messages).squeeze(2))

    def subtract(self, x: Tensor) -> Tensor:
        """Return x_i - x_j, (batch, rows, k, 3), of places (batch, n, 3)."""
        vectors = self.gather_receivers(x) - self.gather_senders(x)
        return vectors if self.offsets is None else vectors - self.offsets

    def softmax(self, logits: Tensor) -> Tensor:
        """Return how much i attends to j, (batch, rows, k, heads); zero for itself and padding."""
        weights, sends = self.mean_weights, self.mean_weights > 0
        # -inf would give an object without real others a softmax of NaN.
        logits = torch.where(sends, logits, torch.finfo(logits.dtype).min)
        if logits.shape[2] == 0 or (self.receivers is None and not self.fade):
            return logits.softmax(2) * sends
        largest = self._max_rows(logits.detach().amax(2))
        largest = largest.clamp_min(0) if self.fade else largest
        powers = weights * (logits - self.gather_receivers(largest)).exp()
        total = self.sum_rows(powers.sum(2))
        if self.fade:
            silent = 1 - self.sum_rows(weights.sum(2))
            total = total + silent * (-largest).exp()
        return powers / self.gather_receivers(total.clamp_min(TINY))

    def at(self, x: Tensor) -> "Edges":
        """Return the edges with the vectors between objects at x, (batch, n, 3)."""
        return replace(self, vectors=self.subtract(x))

    def weigh(self, cutoff: float | None) -> "Edges":
        """Return the edges with what each sends, now `mean_weights`, made weights of a mean."""
        if cutoff is None:
            return replace(self, mean_weights=self.mean_weights / self._totals().clamp_min(1))
        fading = replace(self, mean_weights=self.mean_weights * envelope(self.lengths() / cutoff))
        weights = fading.mean_weights / (1 + fading._totals())
        return replace(fading, mean_weights=weights, fade=True)

    def repeat(self, times: int) -> "Edges":
        """Return the edges of so many copies of all samples, (times batch, n, ...), in a row.

        They have to be gathered ones: `senders` are given.
        """
        batch, n = self.senders.shape[:2] if self.receivers is None else self.size
        steps = batch * n * torch.arange(times, device=self.senders.device)

        def lay(x: Tensor) -> Tensor:
            """Return copies, (times, batch, rows, ...), as samples or, of a list, as its rows."""
            return x.flatten(0, 1) if self.receivers is None else x.flatten(0, 2)[None]

        def copy(x: Tensor | None) -> Tensor | None:
            return None if x is None else lay(x.expand(times, *x.shape))

        receivers = self.receivers
        return replace(
            self,
            vectors=copy(self.vectors),
            mean_weights=copy(self.mean_weights),
            features=copy(self.features),
            senders=lay(self.senders + steps.view(-1, 1, 1, 1)),
            receivers=None if receivers is None else (steps[:, None] + receivers).flatten(),
            size=(times * batch, n),
            offsets=copy(self.offsets),
        )

    def _totals(self) -> Tensor:
        """Return the sums of weights over all senders of a row's receiver, (batch, rows, 1, 1)."""
        if self.receivers is None:
            return self.mean_weights.sum(2, keepdim=True)
        return self.gather_receivers(self.sum_rows(self.mean_weights.sum(2)))

    def _max_rows(self, x: Tensor) -> Tensor:
        """Return the largest of the rows of a receiver, as `sum_rows`, without a derivative."""
        if self.receivers is None:
            return x
        index = self.receivers[:, None].expand_as(x[0])
        lowest = x.new_full((self.size[0] * self.size[1], x.shape[-1]), torch.finfo(x.dtype).min)
        return lowest.scatter_reduce(0, index, x[0], "amax").unflatten(0, self.size)


def envelope(u: Tensor) -> Tensor:
    """Return 1 at u = 0 down to 0 from u = 1 on, where two derivatives are zero as well.

    Gasteiger et al. 2020, equation 8, with p = 6.
    """
    u = u.clamp_max(1)
    return 1 - u**6 * (28 - 48 * u + 21 * u * u)


def gather_rows(h: Tensor, rows: Tensor) -> Tensor:
    """Return rows (batch, ...) of the objects in h, (batch, n, c): (batch, ..., c)."""
    return h.flatten(0, 1).index_select(0, rows.flatten()).unflatten(0, rows.shape)
