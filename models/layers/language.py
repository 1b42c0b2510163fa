"""Frozen language models, which read a text, numbers and vectors of objects."""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from models.layers.attention import attend

CHARACTERS = "0123456789.e+- "


class LanguageModel(Protocol):
    """What reads tokens and other vectors of its `width`."""

    width: int

    def tokenise(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        ...

    def embed(self, tokens: Tensor) -> Tensor:
        """Return the vectors of tokens, (...) to (..., width)."""
        ...

    def read(self, prefix: Tensor, x: Tensor, texts: int, real: Tensor | None) -> Tensor:
        """Return what it makes of x, (batch, t, width), after a prefix of tokens (p,).

        The first `texts` of x are text, which sees what was before it; the others are objects at
        one place, which see the text and all `real` ones, (batch, objects), in whatever order.
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

    def embed(self, tokens: Tensor) -> Tensor:
        return self.tokens(tokens)

    def read(self, prefix: Tensor, x: Tensor, texts: int, real: Tensor | None) -> Tensor:
        start = self.embed(prefix)[None] + self.places.weight[: len(prefix)]
        x = x + self.places(place(len(prefix), texts, x))
        allowed = allow(len(prefix), texts, x, real)
        for block in self.blocks:
            start, x = block(start, x, allowed)
        return layer_norm(x, x.shape[-1:])


class Block(nn.Module):
    """A causal layer over a prefix, (1, p, width), and what follows it, (batch, t, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv, self.from_heads = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, prefix: Tensor, x: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v = self.project(prefix)
        q_after, k_after, v_after = self.project(x)
        causal = torch.ones(q.shape[2], q.shape[2], device=x.device).tril().bool()
        before = attend(q, k, v, causal)
        k = torch.cat([k.expand(x.shape[0], -1, -1, -1), k_after], 2)
        v = torch.cat([v.expand(x.shape[0], -1, -1, -1), v_after], 2)
        return self.add(prefix, before), self.add(x, attend(q_after, k, v, allowed))

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

    def tokenise(self, text: str) -> list[int]:
        return self.tokeniser.encode(text, add_special_tokens=False)

    def embed(self, tokens: Tensor) -> Tensor:
        return self.network.get_input_embeddings()(tokens)

    def read(self, prefix: Tensor, x: Tensor, texts: int, real: Tensor | None) -> Tensor:
        start = self.embed(prefix).to(x).expand(x.shape[0], -1, -1)
        x, texts = torch.cat([start, x], 1), texts + len(prefix)
        allowed = allow(0, texts, x, real)
        output = self.network(
            inputs_embeds=x,
            attention_mask=x.new_zeros(()).where(allowed, torch.finfo(x.dtype).min),
            position_ids=place(0, texts, x)[None].expand(x.shape[0], -1),
            use_cache=False,
        )
        return output.last_hidden_state[:, len(prefix) :]


def place(prefix: int, texts: int, x: Tensor) -> Tensor:
    """Return the place in the text of each of x, (t,): objects share the one behind it."""
    return prefix + torch.arange(x.shape[1], device=x.device).clamp_max(texts)


def allow(prefix: int, texts: int, x: Tensor, real: Tensor | None) -> Tensor:
    """Return what each of x sees of the prefix and of x, (batch or 1, 1, t, prefix + t)."""
    index = torch.arange(x.shape[1], device=x.device)
    sees = (index[None] <= index[:, None]) | (index[:, None] >= texts)
    sees = torch.cat([sees.new_ones(len(index), prefix), sees], 1)[None, None]
    if real is None:
        return sees
    known = real.new_ones(real.shape[0], prefix + texts)
    return sees & torch.cat([known, real], 1)[:, None, None]


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
