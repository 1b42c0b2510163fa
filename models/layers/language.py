"""Frozen language models, which read a text, numbers and vectors of objects."""

from typing import Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from models.layers.attention import attend

CHARACTERS = "0123456789.e+- "


class LanguageModel(Protocol):
    """What reads tokens, and other vectors of its `width`."""

    width: int

    def tokenise(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        ...

    def read(self, prefix: Tensor, text: Tensor, objects: Tensor, real: Tensor | None) -> Tensor:
        """Return what it makes of objects, (batch, n, width), behind a text.

        That is a prefix of tokens, (p,), and more of each sample, (batch, t). Objects are at one
        place, and see the text and all `real` ones, (batch, n), in whatever order.
        """
        ...


class RandomLanguageModel(nn.Module):
    """GPT-2 (Radford et al. 2019) over bytes, as initialised: small, and needs no file."""

    def __init__(self, width: int = 64, depth: int = 2, heads: int = 4, longest: int = 512) -> None:
        super().__init__()
        self.width = width
        self.tokens, self.places = nn.Embedding(256, width), nn.Embedding(longest, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        freeze(self)

    def tokenise(self, text: str) -> list[int]:
        return [*text.encode()]

    def read(self, prefix: Tensor, text: Tensor, objects: Tensor, real: Tensor | None) -> Tensor:
        p, t = len(prefix), text.shape[1]
        if p + t >= len(self.places.weight):
            raise ValueError(
                f"a prompt of {p + t} bytes is too long, {len(self.places.weight) - 1} fit"
            )
        start = (self.tokens(prefix) + self.places.weight[:p])[None].to(objects)
        text = (self.tokens(text) + self.places.weight[p : p + t]).to(objects)
        objects = objects + self.places.weight[p + t]
        sees = None if real is None else see_all(p + t, real)[:, None]
        for block in self.blocks:
            start, text, objects = block(start, text, objects, sees)
        return layer_norm(objects, objects.shape[-1:])


class Block(nn.Module):
    """A causal layer over a prefix, (1, p, width), text, (batch, t, width), and objects.

    The text has no gradients: nothing in it is learned.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv, self.from_heads = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(
        self, prefix: Tensor, text: Tensor, objects: Tensor, sees: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = self.project(prefix)
        prefix = self.add(prefix, attend(q, k, v, causal(0, q)))
        q, *own = self.project(text)
        k, v = (
            torch.cat([x.expand(text.shape[0], -1, -1, -1), y], 2)
            for x, y in zip((k, v), own, strict=True)
        )
        text = self.add(text, attend(q, k, v, causal(prefix.shape[1], q)))
        q, *own = self.project(objects)
        k, v = (torch.cat([x, y], 2) for x, y in zip((k, v), own, strict=True))
        return prefix, text, self.add(objects, attend(q, k, v, sees))

    def project(self, x: Tensor) -> list[Tensor]:
        """Return queries, keys and values, (batch, heads, t, width / heads)."""
        by_head = self.to_qkv(layer_norm(x, x.shape[-1:])).unflatten(-1, (3 * self.heads, -1))
        return [part.transpose(1, 2) for part in by_head.chunk(3, 2)]

    def add(self, x: Tensor, heads: Tensor) -> Tensor:
        """Return x with what the heads found and what the MLP makes of it."""
        x = x + self.from_heads(heads.transpose(1, 2).flatten(2))
        return x + self.mlp(layer_norm(x, x.shape[-1:]))


class LocalLanguageModel(nn.Module):
    """A causal model of Hugging Face's `transformers`, from a folder on this machine.

    Raises `ValueError` where the package or the folder is missing; nothing is downloaded.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError:
            raise ValueError("a language model from a folder needs the extra [llm]") from None
        try:
            self.network = AutoModel.from_pretrained(folder, local_files_only=True)
            self.tokeniser = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise ValueError(f"no language model in {folder}: {error}") from error
        self.width = self.network.get_input_embeddings().weight.shape[1]
        freeze(self.network)

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation: frozen, it has no dropout either."""
        return super().train(False)

    def tokenise(self, text: str) -> list[int]:
        return self.tokeniser.encode(text, add_special_tokens=False)

    def read(self, prefix: Tensor, text: Tensor, objects: Tensor, real: Tensor | None) -> Tensor:
        text = torch.cat([prefix.expand(len(text), -1), text], 1)
        embedded = self.network.get_input_embeddings()(text).to(objects)
        x, length = torch.cat([embedded, objects], 1), text.shape[1]
        real = torch.ones_like(objects[..., 0], dtype=torch.bool) if real is None else real
        sees = see_all(length, real).expand(-1, x.shape[1], -1)
        index = torch.arange(x.shape[1], device=x.device)
        sees = sees & ((index[None] <= index[:, None]) | (index[:, None] >= length))
        output = self.network(
            inputs_embeds=x,
            attention_mask=x.new_zeros(()).where(sees[:, None], torch.finfo(x.dtype).min),
            position_ids=index.clamp_max(length)[None].expand(len(x), -1),
            use_cache=False,
        )
        return output.last_hidden_state[:, length:]


def causal(before: int, q: Tensor) -> Tensor:
    """Return which of the tokens `before` and of its own a text sees, (t, before + t)."""
    t = q.shape[2]
    return torch.ones(t, before + t, dtype=torch.bool, device=q.device).tril(before)


def see_all(text: int, real: Tensor) -> Tensor:
    """Return what objects see, (batch, 1, text + n), of all tokens and the real ones of them."""
    return torch.cat([real.new_ones(real.shape[0], text), real], 1)[:, None]


def spell(x: Tensor) -> Tensor:
    """Return the characters of numbers that are not negative: (batch, k) to (batch, 9 k) indices.

    Three digits, so that what rounds differently under a rotation is as good as never read.
    """
    x = x.double()
    power = x.clamp_min(1e-99).log10().floor()
    digits, power = (100 * x / 10**power).round().long(), power.long()
    power, digits = power + digits // 1000, digits.where(digits < 1000, digits // 10)
    sign, size = torch.where(power < 0, 13, 12), power.abs().clamp_max(99)
    point, letter, space = (torch.full_like(digits, CHARACTERS.index(c)) for c in ".e ")
    shown = [digits // 100, point, digits // 10 % 10, digits % 10, letter, sign]
    return torch.stack([*shown, size // 10, size % 10, space], -1).flatten(1)


def freeze(module: nn.Module) -> None:
    """Make buffers of all parameters: they move and are kept with the module, and never learn."""
    for part in module.modules():
        for name, weight in [*part.named_parameters(recurse=False)]:
            delattr(part, name)
            part.register_buffer(name, weight.detach())
