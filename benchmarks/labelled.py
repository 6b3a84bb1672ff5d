"""Two corpora of labelled real text, to measure whether balancing helps: `languages` and `kinds`.

    python benchmarks/labelled.py FOLDER [--corpus languages|kinds] [--documents N] [--balanced]

Each corpus has one domain with half of all documents and many small ones. The tables are in `labelled_texts`; the
packages that they name are downloaded to `FOLDER/packages` at pinned versions, once. The same versions give the same
bytes: which documents are taken is decided by the hashes of their names. `FOLDER/<corpus>/<domain>.parquet` has the
columns `text` and `domain`; `FOLDER/<corpus>/domains.json` tells what is in them and where it came from. With
`--balanced` there is `FOLDER/<corpus>-balanced`, too, with about as many documents of every domain.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from labelled_texts.domain import Domain
from labelled_texts.kinds import KINDS
from labelled_texts.languages import LANGUAGES
from labelled_texts.packages import declared_licence, members, package_file, pinned_versions
from labelled_texts.texts import file_documents

from curation.audit.languages import UNKNOWN, detect

CORPORA = {"languages": LANGUAGES, "kinds": KINDS}

BYTES = 6000
"""Bytes of a package's files that are read for each document wanted; files with the lowest hashes come first."""
LARGEST_FILE = 3_000_000
"""Bytes of the largest file of code or prose; databases and JSON are read whole."""
BALANCED = 400
"""Most documents of a domain of a balanced corpus."""


def digest(text: str) -> bytes:
    """What decides which documents are taken, and which are copies."""
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def package_documents(corpus: str, row: int, package: str, packages: Path, most: int) -> dict[str, str]:
    """Usable documents of a package for a domain by name (package, path in it, number), at most so many.

    It runs in a process of its own; the domain is named by its row, as its functions can't be pickled.
    """
    domain = CORPORA[corpus][row]
    texts = package_texts(domain, package_file(package, packages))
    documents = {f"{package}/{name}": text for name, text in file_documents(domain.form, texts)}
    kept: dict[str, str] = {}
    for name in lowest(documents, len(documents)):
        if len(kept) == min(most, domain.from_package):
            break
        if is_in_language(documents[name], domain):
            kept[name] = documents[name]
    return kept


def package_texts(domain: Domain, archive: Path) -> dict[str, str]:
    """Text of the files that the domain names, as many as are needed; without what is too large or not text."""
    files = {
        name: content
        for name, content in members(archive, domain.files)
        if len(content) <= LARGEST_FILE or name.endswith((".json", ".db", ".dict"))
    }
    texts: dict[str, str] = {}
    left = BYTES * min(domain.documents, domain.from_package)
    for name in lowest(files, len(files)):
        if left <= 0:
            break
        try:
            texts[name] = domain.form.decode(files[name])
        except UnicodeDecodeError:
            continue
        left -= len(files[name])
    return texts


def is_in_language(text: str, domain: Domain) -> bool:
    """False if the text is not in the domain's script, or is plainly in another language: translations have gaps."""
    if domain.script:
        letters = len(re.findall(r"[^\W\d_]", text))
        return 3 * len(re.findall(f"[{domain.script}]", text)) >= letters
    return not domain.language or detect([text])[0][0] in (domain.language, UNKNOWN)


def lowest(names: Iterable[str], count: int) -> list[str]:
    """At most `count` names: those with the lowest hashes, in their order."""
    return sorted(names, key=digest)[:count]


def build(corpus: str, folder: Path, share: float, is_balanced: bool, workers: int) -> None:
    """Writes the corpus, each domain cut to a share of its documents, and its balanced version if asked."""
    domains, packages = CORPORA[corpus], folder / "packages"
    targets: dict[Path, dict[str, object]] = {folder / corpus: {}}
    if is_balanced:
        targets[folder / f"{corpus}-balanced"] = {}
    for package in {package: None for domain in domains for package in domain.packages.split()}:
        package_file(package, packages)
    seen: set[bytes] = set()
    with ProcessPoolExecutor(workers) as pool:
        found_by_package = [
            [pool.submit(package_documents, corpus, row, package, packages, most(domain, share))
             for package in domain.packages.split()]
            for row, domain in enumerate(domains)
        ]  # fmt: skip
        for domain, parts in zip(domains, found_by_package, strict=True):
            found = without_copies((part.result() for part in parts), seen)
            parts.clear()  # a future keeps its result
            if not found:
                raise SystemExit(f"{domain.name}: no documents in its packages' files; mend its row in the table")
            for target, told in targets.items():
                wanted = round(share * domain.documents) if target.name == corpus else BALANCED
                told[domain.name] = write_domain(domain.name, found, wanted, packages, target)
            print(f"{domain.name}: {len(found)} documents", flush=True)
    for target, told in targets.items():
        (target / "domains.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def most(domain: Domain, share: float) -> int:
    """Documents that each package of a domain may give: a third more than are wanted, as some are copies."""
    return round(1.33 * max(share * domain.documents, BALANCED))


def without_copies(parts: Iterable[dict[str, str]], seen: set[bytes]) -> dict[str, str]:
    """The documents that are not in `seen` but for blanks; adds them to it."""
    found: dict[str, str] = {}
    for part in parts:
        for name, text in part.items():
            copy = digest(re.sub(r"\s+", " ", text))
            if copy not in seen:
                seen.add(copy)
                found[name] = text
    return found


def write_domain(domain: str, found: dict[str, str], wanted: int, packages: Path, target: Path) -> dict[str, object]:
    """Writes a domain's file, of rows of a text and the domain's name; what `domains.json` says of it."""
    names = lowest(found, wanted)
    texts = [found[name] for name in names]
    target.mkdir(parents=True, exist_ok=True)
    table = pa.table({"text": texts, "domain": pa.array([domain] * len(texts), pa.string())})
    pq.write_table(table, target / f"{domain}.parquet", compression="zstd", row_group_size=4096)
    return description(names, texts, packages)


def description(names: list[str], texts: list[str], packages: Path) -> dict[str, object]:
    """What `domains.json` says of a domain."""
    counts = Counter(re.match(r"(\w+:(@[^/]+/)?[^/]+)/", name)[1] for name in names)  # type: ignore[index]
    sources = [{"package": package, "version": pinned_versions()[package], "documents": count,
                "licence": declared_licence(package, package_file(package, packages))}
               for package, count in sorted(counts.items())]  # fmt: skip
    return {"documents": len(texts), "characters": sum(map(len, texts)), "packages": sources}


def main() -> None:
    """Builds the corpora that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where `packages` and the corpora are written")
    parser.add_argument("--corpus", choices=sorted(CORPORA), help="one of them only")
    parser.add_argument("--documents", type=int, help="about so few in all; sizes keep their proportions")
    parser.add_argument(
        "--balanced", action="store_true", help=f"write <corpus>-balanced, too: at most {BALANCED} documents a domain"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    options = parser.parse_args()
    for corpus in [options.corpus] if options.corpus else sorted(CORPORA):
        whole = sum(domain.documents for domain in CORPORA[corpus])
        share = min(1.0, (options.documents or whole) / whole)
        build(corpus, options.folder, share, options.balanced, options.workers)


if __name__ == "__main__":
    main()
