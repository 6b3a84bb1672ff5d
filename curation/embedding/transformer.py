"""The neural encoder: a sentence-transformers model, fed in batches of equal length.

`SentenceTransformer.encode` sorts by characters and cuts batches of 32 documents; tokenising and padding are done
again for each batch. Here all texts are tokenised first, sorted by tokens, and cut by a token budget, so that there
is hardly any padding and a batch of short documents is as much work as one of long ones. Weights are in the number
format of the forward pass (autocast would convert them again and again). Models that are more than a transformer
reading text with a fast tokenizer go through `model.encode`, in sorted order.

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
from curation.embedding.encoder import Encoded, EncoderSpec, normalised
from curation.embedding.loading import load_model
from curation.errors import RunError

#: Best budget of a CPU batch: benchmarks/embedding.py --budgets 512 1024 2048 4096 8192.
CPU_BATCH_TOKENS = 2048
#: Texts tokenised at once: bounds the memory of the tokenizer's results (100 bytes a token and more).
_TOKENISED_AT_ONCE = 1024
#: Characters a token that are shown to the tokenizer at first; the whole text if they were too few.
_CHARACTERS_PER_TOKEN = 16


@dataclass(frozen=True)
class _Prepared:
    """Texts ready to be encoded: their token counts, the texts cut off, and what encodes some of them."""

    lengths: NDArray[np.int64]
    truncated: int
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
            vectors=normalised(batched.vectors),
            tokens=int(ready.lengths.sum()),
            padded=batched.padded,
            truncated=ready.truncated,
            batch_tokens=batched.batch_tokens,
        )

    def _choose_way(self) -> Callable[[list[str]], _Prepared]:
        """How this model is fed."""
        first = self.model[0]
        kind = type(first).__name__
        if self.model.default_prompt_name is None and kind == "StaticEmbedding":
            self._tokenizer, self._from_end = first.tokenizer, False
            self._limit_tokenizer()
            return self._prepare_static
        if self.model.default_prompt_name is None and kind == "Transformer" and _reads_plain_text(first):
            self._tokenizer = first.tokenizer.backend_tokenizer
            self._from_end = first.tokenizer.truncation_side == "left"
            self._limit_tokenizer()
            return self._prepare_transformer
        with contextlib.suppress(AttributeError, TypeError):  # a module without a limit of its own
            self.model.max_seq_length = self.spec.max_tokens
        return self._prepare_any

    def _limit_tokenizer(self) -> None:
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.spec.max_tokens, direction="left" if self._from_end else "right")

    def _prepare_transformer(self, texts: list[str]) -> _Prepared:
        documents, truncated = self._tokenised(texts, special=True)
        tokenizer = self.model[0].tokenizer
        filler, left = tokenizer.pad_token_id or 0, tokenizer.padding_side == "left"
        typed = "token_type_ids" in tokenizer.model_input_names

        def forward(rows: NDArray[np.int64]) -> Any:
            ids, mask = pad_left_or_right([documents[row] for row in rows], filler, left)
            features = {"input_ids": ids, "attention_mask": mask}
            return self._forward({**features, "token_type_ids": np.zeros_like(ids)} if typed else features)

        return _Prepared(_lengths(documents), truncated, forward, padding=True)

    def _prepare_static(self, texts: list[str]) -> _Prepared:
        """Token embeddings are only averaged: documents lie end to end, with the place where each begins."""
        documents, truncated = self._tokenised(texts, special=False)

        def forward(rows: NDArray[np.int64]) -> Any:
            batch = [documents[row] for row in rows]
            ends = np.cumsum(_lengths(batch))
            offsets = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
            return self._forward({"input_ids": np.concatenate(batch).astype(np.int64), "offsets": offsets})

        return _Prepared(_lengths(documents), truncated, forward, padding=False)

    def _prepare_any(self, texts: list[str]) -> _Prepared:
        """Any other model, through its own `encode`: tokens are guessed from characters, and `truncated` is 0."""
        lengths = np.array([min(1 + len(text) // 4, self.spec.max_tokens) for text in texts], np.int64)

        def forward(rows: NDArray[np.int64]) -> Any:
            batch = [texts[row] for row in rows]
            vectors = self.model.encode(
                batch, batch_size=len(batch), convert_to_tensor=True, show_progress_bar=False, device=str(self._device)
            )
            return self._checked(vectors.float().cpu())

        return _Prepared(lengths, 0, forward, padding=True)

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

    def _tokenised(self, texts: list[str], special: bool) -> tuple[list[NDArray[np.int32]], int]:
        """The token ids of each text up to the limit, int32 each, and how many texts were cut off."""
        documents: list[NDArray[np.int32]] = []
        truncated = 0
        encode = getattr(self._tokenizer, "encode_batch_fast", self._tokenizer.encode_batch)
        for at in range(0, len(texts), _TOKENISED_AT_ONCE):
            chunk = texts[at : at + _TOKENISED_AT_ONCE]
            beginnings = [self._beginning(text) for text in chunk]
            for text, beginning, encoding in zip(
                chunk, beginnings, encode(beginnings, add_special_tokens=special), strict=True
            ):
                cut = self._is_cut(encoding)
                if not cut and len(beginning) < len(text):
                    encoding = encode([text], add_special_tokens=special)[0]
                    cut = self._is_cut(encoding)
                truncated += cut
                documents.append(np.array(encoding.ids, np.int32))
        return documents, truncated

    def _beginning(self, text: str) -> str:
        """As much of a text as surely fills the limit in most languages, up to a white space.

        Tokenizers read a text to its end before they cut it; of a long one that is nearly all of the time.
        """
        most = self.spec.max_tokens * _CHARACTERS_PER_TOKEN
        return text if len(text) <= most or self._from_end else (text[:most].rsplit(None, 1) or [""])[0]

    def _is_cut(self, encoding: Any) -> bool:
        return len(encoding.ids) >= self.spec.max_tokens and bool(encoding.overflowing)


def _lengths(documents: list[NDArray[np.int32]]) -> NDArray[np.int64]:
    return np.array([len(document) for document in documents], np.int64)


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
