"""A small GPT, trained on a stream of tokens in minutes on one core: the slower, surer judge of what texts teach.

One pass over the stream, in its order, since the order of the draws is part of what is judged: step k reads the k-th
run of `batch` x `context` tokens, cut into rows. The same stream, configuration, seed and number of threads give the
same model on one machine (on a GPU up to its last bits).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from curation.errors import RunError
from curation.language_model.encoding import END, Encoded, encode_each
from curation.language_model.gpt_layers import products
from curation.language_model.gpt_training import Gpt, GptConfig, Training

__all__ = [
    "Gpt",
    "GptConfig",
    "Training",
    "continuation",
    "continued",
    "gpt_losses",
    "next_token",
    "step_tokens",
    "steps_of",
    "threads_set",
    "train_gpt",
]

#: Seconds between two states that `train_gpt` gives away to be kept.
KEEP_SECONDS = 60.0
#: Rows that are judged at a time.
ROWS = 8

_AFTER_END = np.full(1, END, np.uint16)


def train_gpt(
    stream: NDArray[np.uint16],
    config: GptConfig,
    seed: int,
    threads: int | None = None,
    *,
    start: Gpt | None = None,
    state: bytes | None = None,
    keep: Callable[[bytes], object] | None = None,
) -> Gpt:
    """Trains a model on a stream, once through; what is left at its end and is less than a step is not read.

    Args:
        stream: uint16[n], documents one after the other, each with the end token 0 at its end.
        config: the model; of `start`, where that is given.
        seed: of its first weights.
        threads: of a CPU; None: as many as torch has.
        start: a model to go on from, with a learning rate of its own; it is not changed.
        state: of an earlier call with the same arguments, which was stopped; the training goes on there.
        keep: is given the state every KEEP_SECONDS.

    Raises:
        RunError: the stream is shorter than a step.
    """
    steps = steps_of(stream, config)
    if not steps:
        raise RunError(
            f"the small GPT: a step reads {config.step_tokens:,} tokens, and there are {len(stream):,}: give it more "
            "text, or a smaller batch"
        )
    with threads_set(threads):
        training = Training.restored(state) if state else Training(config, steps, seed, start)
        kept = time.monotonic()
        for number in range(training.done, steps):
            training.step(step_tokens(stream, config, number))
            if keep is not None and time.monotonic() - kept > KEEP_SECONDS:
                keep(training.state())
                kept = time.monotonic()
    return training.gpt


def steps_of(stream: NDArray[np.uint16], config: GptConfig) -> int:
    """Whole steps in a stream; the last target of a step is the first token of the next one."""
    return max(0, len(stream) - 1) // config.step_tokens


def step_tokens(stream: NDArray[np.uint16], config: GptConfig, number: int) -> NDArray[np.uint16]:
    """The tokens of a step, from 0, and the one after them."""
    first = number * config.step_tokens
    return stream[first : first + config.step_tokens + 1]


def gpt_losses(gpt: Gpt, validation: Encoded) -> NDArray[np.float64]:
    """The mean negative log likelihood of each document in nats a token, its end token included: float64[documents].

    A document is read after an end token, in windows of the context that don't overlap: as rows are in training, a
    window begins with no more before it than the last token.
    """
    size, lengths = gpt.config.context, validation.lengths
    count = -(-lengths // size)
    document = np.repeat(np.arange(len(lengths)), count)
    number = np.arange(len(document)) - np.repeat(np.cumsum(count) - count, count)
    first = validation.starts[document] + number * size
    length = np.minimum(size, validation.starts[document + 1] - first)
    windows = zip(number.tolist(), first.tolist(), (first + length).tolist(), strict=True)
    tokens = validation.tokens
    rows = [tokens[a - 1 : b] if nth else np.concatenate([_AFTER_END, tokens[a:b]]) for nth, a, b in windows]
    sums = np.array([found.sum() for found in log_probabilities(gpt, rows)])
    total = -np.bincount(document, sums, len(lengths)) if len(rows) else np.zeros(len(lengths))
    return total / lengths


def continuation(gpt: Gpt, bpe: str, prompt: str, continuations: Sequence[str]) -> NDArray[np.float64]:
    """The log probability, in nats, of each text right after a prompt: float64[len(continuations)].

    Of several tokens it is the sum. A prompt that is longer than the context is cut at its beginning.

    Args:
        gpt: the model.
        bpe: that it was trained with, as `train_bpe` gives it.
        prompt: what comes before, right after an end token.
        continuations: texts; where words are parted by spaces, with the space before the first word.
    """
    before, *after = encode_each(bpe, [prompt, *continuations])
    found: NDArray[np.float64] = continued(gpt, [before], after)[0]
    return found


def continued(
    gpt: Gpt, prompts: Sequence[NDArray[np.uint16]], continuations: Sequence[NDArray[np.uint16]]
) -> NDArray[np.float64]:
    """The log probability of each continuation after each prompt: float64[prompts, continuations]; see above."""
    most = gpt.config.context + 1
    rows = [np.concatenate([_AFTER_END, before, after])[-most:] for before in prompts for after in continuations]
    lengths = [len(after) for _ in prompts for after in continuations]
    if any(not 0 < length < most for length in lengths):
        raise RunError(f"the small GPT: a continuation has 1 to {most - 1} tokens")
    found = log_probabilities(gpt, rows)
    sums = [row[-length:].sum() for row, length in zip(found, lengths, strict=True)]
    return np.array(sums).reshape(len(prompts), len(continuations))


def next_token(gpt: Gpt, prompts: Sequence[NDArray[np.uint16]]) -> NDArray[np.float64]:
    """The log probability of every token right after each prompt, which is not empty: float64[prompts, vocabulary]."""
    rows = [np.concatenate([_AFTER_END, before])[-gpt.config.context :] for before in prompts]
    block = torch.from_numpy(_filled(rows)).to(gpt.device)
    last = torch.tensor([len(row) - 1 for row in rows], device=gpt.device)
    with torch.inference_mode(), products(gpt.device):
        known = gpt.decoder(block)[torch.arange(len(rows), device=gpt.device), last]
    with torch.inference_mode():
        scores = gpt.decoder.scores(known.float())  # few, and compared with each other: in float32
    found: NDArray[np.float64] = torch.log_softmax(scores.double(), 1).cpu().numpy()
    return found


def log_probabilities(gpt: Gpt, rows: Sequence[NDArray[np.uint16]]) -> list[NDArray[np.float64]]:
    """Of each row the log probability of every token but the first, after those before it: float64[len(row) - 1]."""
    found: list[NDArray[np.float64]] = [np.empty(0)] * len(rows)
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    for begin in range(0, len(order), ROWS):
        chosen = order[begin : begin + ROWS]
        tokens = torch.from_numpy(_filled([rows[index] for index in chosen])).to(gpt.device)
        with torch.inference_mode(), products(gpt.device):
            scores = gpt.decoder.scores(gpt.decoder(tokens[:, :-1]))
            came = scores.gather(2, tokens[:, 1:, None])[:, :, 0] - torch.logsumexp(scores, 2)
        values = came.double().cpu().numpy()
        for place, index in enumerate(chosen):
            found[index] = values[place, : len(rows[index]) - 1]
    return found


def _filled(rows: Sequence[NDArray[np.uint16]]) -> NDArray[np.int64]:
    """The rows as a matrix, filled up at their ends, which no token sees that comes before."""
    block = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for place, row in enumerate(rows):
        block[place, : len(row)] = row
    return block


@contextmanager
def threads_set(threads: int | None) -> Iterator[None]:
    """Lets torch have so many threads of the CPU, and then as many as before; None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
