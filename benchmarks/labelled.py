"""Two corpora of labelled real text, to measure whether balancing helps: `languages` and `kinds`.

    python benchmarks/labelled.py FOLDER [--corpus languages|kinds] [--documents N] [--balanced]

Each corpus has one domain with half of all documents and many small ones. The tables are in `labelled_texts`; the
packages that they name are downloaded to `FOLDER/packages` at pinned versions, once. The same versions give the same
bytes: which documents are taken is decided by the hashes of their names. `FOLDER/<corpus>/<domain>.parquet` has the
columns `text` and `domain`; `FOLDER/<corpus>/domains.json` tells what is in them and where it came from.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Iterable
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

MOST_FILES = 4000
"""Files of a package for a domain; those with the lowest hashes."""
LARGEST_FILE = 3_000_000
"""Bytes of the largest file of code or prose; databases and JSON are read whole."""
BALANCED = 400
"""Most documents of a domain of a balanced corpus."""


def digest(text: str) -> bytes:
    """What decides which documents are taken, and which are copies."""
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def domain_documents(domain: Domain, packages: Path) -> dict[str, str]:
    """All usable documents of a domain by name (package, path in it, number), without exact copies."""
    found: dict[str, str] = {}
    seen: set[bytes] = set()
    for package in domain.packages.split():
        files = package_texts(domain, package_file(package, packages))
        documents = {f"{package}/{name}": text for name, text in file_documents(domain.form, files)}
        for name in lowest(documents, domain.from_package):
            copy = digest(re.sub(r"\s+", " ", documents[name]))
            if copy not in seen and is_in_language(documents[name], domain):
                seen.add(copy)
                found[name] = documents[name]
    return found


def package_texts(domain: Domain, archive: Path) -> dict[str, str]:
    """Text of each file of a package that the domain names; without what is too large or not text."""
    files = {name: content for name, content in members(archive, domain.files)
             if len(content) <= LARGEST_FILE or name.endswith((".json", ".db", ".dict"))}  # fmt: skip
    texts: dict[str, str] = {}
    for name in lowest(files, MOST_FILES):
        try:
            texts[name] = domain.form.decode(files[name])
        except UnicodeDecodeError:
            continue
    return texts


def is_in_language(text: str, domain: Domain) -> bool:
    """False if the text is not in the domain's script, or is plainly in another language: translations have gaps."""
    letters = re.findall(r"[^\W\d_]", text) if domain.script else []
    if 2 * len(re.findall(f"[{domain.script}]", text) if domain.script else "") < len(letters):
        return False
    return not domain.language or detect([text])[0][0] in (domain.language, UNKNOWN)


def lowest(names: Iterable[str], count: int) -> list[str]:
    """At most `count` names: those with the lowest hashes, in their order."""
    return sorted(names, key=digest)[:count]


def write_domain(domain: Domain, texts: list[str], path: Path) -> None:
    """A domain's file, of rows of a text and the domain's name."""
    table = pa.table({"text": texts, "domain": pa.array([domain.name] * len(texts), pa.string())})
    pq.write_table(table, path, compression="zstd", row_group_size=4096)


def build(corpus: str, folder: Path, documents: int | None, is_balanced: bool) -> None:
    """Writes the corpus: all domains, each cut to its share of the documents wanted."""
    domains = CORPORA[corpus]
    share = 1.0 if documents is None else documents / sum(domain.documents for domain in domains)
    target = folder / ("balanced" if is_balanced else corpus)
    target.mkdir(parents=True, exist_ok=True)
    told, seen = {}, set()
    for domain in domains:
        began = time.monotonic()
        all_found = domain_documents(domain, folder / "packages")
        found = {name: text for name, text in all_found.items() if digest(text) not in seen}
        if not found:
            raise SystemExit(
                f"{domain.name}: no documents; its packages hold them elsewhere: mend its row in the table"
            )
        wanted = BALANCED if is_balanced else max(1, round(share * domain.documents))
        names = lowest(found, wanted)
        texts = [found[name] for name in names]
        seen |= {digest(text) for text in texts}
        write_domain(domain, texts, target / f"{domain.name}.parquet")
        told[domain.name] = description(names, texts, folder / "packages")
        print(f"{domain.name}: {len(names)} of {len(found)} documents, {time.monotonic() - began:.0f} s", flush=True)
    (target / "domains.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


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
    parser.add_argument("--documents", type=int, help="about as many in all; sizes keep their proportions")
    parser.add_argument("--balanced", action="store_true", help=f"at most {BALANCED} documents of every domain")
    options = parser.parse_args()
    for corpus in [options.corpus] if options.corpus else sorted(CORPORA):
        build(corpus, options.folder, options.documents, options.balanced)


if __name__ == "__main__":
    main()
