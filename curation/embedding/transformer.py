"""The neural encoder: a sentence-transformers model, fed in batches of so many tokens.

`SentenceTransformer.encode` sorts by characters and cuts batches of 32 documents; tokenising and padding are done
again for each batch. Here all texts are tokenised first, sorted by tokens, and cut by a token budget (`budget`), so
that a batch of short documents is as much work as one of long ones; `forward` packs them end to end where the model
stands it. Weights are in the number format of the forward pass (autocast would convert them again and again). The
chunks of long documents (`chunks`) are sorted in among the others. Models that are more than a transformer reading
text with a fast tokenizer go through `model.encode`, in sorted order.

On a CPU every thread runs a batch of its own, on one core. Threads that share a batch wait for each other hundreds of
times in it, and where something else wants a core too, that waiting costs most of the speed (MiniLM on 2 busy cores:
24 to 34 documents/s with shared batches, 58 to 92 with their own). The vectors do not depend on the number of threads
then, either.

On a GPU two threads may call `encode`: one computes while the other tokenises, waits for the lock, or has left it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from curation.embedding.batching import Forward, encode_in_batches, unless_out_of_memory
from curation.embedding.budget import CPU_BATCH_TOKENS, GPU_BATCH_TOKENS, Budget, measured_budget
from curation.embedding.chunks import Chunker, Chunks, mean_of_chunks
from curation.embedding.encoder import Encoded, EncoderSpec, normalised
from curation.embedding.forward import Network, fast_network
from curation.embedding.loading import load_model
from curation.errors import JobError, RunError

#: What is guessed of a model whose tokenizer is not used here.
_CHARACTERS_PER_TOKEN = 4
#: Most of a GPU's memory that a measured batch may take: the rest is for other shapes, and for whom it is shared with.
_MEMORY_SHARE = 0.4


@dataclass(frozen=True)
class Prepared:
    """Texts ready to be encoded: their chunks, the token count of each, and what encodes some of them."""

    chunks: Chunks
    lengths: NDArray[np.int64]
    forward: Forward
    padding: bool


class TransformerEncoder:
    """An `Encoder` that runs a sentence-transformers model.

    Args:
        spec: the model that the run committed itself to.
        folder: where it lies on this machine; checked against the spec by the caller.
        batch_tokens: tokens of a batch, padding included; `auto`: see `budget`.
        device: `cpu`, `cuda` or `cuda:N`.
        threads: on a CPU, how many batches are computed at a time, each by one thread; not used on a GPU.
        trust_remote_code: whether code in the folder may run.

    Attributes:
        batch_tokens: the budget in force.
        network: the model, and what was changed in it to make it faster.
        prepare: tokenises texts, and says how some of them are encoded then.

    Raises:
        JobError: the model can't be loaded.
    """

    def __init__(
        self,
        spec: EncoderSpec,
        folder: Path,
        *,
        batch_tokens: int | Literal["auto"],
        device: str,
        threads: int,
        trust_remote_code: bool = False,
    ) -> None:
        import torch

        self.spec, self._device = spec, device
        self._load = partial(load_model, folder, spec.precision, device, trust_remote_code)
        self.network = Network(self._load(), device)
        self.prepare = self._choose_way()
        self._found = self._budget(batch_tokens)
        self.batch_tokens = self._found.tokens
        self._computing = threading.Lock()
        self._pool: Executor | None = None
        if device == "cpu":
            self._pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))

    @property
    def taken(self) -> dict[str, Any]:
        """What was chosen for this hardware. See `Encoder`."""
        budget = {"batch_tokens": self.batch_tokens, "found": self._found.found, "rates": self._found.rates}
        return {**budget, "packed": self.network.packed, "fused": self.network.fused}

    @property
    def model(self) -> Any:
        """The SentenceTransformer."""
        return self.network.model

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self.spec.dimensions

    def encode(self, texts: list[str]) -> Encoded:
        """Encodes texts. After the GPU ran out of memory the smaller batches stay. See `Encoder`."""
        ready = self.prepare(texts)
        with self._computing:
            batched = encode_in_batches(
                ready.lengths, self.dimensions, self.batch_tokens, ready.forward, padding=ready.padding, pool=self._pool
            )
            self.batch_tokens = batched.batch_tokens
        return Encoded(
            vectors=normalised(mean_of_chunks(batched.vectors, ready.chunks.counts, ready.chunks.weights)),
            tokens=int(ready.lengths.sum()),
            padded=batched.padded,
            truncated=int(ready.chunks.cut.sum()),
            read_share=ready.chunks.read_share,
            batch_tokens=batched.batch_tokens,
            capacity=batched.capacity,
        )

    def _choose_way(self) -> Callable[[list[str]], Prepared]:
        """How this model is fed."""
        first = self.model[0]
        kind = type(first).__name__
        if self.model.default_prompt_name is None and kind == "StaticEmbedding":
            self._chunker = self._new_chunker(first.tokenizer, special=False, from_end=False)
            return self._prepare_static
        if self.model.default_prompt_name is None and kind == "Transformer" and _reads_plain_text(first):
            self.network = fast_network(self.model, self._load, self._device, self.spec)
            first = self.model[0]
            from_end = first.tokenizer.truncation_side == "left"
            self._chunker = self._new_chunker(first.tokenizer.backend_tokenizer, special=True, from_end=from_end)
            return self._prepare_transformer
        if self.spec.max_chunks > 1:
            raise JobError(
                f"embedding.long_documents: {self.spec.name} prepares texts in a way of its own, so that they can't "
                "be cut into chunks of tokens: set it to truncate"
            )
        with contextlib.suppress(AttributeError, TypeError):  # a module without a limit of its own
            self.model.max_seq_length = self.spec.max_tokens
        return self._prepare_any

    def _new_chunker(self, tokenizer: Any, special: bool, from_end: bool) -> Chunker:
        return Chunker(tokenizer, self.spec.max_tokens, self.spec.max_chunks, special, from_end)

    def _budget(self, batch_tokens: int | Literal["auto"]) -> Budget:
        """The tokens of a batch, and how they were found."""
        if batch_tokens != "auto":
            return Budget(batch_tokens, "given")
        if self._device == "cpu":
            return Budget(CPU_BATCH_TOKENS, "fixed")
        if self.prepare != self._prepare_transformer:
            return Budget(GPU_BATCH_TOKENS, "fixed")
        return measured_budget(self._rate)

    def _rate(self, batch_tokens: int) -> float | None:
        """Tokens a second in batches of documents as long as they get; None where a batch takes too much memory."""
        import torch

        longest = self.spec.max_tokens
        documents = [np.ones(longest, np.int32)] * max(1, batch_tokens // longest)
        features = self.network.features(documents)
        torch.cuda.reset_peak_memory_stats(self._device)
        free = torch.cuda.mem_get_info(self._device)[0] + torch.cuda.memory_reserved(self._device)
        best = float("inf")
        for _ in range(4):  # the first one warms up, and may be the best no less
            torch.cuda.synchronize(self._device)
            begun = time.perf_counter()
            if unless_out_of_memory(lambda: self.network.vectors(features)) is None:
                return None
            torch.cuda.synchronize(self._device)
            best = min(best, time.perf_counter() - begun)
        fits = torch.cuda.max_memory_allocated(self._device) <= _MEMORY_SHARE * free
        return longest * len(documents) / best if fits else None

    def _prepare_transformer(self, texts: list[str]) -> Prepared:
        chunks = self._chunker(texts)

        def forward(rows: NDArray[np.int64]) -> Any:
            return self._checked(self.network.vectors(self.network.features([chunks.ids[row] for row in rows])))

        return Prepared(chunks, chunks.lengths, forward, padding=not self.network.packed)

    def _prepare_static(self, texts: list[str]) -> Prepared:
        """Token embeddings are only averaged: chunks lie end to end, with the place where each begins."""
        chunks = self._chunker(texts)

        def forward(rows: NDArray[np.int64]) -> Any:
            batch = [chunks.ids[row] for row in rows]
            ends = np.cumsum([len(ids) for ids in batch])
            offsets = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
            features = {"input_ids": np.concatenate(batch).astype(np.int64), "offsets": offsets}
            return self._checked(self.network.vectors(features))

        return Prepared(chunks, chunks.lengths, forward, padding=False)

    def _prepare_any(self, texts: list[str]) -> Prepared:
        """Any other model, through its own `encode`: tokens, and what is read of a text, are guessed."""
        tokens = np.array([1 + len(text) // _CHARACTERS_PER_TOKEN for text in texts], np.int64)
        lengths = np.minimum(tokens, self.spec.max_tokens)
        share = (lengths / tokens).astype(np.float32)
        chunks = Chunks([], np.ones(len(texts), np.int64), tokens > lengths, share, lengths)

        def forward(rows: NDArray[np.int64]) -> Any:
            batch = [texts[row] for row in rows]
            vectors = self.model.encode(
                batch, batch_size=len(batch), convert_to_tensor=True, show_progress_bar=False, device=self._device
            )
            return self._checked(vectors.float().cpu())

        return Prepared(chunks, lengths, forward, padding=True)

    def _checked(self, vectors: Any) -> Any:
        if vectors.shape[1] != self.dimensions:
            raise RunError(
                f"{self.spec.name} gives vectors of {vectors.shape[1]} values where its files promise {self.dimensions}"
            )
        return vectors


def _reads_plain_text(first: Any) -> bool:
    """Whether a Transformer module does nothing to a text but tokenise it and run the model's forward pass."""
    kinds = getattr(first, "modality_config", {"text": {"method": "forward"}})
    return (
        bool(getattr(first.tokenizer, "is_fast", False))
        and list(kinds) == ["text"]
        and kinds["text"]["method"] == "forward"
        and not getattr(first, "do_lower_case", False)
        and not getattr(first, "processing_kwargs", None)
    )
