"""`curation trace`: does it find the document that a passage came from, and how long does a query take?

    python benchmarks/trace.py --documents 200000 --queries 200                                # lexical
    python benchmarks/trace.py --documents 10000 --model sentence-transformers/all-MiniLM-L6-v2

The corpus is real text: the files of the installed packages, cut at line ends into passages of some 100 words. A
passage is left out where the beginning, middle or end of it (12 words) was seen before. Queries are 50 to 80 words
from the middle of a document, as they stand there, and lightly paraphrased: words replaced by synonyms, left out and
exchanged with their neighbour, by a fixed seed. A hit is the very document that the query was cut
from; where another is ranked before it that has as much of the query, the two are tied.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import re
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

WORDS, FILES, PROBE, TOP = 100, 16, 12, 10
SUFFIXES = (".py", ".pyi", ".md", ".rst", ".txt", ".h", ".hpp", ".cuh", ".cpp", ".pyx", ".pxd", ".js", "METADATA")
_PAIRS = """
use/employ used/employed uses/employs using/employing show/display shows/displays return/give returns/gives
returned/given create/make creates/makes created/made get/obtain set/assign value/quantity values/quantities
number/count default/standard function/routine functions/routines method/procedure object/thing
parameter/argument parameters/arguments argument/parameter arguments/parameters error/fault errors/faults
raise/throw raised/thrown must/should should/must can/may may/can will/shall only/solely also/too
because/since since/because if/when when/if not/never all/every each/every any/some some/several large/big
small/little new/fresh old/former first/initial last/final same/identical different/distinct same/equal
given/supplied specified/stated specify/state specifies/states contain/hold contains/holds list/sequence
check/test checks/tests find/locate found/located need/require needs/requires change/alter changes/alters
begin/start start/begin end/finish stop/halt fast/quick slow/sluggish example/instance example:/instance:
however/yet therefore/thus but/yet and/plus or/alternatively the/this a/one is/stands are/stand for/concerning
with/having from/out-of this/the that/which which/that data/information file/document files/documents
name/label names/labels type/kind types/kinds class/category result/outcome results/outcomes input/intake
output/yield current/present available/at-hand possible/feasible support/back supported/backed
true/right false/wrong make/produce compute/calculate computed/calculated user/person users/people
"""
SYNONYMS = dict(pair.split("/") for pair in _PAIRS.split())


def passages(count: int) -> Iterator[str]:
    """So many different passages, in an order that only the names of the files decide."""
    roots = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib")}
    found = {path for root in roots for path in root.rglob("*") if path.name.endswith(SUFFIXES) and path.is_file()}
    seen: set[str] = set()
    made = 0
    for path in sorted(found, key=lambda path: hashlib.blake2b("/".join(path.parts[-4:]).encode()).digest()):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for passage in cut_passages(text):
            words = passage.split()
            middle = len(words) // 2
            probes = {" ".join(words[at : at + PROBE]) for at in (0, middle, len(words) - PROBE)}
            if seen.isdisjoint(probes):
                seen |= probes
                made += 1
                yield passage
            if made == count:
                return


def cut_passages(text: str) -> Iterator[str]:
    """Whole lines with WORDS words or a few more, of which most have letters."""
    lines: list[str] = []
    words: list[str] = []
    for line in text.split("\n"):
        if len(line) > 400 or "\0" in line:
            lines, words = [], []
            continue
        lines.append(line)
        words += line.split()
        if len(words) >= WORDS:
            if sum(word.isalpha() for word in words) > len(words) / 3:
                yield "\n".join(lines)
            lines, words = [], []


def write_corpus(folder: Path, count: int) -> None:
    """Writes FILES Parquet files."""
    made = list(passages(count))
    if len(made) < count:
        raise SystemExit(f"the installed packages have only {len(made):,} different passages; ask for fewer documents")
    folder.mkdir(parents=True)
    step = -(-count // FILES)
    for number in range(FILES):
        table = pa.table({"text": made[number * step : (number + 1) * step]})
        pq.write_table(table, folder / f"part-{number:03}.parquet", row_group_size=1000, compression="zstd")


def queries(folder: Path, count: int, seed: int = 0) -> tuple[list[int], list[str], list[str]]:
    """Documents, and a passage of each, as it stands there and paraphrased."""
    texts = pq.read_table(folder)["text"].to_pylist()
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(len(texts), count, replace=False).tolist())
    exact, changed = [], []
    for doc_id in chosen:
        spans = [match.span() for match in re.finditer(r"\S+", texts[doc_id])]
        length = int(rng.integers(50, 81))
        start = (len(spans) - length) // 2
        exact.append(texts[doc_id][spans[start][0] : spans[start + length - 1][1]])
        changed.append(paraphrase(exact[-1].split(), rng))
    return chosen, exact, changed


def paraphrase(words: list[str], rng: np.random.Generator) -> str:
    """Words replaced by synonyms where there is one (half of them), left out (1 in 20), exchanged (1 in 20)."""
    made = [SYNONYMS.get(word.lower(), word) if rng.random() < 0.5 else word for word in words]
    made = [word for word in made if rng.random() >= 0.05]
    for at in range(len(made) - 1):
        if rng.random() < 0.05:
            made[at], made[at + 1] = made[at + 1], made[at]
    return " ".join(made)


def ask(name: str, find: Callable[[str], dict[str, Any]], texts: list[str], chosen: list[int]) -> None:
    """Asks all queries and prints hit rates and times."""
    ranks, ties, seconds, begun = [], 0, [], time.process_time()
    for text, doc_id in zip(texts, chosen, strict=True):
        started = time.perf_counter()
        hits = find(text)["hits"]
        seconds.append(time.perf_counter() - started)
        found = [hit["doc_id"] for hit in hits]
        ranks.append(found.index(doc_id) if doc_id in found else TOP)
        ties += 0 < ranks[-1] < TOP and score(hits[ranks[-1]]) == score(hits[0])
    cpu = (time.process_time() - begun) / len(texts)
    first, any_rank = (sum(rank <= most for rank in ranks) / len(ranks) for most in (0, TOP - 1))
    slowest = max(seconds)
    print(
        f"{name:<22} top 1 {first:6.1%}, tied with the first {ties / len(ranks):4.1%}; top {TOP} {any_rank:6.1%}; "
        f"seconds a query: median {statistics.median(seconds):.3f}, slowest {slowest:.3f}, CPU {cpu:.3f}",
        flush=True,
    )


def score(hit: dict[str, Any]) -> tuple[Any, ...]:
    """What a hit is ranked by."""
    return hit.get("words"), hit.get("covered"), hit.get("cosine")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--model", default="lexical")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "curation-bench"))
    options = parser.parse_args()
    folder = options.folder / f"trace-{options.documents}"
    if not (folder / "corpus").exists():
        write_corpus(folder / "corpus", options.documents)
    run_dir = folder / options.model.rpartition("/")[2]
    job = run_dir.with_suffix(".yaml")
    job.write_text(
        f"run_dir: {run_dir}\nsources: [{{domain: all, path: {folder}/corpus}}]\nsplit_bytes: 16_777_216\n"
        f"embedding: {{model: {options.model}}}\nclustering: {{clusters: 100}}\n"
    )
    command = [sys.executable, "-m", "curation.cli"]
    began = time.perf_counter()
    subprocess.run([*command, "run", str(job)], check=True, capture_output=True)
    print(f"run: {time.perf_counter() - began:.0f} s (nothing if it was done before)")

    from curation.pipeline import current_markers
    from curation.progress import Reporter
    from curation.storage.store import Store
    from curation.trace.answer import ready_index, traced_job
    from curation.trace.exact import find_exact
    from curation.trace.meaning import encoder_of, find_nearest

    store = Store.open(str(run_dir))
    markers = current_markers(store)
    traced = traced_job(store, markers)
    index = ready_index(store, traced, markers, Reporter(io.StringIO()))
    size = sum(path.stat().st_size for path in run_dir.glob("trace/*.arrow"))
    text_bytes = markers["documents"].stats["bytes"]
    told = f"{index.seconds:.0f} s when it was made, {size / 1e6:.0f} MB for {text_bytes / 1e6:.0f} MB of text"
    print(f"index of {options.documents:,} documents: {told}")
    chosen, exact, changed = queries(folder / "corpus", options.queries)
    pairs = [(one.split(), other.split()) for one, other in zip(exact, changed, strict=True)]
    kept = [sum(block.size for block in SequenceMatcher(None, *pair, False).get_matching_blocks()) for pair in pairs]
    share = statistics.mean(1 - count / len(one) for count, (one, _) in zip(kept, pairs, strict=True))
    print(f"paraphrased: {share:.1%} of the words of a passage don't stand where they stood")
    encoder = encoder_of(store, traced)
    for kind, texts in (("as it stands", exact), ("paraphrased", changed)):
        ask(f"passages, {kind}", lambda text: find_exact(store, traced, index, text, TOP), texts, chosen)
        ask(f"meaning, {kind}", lambda text: find_nearest(store, encoder, text, TOP), texts, chosen)
    for way in ("--exact", "--meaning"):
        began = time.perf_counter()
        subprocess.run([*command, "trace", str(run_dir), exact[0], way], check=True, capture_output=True)
        print(f"curation trace {way}: {time.perf_counter() - began:.1f} s, start of Python included")


if __name__ == "__main__":
    main()
