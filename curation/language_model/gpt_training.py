"""The small GPT in training, a step at a time.

AdamW (Loshchilov and Hutter 2019), linear warm-up, then half a cosine down; the same seed draws the same weights. A
training can be stopped after any step: its state is all that the next one needs.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from math import cos, pi
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from curation.language_model.gpt_layers import Decoder, TiedLoss, device_here, in_bfloat16, products


@dataclass(frozen=True)
class GptConfig:
    """The size of a model and how it is trained.

    Attributes:
        vocabulary: tokens, at most 65,536.
        width: of the stream; a multiple of `heads`.
        layers: blocks.
        heads: of attention in a block.
        context: tokens that it sees at a time.
        batch: rows of `context` tokens in a step.
        learning_rate: at its highest.
        warm_up: share of the steps over which the rate rises to it.
        final_rate: share of it that is left at the end; 1: it stays after the warm-up.
        weight_decay: of all but the norms.
    """

    vocabulary: int = 4096
    width: int = 128
    layers: int = 4
    heads: int = 4
    context: int = 128
    batch: int = 8
    learning_rate: float = 1e-3
    warm_up: float = 0.03
    final_rate: float = 0.1
    weight_decay: float = 0.1

    @property
    def step_tokens(self) -> int:
        """Tokens that a step reads."""
        return self.batch * self.context

    @property
    def parameters(self) -> int:
        """Numbers that are learnt."""
        blocks = self.layers * (12 * self.width + 2)
        return (self.vocabulary + self.context + blocks + 1) * self.width


@dataclass(frozen=True, eq=False)
class Gpt:
    """A model."""

    config: GptConfig
    decoder: Decoder

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.decoder.tokens.device


class Training:
    """A model in training, a step at a time.

    Attributes:
        gpt: the model as it is by now.
        steps: that the learning rate is laid out for; further ones go on at the last rate.
        done: steps that were taken.
    """

    def __init__(self, config: GptConfig, steps: int, seed: int, start: Gpt | None = None) -> None:
        """A new model, drawn by the seed; or one to `start` from, which is not changed."""
        decoder = _new_decoder(config, seed)
        if start is not None:
            decoder.load_state_dict(start.decoder.state_dict())
        self.gpt, self.steps, self.done = Gpt(config, decoder), steps, 0
        weights = list(decoder.parameters())
        matrices, norms = [one for one in weights if one.dim() > 1], [one for one in weights if one.dim() == 1]
        groups: list[dict[str, Any]] = [{"params": matrices}, {"params": norms, "weight_decay": 0.0}]
        decay, rate = config.weight_decay, config.learning_rate
        self._optimizer = torch.optim.AdamW(groups, rate, (0.9, 0.95), weight_decay=decay, fused=True)

    def step(self, tokens: NDArray[np.uint16]) -> float:
        """Learns from uint16[batch * context + 1]; returns the mean loss on them before that, in nats a token."""
        config, device = self.gpt.config, self.gpt.device
        run = torch.from_numpy(tokens.astype(np.int64)).to(device)
        rows, targets = run[:-1].view(config.batch, config.context), run[1:]
        with products(device):
            known = self.gpt.decoder(rows).view(len(targets), config.width)
        dtype = torch.bfloat16 if in_bfloat16(device) else torch.float32
        apply: Any = TiedLoss.apply  # torch has no type for it
        loss = apply(known, self.gpt.decoder.tokens, targets, dtype)
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.gpt.decoder.parameters(), 1.0)
        for group in self._optimizer.param_groups:
            group["lr"] = config.learning_rate * rate_share(self.done, self.steps, config)
        self._optimizer.step()
        self.done += 1
        return float(loss.detach())

    def state(self) -> bytes:
        """All that the next step needs."""
        buffer = io.BytesIO()
        counts = {"config": asdict(self.gpt.config), "steps": self.steps, "done": self.done}
        parts = {"decoder": self.gpt.decoder.state_dict(), "optimizer": self._optimizer.state_dict()}
        torch.save(counts | parts, buffer)
        return buffer.getvalue()

    @classmethod
    def restored(cls, state: bytes) -> Training:
        """The training that was in this state."""
        kept = torch.load(io.BytesIO(state), map_location=device_here(), weights_only=True)
        found = cls(GptConfig(**kept["config"]), kept["steps"], 0)
        found.gpt.decoder.load_state_dict(kept["decoder"])
        found._optimizer.load_state_dict(kept["optimizer"])
        found.done = kept["done"]
        return found


def rate_share(done: int, steps: int, config: GptConfig) -> float:
    """The share of the highest learning rate after so many steps: a line up, then half a cosine down."""
    warm_up = max(1.0, config.warm_up * steps)
    if done < warm_up:
        return (done + 1) / (warm_up + 1)
    way = min(1.0, (done - warm_up) / max(1.0, steps - warm_up))
    return config.final_rate + (1 - config.final_rate) * 0.5 * (1 + cos(pi * way))


def _new_decoder(config: GptConfig, seed: int) -> Decoder:
    generator = torch.Generator().manual_seed(seed)
    shape = (config.vocabulary, config.width, config.layers, config.heads, config.context)
    return Decoder(*shape, generator).to(device_here())
