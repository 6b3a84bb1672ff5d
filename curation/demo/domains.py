"""The domains of the demo's corpus: a table, and how the texts that it names are found and chosen.

The standard library and the packages that `constraints.txt` pins are full of text of many kinds: code, docstrings,
tests, C++ headers, the language reference, package descriptions, licences. `DOMAINS` says for each kind in which
packages and files it is and how a file is cut into documents. The domains differ in size by two orders of
magnitude and the licences hold many exact copies, so the demo has something to balance and to deduplicate.

The same installation gives the same documents every time, and another machine with the same versions nearly the
same: whatever is chosen is chosen by the hash of its name, so that a file that is there or not moves nothing else.
Only files that came in a wheel are read, never what pip or Python wrote beside them. Packages are found, not
imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from curation.demo import cutting


@dataclass(frozen=True)
class Domain:
    """A row of the table of domains: where its texts are, how they are cut and how they are written."""

    name: str
    about: str
    packages: tuple[str, ...]
    files: str
    """Regular expression on a file's path (`numpy/ma/core.py`, `numpy.dist-info/METADATA`)."""
    cut: cutting.Cutter
    documents: int
    """Most documents."""
    files_a_package: int
    documents_a_file: int
    format: str
    licence: str = ""
    keep_package: bool = False


@dataclass(frozen=True)
class Document:
    """A document; `id` is its file's path in the package, and its name in the file."""

    id: str
    text: str
    package: str


_NO_TESTS = r"(?!.*/_?(tests?|testing|vendor|vendored|thirdparty_files|externals)/)"

_ALL: tuple[str, ...] = ("torch", "ray", "pyarrow", "numpy", "scipy", "sklearn", "transformers")
_ALL += ("sentence_transformers", "orjson", "pydantic", "rich")

# The numbers: most documents, most files of a package, most documents of a file.
# fmt: off
DOMAINS = (
    Domain("python_code", "functions and classes: the domain that drowns the rest",
           ("stdlib", "ray", "transformers", "torch", "sentence_transformers", "pyarrow", "pydantic", "rich"),
           _NO_TESTS + r".*\.py$", cutting.by_code, 3000, 90, 14, "parquet", keep_package=True),
    Domain("docstrings", "numerical methods, explained to their users",
           ("numpy", "scipy", "sklearn"),
           _NO_TESTS + r".*\.py$", cutting.by_docstrings, 700, 80, 8, "jsonl.zst", "BSD-3-Clause", keep_package=True),
    Domain("unit_tests", "tests of the numerical packages",
           ("numpy", "scipy", "sklearn"),
           r".*/tests/test_\w+\.py$", cutting.by_code, 400, 25, 10, "jsonl", "BSD-3-Clause"),
    Domain("native_code", "C++ and CUDA headers and sources",
           ("torch", "pyarrow"),
           r".*\.(h|hpp|cuh|cc|cpp)$", cutting.by_paragraphs, 350, 120, 4, "jsonl.gz"),
    Domain("language_reference", "the Python language reference, as `help()` shows it",
           ("stdlib",),
           r"stdlib/pydoc_data/topics\.py$", cutting.by_topics, 300, 1, 300, "jsonl", "PSF-2.0"),
    Domain("licences", "licence texts; many packages bring the same one",
           _ALL,
           r".*(LICEN[CS]E|COPYING|NOTICE)[^/]*(?<!\.py)$", cutting.by_paragraphs, 240, 60, 12, "jsonl.zst"),
    Domain("package_readmes", "what packages say of themselves on the package index",
           _ALL,
           r".*\.dist-info/METADATA$", cutting.by_description, 200, 20, 30, "jsonl.gz"),
    Domain("cython", "Cython, between Python and C",
           ("sklearn", "scipy", "pyarrow"),
           r".*\.(pyx|pxi|pxd)$", cutting.by_paragraphs, 120, 20, 6, "jsonl"),
    Domain("model_cards", "templates of model cards, with advice on what belongs there",
           ("sentence_transformers",),
           r".*\.md$", cutting.by_paragraphs, 45, 10, 12, "jsonl", "Apache-2.0"),
    Domain("cluster_configs", "configuration of clusters in the cloud, with comments",
           ("ray",),
           r".*\.ya?ml$", cutting.by_paragraphs, 35, 20, 10, "jsonl.zst", "Apache-2.0"),
    Domain("dataset_descriptions", "the data sets of scikit-learn: flowers, wines, houses, faces",
           ("sklearn",),
           r".*/datasets/descr/[^/]+\.rst$", cutting.by_paragraphs, 24, 20, 4, "parquet", "BSD-3-Clause"),
)
# fmt: on


def domain_documents(domain: Domain) -> list[Document]:
    """The documents of a domain, sorted by id."""
    found: dict[str, Document] = {}
    for package in domain.packages:
        files = {name: path for name, path in _files(package) if re.match(domain.files, name)}
        for name in _chosen(files, domain.files_a_package):
            pieces = cutting.usable_documents(domain.cut, _read(Path(files[name])))
            for part in _chosen(pieces, domain.documents_a_file):
                found[f"{name}#{part}"] = Document(f"{name}#{part}", pieces[part], package)
    return [found[id] for id in _chosen(found, domain.documents)]


def _chosen(names: Iterable[str], count: int) -> list[str]:
    """At most `count` of the names, sorted: those with the lowest hashes."""
    by_hash = sorted(names, key=lambda name: hashlib.blake2b(name.encode(), digest_size=8).digest())
    return sorted(by_hash[:count])


# Folders of other installations, and parts of the standard library that Linux distributions leave out.
_NOT_WALKED = {"__pycache__", "site-packages", "dist-packages", "test", "idlelib", "tkinter", "turtledemo"}
_NOT_WALKED |= {"ensurepip", "lib2to3", "distutils"}
# Written when Python was built or by an administrator: they hold paths of a machine.
_NOT_READ = re.compile(r"_sysconfigdata|sitecustomize|usercustomize")


def _files(package: str) -> Iterator[tuple[str, str]]:
    """(name, path) of the files of a package and of its dist-info folder; the name holds nothing of the machine."""
    for prefix, root in _roots(package):
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(set(folders) - _NOT_WALKED)
            inside = "/".join((prefix, *Path(folder).relative_to(root).parts))
            for name in sorted(names):
                if not _NOT_READ.match(name):
                    yield f"{inside}/{name}", f"{folder}/{name}"


def _roots(package: str) -> Iterator[tuple[str, Path]]:
    """(name, folder) of a package and of its dist-info folder, of those that are there. Imports nothing."""
    if package == "stdlib":
        yield package, Path(sysconfig.get_path("stdlib"))
        return
    spec = importlib.util.find_spec(package)
    for location in (spec and spec.submodule_search_locations) or ():
        folder = Path(location)
        distribution = "scikit_learn" if package == "sklearn" else package
        yield package, folder
        for info in sorted(folder.parent.glob(f"{distribution}-*.dist-info"))[:1]:
            yield f"{package}.dist-info", info


def _read(path: Path) -> str:
    """A file's text; nothing of one that is large, not text, minified or generated."""
    if path.stat().st_size > 1_000_000:
        return ""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
    is_generated = "@generated" in text[:1000] or max(map(len, text.split("\n"))) > 2000
    return "" if is_generated or "\0" in text else text
