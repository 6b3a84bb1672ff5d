"""The layers of the small GPT: a decoder-only transformer in plain torch.

Pre-norm blocks of causal attention and a two-layer perceptron with squared ReLU (So et al. 2021, Primer), LayerNorm
without bias, learned positions, and one matrix for the tokens that come in and the scores that go out.

Attention is written out. At a context of 128 the matrix of its weights is small, and on CPUs the backward pass of
torch's fused attention takes longer than the whole rest of a step. The loss computes its own gradient on the way
forward, so that the scores, by far the largest array, are made once, in the type that the products are computed in.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Decoder(nn.Module):
    """A decoder-only transformer."""

    def __init__(
        self, vocabulary: int, width: int, layers: int, heads: int, context: int, generator: torch.Generator
    ) -> None:
        """Draws its weights: normal, of standard deviation 0.02, and smaller where a block adds to the stream."""
        super().__init__()

        def drawn(rows: int, columns: int, deviation: float = 0.02) -> nn.Parameter:
            return nn.Parameter(torch.randn(rows, columns, generator=generator) * deviation)

        def out(rows: int, columns: int) -> nn.Parameter:
            return drawn(rows, columns, 0.02 / (2 * layers) ** 0.5)

        self.heads = heads
        self.tokens, self.positions = drawn(vocabulary, width), drawn(context, width)
        self.attention_in = nn.ParameterList([drawn(3 * width, width) for _ in range(layers)])
        self.attention_out = nn.ParameterList([out(width, width) for _ in range(layers)])
        self.hidden_in = nn.ParameterList([drawn(4 * width, width) for _ in range(layers)])
        self.hidden_out = nn.ParameterList([out(width, 4 * width) for _ in range(layers)])
        self.norms = nn.ParameterList([nn.Parameter(torch.ones(width)) for _ in range(2 * layers + 1)])
        ahead = torch.full((context, context), float("-inf")).triu(1)
        self.register_buffer("ahead", ahead, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """What the model knows at each place: [b, t, width] of int64[b, t], with t no longer than the context."""
        length = tokens.shape[1]
        stream = functional.embedding(tokens, self.tokens) + self.positions[:length]
        for layer in range(len(self.hidden_in)):
            stream = stream + self._attend(layer, self._norm(2 * layer, stream))
            inside = functional.linear(self._norm(2 * layer + 1, stream), self.hidden_in[layer])
            stream = stream + functional.linear(functional.relu(inside).square(), self.hidden_out[layer])
        return self._norm(-1, stream)

    def scores(self, known: Tensor) -> Tensor:
        """The score of every token after each place, float32[..., vocabulary] of what `forward` gives."""
        return functional.linear(known, self.tokens).float()

    def _norm(self, number: int, stream: Tensor) -> Tensor:
        return functional.layer_norm(stream, stream.shape[-1:], self.norms[number])

    def _attend(self, layer: int, stream: Tensor) -> Tensor:
        batch, length, width = stream.shape
        size = width // self.heads
        joined = functional.linear(stream, self.attention_in[layer])
        query, key, value = joined.view(batch, length, 3 * self.heads, size).transpose(1, 2).chunk(3, 1)
        ahead: Any = self.ahead
        match = query @ key.transpose(-1, -2) * size**-0.5 + ahead[:length, :length].to(query.dtype)
        seen = torch.softmax(match, -1, dtype=torch.float32).to(value.dtype) @ value
        return functional.linear(seen.transpose(1, 2).reshape(batch, length, width), self.attention_out[layer])


class TiedLoss(torch.autograd.Function):
    """The mean cross entropy of scores `known @ tokens.T`, in nats; its gradients are made on the way forward."""

    @staticmethod
    def forward(ctx: Any, known: Tensor, tokens: Tensor, targets: Tensor, dtype: torch.dtype) -> Tensor:
        """The loss of [n, width], [vocabulary, width] and int64[n], with products in `dtype`."""
        inputs, outputs = known.to(dtype), tokens.to(dtype)
        scores = (inputs @ outputs.t()).float()
        total = torch.logsumexp(scores, 1)
        loss = (total - scores.gather(1, targets[:, None])[:, 0]).mean()
        slope = scores.sub_(total[:, None]).exp_()  # the probability of each token, less 1 for the one that came
        slope[torch.arange(len(targets), device=targets.device), targets] -= 1
        slope = slope.mul_(1 / len(targets)).to(dtype)
        ctx.save_for_backward(slope @ outputs, slope.t() @ inputs)
        return loss

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """What `forward` has computed, times the gradient of what was made of the loss."""
        known, tokens = ctx.saved_tensors
        return known.float() * gradient[0], tokens.float() * gradient[0], None, None


def device_here() -> torch.device:
    """A GPU where this process has one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def in_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    able: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # since torch 2.11
    return any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def products(device: torch.device) -> torch.autocast:
    """Computes products in bfloat16 where that pays."""
    return torch.autocast(device.type, torch.bfloat16, enabled=in_bfloat16(device))
