"""The forward pass of a sentence-transformers model, and what makes it faster without changing what it says.

Two things are tried when a model is loaded: documents packed end to end (`packing`) and, in bfloat16 on a CPU, linear
layers laid out beforehand (`fused`). Both reach into what other packages promise to nobody, so neither is believed:
a few documents of token ids go through the plain model and the changed one, and a change that fails or gives other
vectors is dropped, and the model is loaded anew without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.embedding.batching import pad_left_or_right
from curation.embedding.encoder import EncoderSpec
from curation.embedding.fused import fuse_linear_layers
from curation.embedding.packing import packed_features, same_vectors, take_packed_attention

Documents = list[NDArray[np.int32]]


@dataclass(frozen=True)
class Network:
    """A loaded model on its device, and what was changed in it.

    Attributes:
        model: the SentenceTransformer.
        device: `cpu`, `cuda` or `cuda:N`.
        first_position: position of a packed document's first token; None: documents are padded.
        fused: whether its linear layers were laid out beforehand.
    """

    model: Any
    device: str
    first_position: int | None = None
    fused: bool = False

    @property
    def packed(self) -> bool:
        """Whether documents lie end to end."""
        return self.first_position is not None

    def features(self, documents: Documents) -> dict[str, Any]:
        """What the model takes for a batch of tokenised documents."""
        tokenizer = self.model[0].tokenizer
        typed = "token_type_ids" in tokenizer.model_input_names
        if self.first_position is not None:
            return packed_features(documents, self.first_position, typed)
        filler, left = tokenizer.pad_token_id or 0, tokenizer.padding_side == "left"
        ids, mask = pad_left_or_right(documents, filler, left)
        features = {"input_ids": ids, "attention_mask": mask}
        return {**features, "token_type_ids": np.zeros_like(ids)} if typed else features

    def vectors(self, features: dict[str, Any]) -> Any:
        """The vectors of a batch: a float32 tensor in host memory; on a GPU the copies are not waited for."""
        import torch

        on_gpu = self.device != "cpu"
        tensors = {key: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for key, v in features.items()}
        if on_gpu:
            tensors = {
                key: v.pin_memory().to(self.device, non_blocking=True) if isinstance(v, torch.Tensor) else v
                for key, v in tensors.items()
            }
        with torch.inference_mode():
            return self.model(tensors)["sentence_embedding"].float().to("cpu", non_blocking=on_gpu)


def fast_network(model: Any, load: Callable[[], Any], device: str, spec: EncoderSpec) -> Network:
    """A model that reads token ids, with all that was tried and gave the same vectors.

    Args:
        model: the model as it was loaded. It is changed in place.
        load: loads it anew, after a change that has to be dropped.
        device: `cpu`, `cuda` or `cuda:N`.
        spec: its number format and the most tokens of a document.
    """
    plain = Network(model, device)
    documents = trial_documents(model, spec.max_tokens)
    expected = _finished(plain, documents)
    tokenizer = model[0].tokenizer
    found: Network | None = None
    # Without special tokens a document may be empty; the GPU's kernel has no float32.
    if tokenizer.num_special_tokens_to_add(False) and (device == "cpu" or spec.precision != "float32"):
        positions = (0, (tokenizer.pad_token_id or 0) + 1)  # RoBERTa and its kin begin behind the padding's
        tries = (_if_same(_packed, Network(model, device, first), documents, expected) for first in positions)
        found = next((network for network in tries if network), None)
        found = found or Network(load(), device)
    found = found or plain
    if device == "cpu" and spec.precision == "bfloat16":
        fused = _if_same(_fused, found, documents, expected)
        return fused or (_packed(replace(found, model=load())) if found.packed else Network(load(), device))
    return found


def _packed(network: Network) -> Network:
    take_packed_attention(network.model[0])
    return network


def _fused(network: Network) -> Network:
    fuse_linear_layers(network.model)
    return replace(network, fused=True)


def trial_documents(model: Any, max_tokens: int) -> Documents:
    """Documents of drawn token ids, one as long as they get, and shorter ones.

    The ids are of the vocabulary's second half: special tokens lie in front, and RoBERTa counts no position for them.
    """
    rng = np.random.default_rng(0)
    vocabulary = len(model[0].tokenizer)
    lengths = [max_tokens, max(1, max_tokens // 3), min(7, max_tokens), min(2, max_tokens)]
    return [rng.integers(vocabulary // 2, vocabulary, length).astype(np.int32) for length in lengths]


def _if_same(
    change: Callable[[Network], Network], network: Network, documents: Documents, expected: Any
) -> Network | None:
    """The network, changed in place, if it gives the expected vectors then; else None, and it is of no more use."""
    try:
        changed = change(network)
        return changed if same_vectors(_finished(changed, documents), expected) else None
    except Exception:  # noqa: BLE001 (a model that was changed may fail with anything; unchanged it works)
        return None


def _finished(network: Network, documents: Documents) -> Any:
    """The vectors, with the GPU's copies waited for."""
    import torch

    vectors = network.vectors(network.features(documents))
    if network.device != "cpu":
        torch.cuda.synchronize(network.device)
    return vectors
