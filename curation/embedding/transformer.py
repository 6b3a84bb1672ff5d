"""The neural encoder: a sentence-transformers model, fed in batches of equal length.

`SentenceTransformer.encode` sorts by characters and cuts batches of 32 documents; tokenising and padding are done
again for each batch. Here all texts are tokenised first, sorted by tokens, and cut by a token budget, so that there
is hardly any padding and a batch of short documents is as much work as one of long ones. Weights are in the number
format of the forward pass (autocast would convert them again and again). The chunks of long documents
(`chunks`) are sorted in among the others. Models that are more than a transformer reading text with a fast tokenizer
go through `model.encode`, in sorted order.

On a CPU every thread runs a batch of its own, on one core. Threads that share a batch wait for each other hundreds of
times in it, and where something else wants a core too, that waiting costs most of the speed (MiniLM on 2 busy cores:
24 to 34 documents/s with shared batches, 58 to 92 with their own). The vectors do not depend on the number of threads
then, either. A batch that leaves the cache is slower, so the job file's `batch_tokens` is an upper limit there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.embedding.batching import Forward, encode_in_batches, pad_left_or_right
from curation.embedding.chunks import Chunker, Chunks, mean_of_chunks
from curation.embedding.encoder import Encoded, EncoderSpec, normalised
from curation.embedding.loading import load_model
from curation.errors import JobError, RunError

#: Best budget of a CPU batch: benchmarks/embedding.py --budgets 512 1024 2048 4096 8192.
CPU_BATCH_TOKENS = 2048
#: What is guessed of a model whose tokenizer is not used here.
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True)
class _Prepared:
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
        batch_tokens: tokens of a batch, padding included; on a CPU at most CPU_BATCH_TOKENS are taken.
        device: `cpu`, `cuda` or `cuda:N`.
        threads: on a CPU, how many batches are computed at a time, each by one thread; not used on a GPU.
        trust_remote_code: whether code in the folder may run.

    Attributes:
        batch_tokens: the budget in force.

    Raises:
        JobError: the model can't be loaded.
    """

    def __init__(
        self,
        spec: EncoderSpec,
        folder: Path,
        *,
        batch_tokens: int,
        device: str,
        threads: int,
        trust_remote_code: bool = False,
    ) -> None:
        import torch

        self.spec = spec
        self.model = load_model(folder, spec.precision, device, trust_remote_code)
        self._device = torch.device(device)
        self.batch_tokens = min(batch_tokens, CPU_BATCH_TOKENS) if self._device.type == "cpu" else batch_tokens
        self._prepare = self._choose_way()
        self._pool: Executor | None = None
        if self._device.type == "cpu":
            self._pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self.spec.dimensions

    def encode(self, texts: list[str]) -> Encoded:
        """Encodes texts. After the GPU ran out of memory the smaller batches stay. See `Encoder`."""
        ready = self._prepare(texts)
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
        )

    def _choose_way(self) -> Callable[[list[str]], _Prepared]:
        """How this model is fed."""
        first = self.model[0]
        kind = type(first).__name__
        if self.model.default_prompt_name is None and kind == "StaticEmbedding":
            self._chunker = self._new_chunker(first.tokenizer, special=False, from_end=False)
            return self._prepare_static
        if self.model.default_prompt_name is None and kind == "Transformer" and _reads_plain_text(first):
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

    def _prepare_transformer(self, texts: list[str]) -> _Prepared:
        chunks = self._chunker(texts)
        tokenizer = self.model[0].tokenizer
        filler, left = tokenizer.pad_token_id or 0, tokenizer.padding_side == "left"
        typed = "token_type_ids" in tokenizer.model_input_names

        def forward(rows: NDArray[np.int64]) -> Any:
            ids, mask = pad_left_or_right([chunks.ids[row] for row in rows], filler, left)
            features = {"input_ids": ids, "attention_mask": mask}
            return self._forward({**features, "token_type_ids": np.zeros_like(ids)} if typed else features)

        return _Prepared(chunks, chunks.lengths, forward, padding=True)

    def _prepare_static(self, texts: list[str]) -> _Prepared:
        """Token embeddings are only averaged: chunks lie end to end, with the place where each begins."""
        chunks = self._chunker(texts)

        def forward(rows: NDArray[np.int64]) -> Any:
            batch = [chunks.ids[row] for row in rows]
            ends = np.cumsum([len(ids) for ids in batch])
            offsets = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
            return self._forward({"input_ids": np.concatenate(batch).astype(np.int64), "offsets": offsets})

        return _Prepared(chunks, chunks.lengths, forward, padding=False)

    def _prepare_any(self, texts: list[str]) -> _Prepared:
        """Any other model, through its own `encode`: tokens, and what is read of a text, are guessed."""
        tokens = np.array([1 + len(text) // _CHARACTERS_PER_TOKEN for text in texts], np.int64)
        lengths = np.minimum(tokens, self.spec.max_tokens)
        share = (lengths / tokens).astype(np.float32)
        chunks = Chunks([], np.ones(len(texts), np.int64), tokens > lengths, share, lengths)

        def forward(rows: NDArray[np.int64]) -> Any:
            batch = [texts[row] for row in rows]
            vectors = self.model.encode(
                batch, batch_size=len(batch), convert_to_tensor=True, show_progress_bar=False, device=str(self._device)
            )
            return self._checked(vectors.float().cpu())

        return _Prepared(chunks, lengths, forward, padding=True)

    def _forward(self, features: dict[str, NDArray[np.int64]]) -> Any:
        """The vectors of one batch as a float32 tensor in host memory. On a GPU the copies are not waited for."""
        import torch

        tensors = {name: torch.from_numpy(array) for name, array in features.items()}
        if self._device.type == "cuda":
            tensors = {name: t.pin_memory().to(self._device, non_blocking=True) for name, t in tensors.items()}
        with torch.inference_mode():
            vectors = self.model(tensors)["sentence_embedding"]
            return self._checked(vectors.float().to("cpu", non_blocking=True))

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
