"""Named hardware: rates for machines that are not at hand.

CPU stages: what one slot of a shared cloud machine (2 slots of a Xeon with AMX) did in runs of this project:
`benchmarks/memory.py` (4.1 GB of JSONL, 3,349,670 documents), `planning.py`, `clustering.py` and `embedding.py`.
Formats: what `benchmarks/formats.py --plan` measured of each, divided by 1.85: with storage, and two slots at once, the
Parquet shards of the first of these runs took so much longer (47 MB/s, reading included).

GPU stages are counted operations over an assumed share of the data sheet's peak: matrix products reach 80 % of it (an
H100 was once measured at 81 %), the forward pass 45 % of that, as it does on a CPU with a BERT-base-sized encoder.
No GPU stage has been measured, so the ranges are wide.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from curation.estimate.rates import Rates, Starts

#: Peak of a GPU in bfloat16, operations a second, dense, by the maker's data sheet.
PEAKS = {"a100": 312e12, "h100": 989e12}
#: Names that `--hardware` takes besides `here`.
NAMES = ("cpu", *PEAKS)

#: Share of the peak that large matrix products reach, and shares of that: the forward pass, an assignment of K-Means.
REACHED, FORWARD, ASSIGNING = 0.8, 0.45, 0.5
#: Operations a second of a CPU slot in a forward pass (bfloat16; without AMX a fifth of it).
CPU_FORWARD = 250e9
#: Rows x clusters x dimensions a second of a CPU slot in K-Means, and what each row costs besides (rows a second).
CPU_PRODUCT, CPU_ROWS = 100e9, 140e3
#: Text bytes a second of the lexical encoder, seconds to fit it, and tokens a second of the tokenizer.
LEXICAL_BYTES, LEXICAL_FIT, TOKENISED = 22e6, 4.0, 0.4e6
#: Bytes of text a second of a CPU slot by format, of `index` documents: cut out and spilled, merged and written.
WRITTEN = {
    "parquet": (170e6, 83e6),
    "jsonl": (170e6, 127e6),
    "jsonl.gz": (170e6, 11.4e6),
    "jsonl.zst": (170e6, 58e6),
    "mds": (170e6, 204e6),
    "megatron": (295e6, 410e6),
    "index": (1.23e6, 0.88e6),
}
#: Characters shown to the tokenizer for each token that is kept (`embedding.chunks`), and characters a token.
SHOWN, CHARACTERS = 16, 4

#: The true work, as multiples of the estimated: CPU slots differ by a factor of two, GPUs' shares are assumed.
SPREAD, GPU_SPREAD = (0.6, 1.8), (0.5, 2.0)

#: What model families call layers, hidden size and inner size.
_SIZES = (("num_hidden_layers", "n_layers"), ("hidden_size", "dim"), ("intermediate_size", "hidden_dim"))

STARTS = Starts(process=0.9, code=0.5, planning=0.4, torch=1.5, data=0.5, models=2.5, load=1.0, metrics=0.7)


@dataclass(frozen=True)
class Network:
    """Layers, hidden size and inner size of a transformer encoder."""

    layers: int
    hidden: int
    inner: int

    def operations(self, tokens: float) -> float:
        """Multiplications and additions for a document: 2 (4 h^2 + 2 h i) + 4 s h for each of s tokens and layer."""
        h, i = self.hidden, self.inner
        return tokens * self.layers * (2 * (4 * h * h + 2 * h * i) + 4 * tokens * h)


@dataclass(frozen=True)
class Reading:
    """What the encoder has to do with a document.

    Attributes:
        network: None: nothing to compute (no transformer).
        tokens: that it reads of a document, on average.
        chunk: tokens that it reads at a time.
        bytes: UTF-8 bytes of a document, on average.
        lexical: whether it is the lexical encoder.
    """

    network: Network | None
    tokens: float
    chunk: float
    bytes: float
    lexical: bool = False

    @property
    def operations(self) -> float:
        """Multiplications and additions for a document, chunk by chunk."""
        tokens = min(self.tokens, self.chunk)
        return self.network.operations(tokens) * self.tokens / max(1e-9, tokens) if self.network else 0.0

    @property
    def shown(self) -> float:
        """Tokens of a document that the tokenizer goes through, those that are thrown away included."""
        return max(1.0, min(self.tokens * SHOWN / CHARACTERS, self.bytes / CHARACTERS))


def network_of(folder: Path) -> Network | None:
    """The sizes of the transformer in a model's folder; None where there is none, or it is of an unknown kind."""
    for path in (folder / "config.json", folder / "0_Transformer" / "config.json"):
        if path.is_file():
            told = json.loads(path.read_text(encoding="utf-8"))
            sizes = [next((told[name] for name in names if isinstance(told.get(name), int)), 0) for names in _SIZES]
            if all(sizes):
                return Network(*sizes)
    return None


def profile_rates(name: str, reading: Reading, clusters: int, dimensions: int, format: str = "parquet") -> Rates:
    """The rates of named hardware for a job.

    Args:
        name: one of NAMES.
        reading: what the encoder does with a document.
        clusters: K of K-Means.
        dimensions: of a vector.
        format: of the shards, one of WRITTEN.
    """
    peak = PEAKS.get(name)
    tokenised = TOKENISED / reading.shown
    spilled, written = (rate * (reading.bytes if format == "index" else 1) for rate in WRITTEN[format])
    product = 1 / CPU_ROWS + clusters * dimensions / CPU_PRODUCT
    stepped = 1 / product if peak is None else peak * REACHED * ASSIGNING / (2 * clusters * dimensions)
    if reading.lexical:
        encoded = LEXICAL_BYTES / max(1.0, reading.bytes)
    elif peak is None:
        encoded = 1 / (reading.operations / CPU_FORWARD + 1 / tokenised)
    else:
        encoded = peak * REACHED * FORWARD / reading.operations if reading.network else math.inf
    return Rates(
        name=name,
        gpu=peak is not None,
        spread=SPREAD,
        gpu_spread=GPU_SPREAD,
        starts=STARTS,
        scanned_bytes=0.8e9,
        described_bytes=60e6,
        hashed_documents=0.8e6,
        encoded_documents=encoded,
        tokenised_documents=tokenised,
        read_bytes=300e6,
        seeded=50e9 / dimensions,
        stepped_rows=stepped,
        assigned_documents=1 / product,
        summarised_documents=147e3,
        worded_texts=20e3,
        signed_bytes=40e6,
        spoken_texts=5000.0,
        read_words=3.4e3,
        profiled_texts=1900.0,
        planned_documents=1.57e6,
        spilled_bytes=spilled,
        written_bytes=written,
        fit=LEXICAL_FIT if reading.lexical else 0.0,
    )
