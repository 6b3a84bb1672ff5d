"""The demo's corpus: what it promises of itself, on this installation."""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.demo import DemoCorpus, build_corpus, corpus, cutting, demo_job, domains
from curation.errors import RunError
from curation.job_file import load_job


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> DemoCorpus:
    return build_corpus(tmp_path_factory.mktemp("demo") / "corpus")


@pytest.fixture(scope="module")
def rows(demo) -> dict[str, list[dict]]:
    return {name: rows_of(demo.folder / name) for name in demo.documents}


@pytest.fixture
def small(monkeypatch) -> None:
    """Only the quick domains, for tests of the folder and not of what is in it."""
    quick = [domain for domain in domains.DOMAINS if domain.documents <= 45]
    monkeypatch.setattr(corpus, "DOMAINS", quick)


def rows_of(folder: Path) -> list[dict]:
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix == ".parquet":
            found += pq.read_table(path).to_pylist()
            continue
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        elif path.suffix == ".zst":
            with pa.input_stream(str(path), compression="zstd") as stream:
                data = stream.read()
        found += [orjson.loads(line) for line in data.splitlines()]
    return found


def hashes(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_is_large_varied_and_unbalanced(demo, rows):
    assert len(demo.documents) >= 6
    assert sum(demo.documents.values()) >= 4000
    assert max(demo.documents.values()) >= 100 * min(demo.documents.values())
    assert 4e6 < sum(demo.bytes.values()) < 10e6
    assert {len(rows[name]) for name in rows} == set(demo.documents.values())
    for name in rows:
        assert len(rows[name]) == demo.documents[name]
        assert sum(len(row["text"].encode()) for row in rows[name]) == demo.bytes[name]


def test_has_every_format(demo):
    files = [path.name.split(".", 1)[1] for path in demo.folder.rglob("part-*")]
    assert set(files) == {"parquet", "jsonl", "jsonl.gz", "jsonl.zst"}
    largest = max(demo.documents, key=demo.documents.__getitem__)
    parts = sorted((demo.folder / largest).iterdir())
    assert len(parts) > 1
    assert pq.ParquetFile(parts[0]).metadata.row_group(0).num_rows == 500


def test_texts_are_usable_and_ids_unique(rows):
    every = [row for name in rows for row in rows[name]]
    assert all(set(row) == {"text", "id", "package", "word_share"} for row in every)
    assert all(cutting.SHORTEST // 2 < len(row["text"]) <= cutting.LONGEST for row in every)
    assert all(0 <= row["word_share"] <= 1 for row in every)
    for name in rows:
        assert len({row["id"] for row in rows[name]}) == len(rows[name])


def test_holds_exact_copies(rows):
    texts = [row["text"] for row in rows["licences"]]
    assert len(set(texts)) < len(texts)


def test_unbalanced_without_the_copies_too(rows):
    distinct = [len({row["text"] for row in rows[name]}) for name in rows]
    assert max(distinct) >= 100 * min(distinct)


def test_holds_no_path_of_this_machine(demo, rows):
    paths = {str(Path(sysconfig.get_path(kind))) for kind in ("stdlib", "purelib", "platlib")}
    paths |= {str(demo.folder), str(Path(corpus.__file__).parents[2])}
    for name in rows:
        for row in rows[name]:
            assert not any(path in row["text"] or path in row["id"] for path in paths), row["id"]


def test_another_process_and_folder_gives_the_same_bytes(demo, tmp_path):
    """With another hash seed, so that the order of no set can matter."""
    code = "import sys, pathlib, curation.demo as d; d.build_corpus(pathlib.Path(sys.argv[1]))"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    folder = tmp_path / "somewhere else"
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, env=environment, timeout=120)
    assert hashes(folder) == hashes(demo.folder)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_imports_no_package_to_read_it():
    code = "import curation.demo, sys; assert not {'torch', 'ray', 'sklearn', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_whole_corpus_is_not_built_again(demo, monkeypatch):
    monkeypatch.setattr(corpus, "_build", lambda folder: pytest.fail("built again"))
    assert build_corpus(demo.folder) == demo


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("damage", ["changed", "lost", "added", "no manifest", "cut manifest", "older recipe"])
def test_a_damaged_corpus_is_built_again(tmp_path, damage):
    folder = tmp_path / "corpus"
    whole = build_corpus(folder)
    before = hashes(folder)
    part, manifest = sorted(folder.glob("*/part-*"))[0], folder / "manifest.json"
    if damage == "changed":
        part.write_bytes(part.read_bytes()[:-1] + b"?")
    elif damage == "added":
        (part.parent / "part-999.jsonl").write_text("{}\n")
    elif damage == "older recipe":
        manifest.write_text(manifest.read_text().replace('"version": 1', '"version": 0'))
    elif damage == "cut manifest":
        manifest.write_text(manifest.read_text()[:100])
    else:
        (part if damage == "lost" else manifest).unlink()
    assert corpus.complete_corpus(folder) is None
    assert build_corpus(folder) == whole
    assert hashes(folder) == before


@pytest.mark.usefixtures("small")
def test_an_interrupted_build_leaves_nothing_that_counts(tmp_path, monkeypatch):
    folder, write, written = tmp_path / "corpus", corpus._write, []

    def write_two(domain, *arguments):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(domain)
        write(domain, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(corpus, "_write", write_two)
        with pytest.raises(KeyboardInterrupt):
            build_corpus(folder)
    assert not folder.exists()
    assert build_corpus(folder).folder == folder
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_does_not_touch_a_folder_of_somebody_else(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match=r"holds 'thesis\.txt'"):
        build_corpus(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_says_what_it_could_not_write(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="can't build the demo's corpus"):
        build_corpus(tmp_path / "file" / "corpus")


def test_the_job_is_a_job(demo, tmp_path):
    path = tmp_path / "demo.yaml"
    path.write_text(demo_job(demo.folder, Path("runs") / 'a "b" ünd: #1'), encoding="utf-8")
    job = load_job(str(path))
    assert job.run_dir == str(Path.cwd() / "runs" / 'a "b" ünd: #1')
    assert set(job.domains) == set(demo.documents)
    assert all(Path(source.paths[0]).is_dir() for source in job.sources)
    assert [source.domain for source in job.sources if source.keep_columns] == ["python_code", "docstrings"]
    assert job.embedding.model == "sentence-transformers/all-MiniLM-L6-v2"
    assert (job.sampling.clip, job.sampling.budget.epochs, job.clustering.clusters) == (5, 1.0, 60)
    assert sum(demo.bytes.values()) > 3 * job.output.shard_bytes


def test_there_is_no_job_without_a_corpus(tmp_path):
    with pytest.raises(RunError, match="build it first"):
        demo_job(tmp_path, tmp_path / "run")


def test_code_is_cut_into_functions_classes_and_methods():
    long = "class Long:\n" + "".join(
        f"    @property\n    def method_{i}(self):\n        return {'x' * 300!r}\n\n" for i in range(20)
    )
    source = f"import os\n\n\n@decorated\ndef f():\n    return {'y' * 300!r}\n\n\n{long}"
    documents = cutting.usable_documents(cutting.by_code, source)
    assert list(documents) == ["f", *(f"Long.method_{i}" for i in range(20))]
    assert documents["f"].startswith("@decorated\ndef f():\n    return")
    assert documents["Long.method_3"].startswith("@property\ndef method_3(self):\n    return")
    assert not cutting.usable_documents(cutting.by_code, "def f(:\n" + source)


def test_paragraphs_are_kept_whole_and_headings_begin_a_document():
    words = "word " * 50
    text = f"# One\n\n{words}\n\n  {words}\n\nTwo\n----\n\n{words}\n\n{'long ' * 2000}"
    documents = cutting.usable_documents(cutting.by_paragraphs, text)
    assert [text.split()[0] for text in documents.values()] == ["#", "Two", "long"]
    assert "\n\n  word" in documents["0"]
    assert max(map(len, documents.values())) == cutting.LONGEST
    assert not cutting.usable_documents(cutting.by_paragraphs, "\ud800" * 300)


def test_word_share_orders_prose_code_and_numbers():
    prose = "A corpus drowns in what is common; rare things are lost unless somebody looks for them."
    code = "x[i] += f(y, z)[0] if n % 2 == 0 else -1"
    assert corpus.word_share(prose) > 0.8 > 0.3 > corpus.word_share(code)
    assert corpus.word_share("0 1 2 3.5\n") == corpus.word_share("") == 0


def test_a_corpus_can_be_moved(demo, tmp_path):
    shutil.copytree(demo.folder, tmp_path / "moved")
    moved = build_corpus(tmp_path / "moved")
    assert (moved.documents, moved.bytes) == (demo.documents, demo.bytes)
