"""The same steps as a `lexical` job in plain single-process Python: pyarrow, scikit-learn, NumPy. What the job is
measured against in `job.py`; nothing here is restartable, checked, bounded in memory or recorded.
"""

from __future__ import annotations

import hashlib
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.preprocessing import normalize


def main(corpus: Path, out: Path, clusters: int, clip: int) -> None:
    table = pa.concat_tables(pq.read_table(file) for file in sorted(corpus.glob("*.parquet")))
    texts = table["text"].to_pylist()
    seen: set[bytes] = set()
    keep = []
    for index, text in enumerate(texts):
        folded = " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())
        digest = hashlib.blake2b(folded.encode(), digest_size=16).digest()
        if digest not in seen:
            seen.add(digest)
            keep.append(index)
    tokens = np.array([max(1, round(len(texts[index].encode()) / 4)) for index in keep])

    read = [texts[index][:2048] for index in keep]
    rng = np.random.default_rng(0)
    vectorizer = HashingVectorizer(n_features=2**18, norm=None, alternate_sign=False)
    sample = vectorizer.transform([read[i] for i in rng.choice(len(read), min(20_000, len(read)), replace=False)])
    tfidf = TfidfTransformer(sublinear_tf=True).fit(sample)
    svd = TruncatedSVD(128, random_state=0).fit(tfidf.transform(sample))
    vectors = np.concatenate(
        [
            normalize(svd.transform(tfidf.transform(vectorizer.transform(read[i : i + 4096])))).astype(np.float16)
            for i in range(0, len(read), 4096)
        ]
    )
    kmeans = KMeans(clusters, n_init=1, max_iter=300, tol=1e-4, random_state=0, copy_x=False)
    labels = kmeans.fit_predict(vectors.astype(np.float32))

    sizes = np.bincount(labels, tokens, clusters)
    budget, level = float(tokens.sum()), 0.0
    order = np.argsort(sizes)
    left = budget
    for rank, cluster in enumerate(order):
        level = left / (clusters - rank)
        if clip * sizes[cluster] >= level:
            break
        left -= clip * sizes[cluster]
    wanted = np.minimum(clip * sizes, level)
    draws, keys = [], []
    for cluster in range(clusters):
        members = np.flatnonzero(labels == cluster)
        if not len(members):
            continue
        passes = [rng.permutation(members) for _ in range(clip)]
        stream = np.concatenate(passes)
        reached = np.cumsum(tokens[stream])
        taken = stream[reached <= wanted[cluster]]
        draws.append(taken)
        keys.append(np.cumsum(tokens[taken]) / level)
    drawn = np.concatenate(draws)[np.argsort(np.concatenate(keys), kind="stable")]

    out.mkdir(parents=True, exist_ok=True)
    rows = np.array(keep)[drawn]
    size = np.cumsum([len(texts[row].encode()) for row in rows]) // 268_435_456
    combined = table.combine_chunks()
    for shard in range(int(size[-1]) + 1):
        mine = rows[size == shard]
        part = combined.take(pa.array(mine)).append_column("cluster", pa.array(labels[drawn[size == shard]]))
        pq.write_table(
            part,
            out / f"shard-{shard:05}.parquet",
            compression="zstd",
            compression_level=3,
            row_group_size=1024,
            use_dictionary=["domain"],
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
