"""Finding input files."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.fs as pafs
import pytest

from curation.config import Source
from curation.errors import InputError, JobError
from curation.sources import find
from curation.sources.find import check_unchanged, find_all, find_files, open_input
from curation.storage import remote


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("{}\n")
    return root


def found(path: str | list[str], root: Path | str = "/") -> list[str]:
    return [os.path.relpath(file.path, root) for file in find_files(Source(domain="d", path=path), 0)]


def test_a_folder_is_taken_with_all_below_it_but_not_what_is_hidden_or_something_else(tmp_path):
    tree(tmp_path, "b.jsonl", "a/x.parquet", "a/y.pq", "a/z.NDJSON.GZ", "c.ndjson", "d.jsonl.zst")
    tree(
        tmp_path,
        "_SUCCESS",
        "_tmp/x.jsonl",
        ".h/x.jsonl",
        ".hidden.jsonl",
        "_x.parquet",
        "README.md",
        "x.json",
        "n.txt",
    )
    expected = ["a/x.parquet", "a/y.pq", "a/z.NDJSON.GZ", "b.jsonl", "c.ndjson", "d.jsonl.zst"]
    assert found(str(tmp_path), tmp_path) == expected
    assert found(f"{tmp_path}/", tmp_path) == expected
    files = find_files(Source(domain="web", path=str(tmp_path)), 3)
    assert [file.format for file in files] == ["parquet", "parquet", "jsonl.gz", "jsonl", "jsonl", "jsonl.zst"]
    stat = (tmp_path / "b.jsonl").stat()
    assert files[3] == find.InputFile(
        str(tmp_path / "b.jsonl"), "web", 3, "jsonl", 3, f"{stat.st_size}-{stat.st_mtime_ns}"
    )


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jsonl", ["1.jsonl", "2.jsonl"]),
        ("?.jsonl", ["1.jsonl", "2.jsonl"]),
        ("[2-9].jsonl", ["2.jsonl"]),
        ("[!2].jsonl", ["1.jsonl"]),
        ("*/*.jsonl", ["a/3.jsonl", "b/4.jsonl"]),
        ("*/4.jsonl", ["b/4.jsonl"]),
        ("a*", ["a/3.jsonl", "a/c/5.jsonl"]),
        ("**/*.jsonl", ["1.jsonl", "2.jsonl", "a/3.jsonl", "a/c/5.jsonl", "b/4.jsonl"]),
        ("**", ["1.jsonl", "2.jsonl", "a/3.jsonl", "a/c/5.jsonl", "b/4.jsonl", "b/6.parquet"]),
        ("a/**/5*", ["a/c/5.jsonl"]),
        ("**/c/*", ["a/c/5.jsonl"]),
        ("**/a/**/*.jsonl", ["a/3.jsonl", "a/c/5.jsonl"]),
        ("_h/*.jsonl", ["_h/7.jsonl"]),
        ("_*/*.jsonl", ["_h/7.jsonl"]),
        ("[[]x]/*", ["[x]/8.jsonl"]),
        ("[x]/*.jsonl", ["[x]/8.jsonl"]),
        ("[x]/8.jsonl", ["[x]/8.jsonl"]),
        ("b/../a/./*.jsonl", ["a/3.jsonl"]),
    ],
)
def test_globs(tmp_path, pattern, expected):
    tree(tmp_path, "1.jsonl", "2.jsonl", "note.txt", "a/3.jsonl", "a/c/5.jsonl", "b/4.jsonl", "b/6.parquet")
    tree(tmp_path, "_h/7.jsonl")
    if "x]" in pattern:
        tree(tmp_path, "[x]/8.jsonl")
    assert found(str(tmp_path / pattern), tmp_path) == expected
    assert found(f"file://{tmp_path / pattern}", tmp_path) == expected


def test_names_of_all_kinds(tmp_path, monkeypatch):
    names = [
        "two words.jsonl",
        "größe 文.jsonl",
        "100%.jsonl",
        "what?.jsonl",
        "a*b.jsonl",
        "[1].jsonl",
        "#x.jsonl",
        "'q\".jsonl",
    ]
    tree(tmp_path, *names, "axb.jsonl", "1.jsonl")
    for name in names:
        assert found(str(tmp_path / name), tmp_path) == [name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert found("1.jsonl", tmp_path) == ["1.jsonl"]
    assert found("./1.jsonl", tmp_path) == ["1.jsonl"]
    assert found("~/1.jsonl", tmp_path) == ["1.jsonl"]
    assert found("~/*xb.jsonl", tmp_path) == ["axb.jsonl"]
    assert found(f"../{tmp_path.name}/1.jsonl", tmp_path) == ["1.jsonl"]
    assert found("file:///" + str(tmp_path / "two%20words.jsonl")[1:], tmp_path) == ["two words.jsonl"]
    assert find_files(Source(domain="d", path="1.jsonl"), 0)[0].path == str(tmp_path / "1.jsonl")


def test_dots_go_up_from_where_a_link_leads(tmp_path):
    tree(tmp_path, "deep/down/x.jsonl", "deep/y.jsonl", "y.jsonl")
    (tmp_path / "link").symlink_to(tmp_path / "deep/down")
    assert found(str(tmp_path / "link/../y.jsonl"), tmp_path) == ["deep/y.jsonl"]


def test_a_file_counts_once_in_a_source(tmp_path):
    tree(tmp_path, "1.jsonl", "2.jsonl")
    (tmp_path / "3.jsonl").symlink_to(tmp_path / "1.jsonl")
    (tmp_path / "again").symlink_to(tmp_path)  # a circle
    patterns = [str(tmp_path / "2.jsonl"), str(tmp_path), str(tmp_path / "*.jsonl"), str(tmp_path / "1.jsonl")]
    assert found(patterns, tmp_path) == ["1.jsonl", "2.jsonl"]


def test_a_file_belongs_to_one_source(tmp_path):
    tree(tmp_path, "a/1.jsonl", "b/2.jsonl")
    one, two = (Source(domain=name, path=str(tmp_path / name)) for name in "ab")
    assert [(file.domain, file.source) for file in find_all([two, one])] == [("b", 0), ("a", 1)]
    both = Source(domain="c", path=str(tmp_path / "*/*.jsonl"))
    with pytest.raises(JobError, match=r"sources\.1\.path: .*/a/1\.jsonl is already a file of sources\.0"):
        find_all([one, both])
    (tmp_path / "b/link.jsonl").symlink_to(tmp_path / "a/1.jsonl")
    with pytest.raises(JobError, match=r"sources\.1\.path: .*/b/link\.jsonl is already"):
        find_all([one, two])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere.jsonl", r"nowhere\.jsonl: no such file or folder"),
        ("fiel.jsonl", r"no such file or folder; did you mean 'file\.jsonl'\?"),
        ("not/there/x.jsonl", r"no such file or folder; there is no folder .*/not/there"),
        ("file.jsonl/x", r"no such file or folder; there is no folder .*/file\.jsonl"),
        ("*.parquet", r"\*\.parquet matches nothing"),
        ("none/*.parquet", r"matches nothing"),
        ("*.txt", r"\*\.txt holds no file whose name ends in \.parquet, .* \(there is notes\.txt, for example\)"),
        ("empty", r"empty holds no file whose name ends in \.parquet"),
        ("hidden", r"hidden holds no file"),
        ("notes.txt", r"notes\.txt: unknown kind of file: its name must end in one of \.parquet"),
        ("x.json", r"x\.json: a \.json file is not read: write one JSON object a line and name it \.jsonl"),
        ("x.json.gz", r"a \.json file is not read"),
        ("pipe.jsonl", r"not a regular file or folder"),
        ("nul\0.jsonl", r"NUL"),
    ],
)
def test_a_path_that_gives_nothing(tmp_path, path, message):
    tree(tmp_path, "file.jsonl", "notes.txt", "x.json", "x.json.gz", "hidden/_x.jsonl")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    source = Source(domain="d", path=[str(tmp_path / "file.jsonl"), f"{tmp_path}/{path}"])
    with pytest.raises(JobError, match=rf"^sources\.7\.path: [\s\S]*{message}"):
        find_files(source, 7)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "the path is empty"),
        ("nosuch://bucket/x.jsonl", "Unrecognized filesystem type"),
        ("s3://in valid/x.jsonl", "'in valid' is not the name of a bucket"),
    ],
)
def test_a_location_that_means_nothing(path, message):
    with pytest.raises(JobError, match=rf"sources\.0\.path: .*{message}"):
        find_files(Source(domain="d", path=path), 0)


def test_a_folder_that_can_not_be_listed(tmp_path, monkeypatch):
    class Locked(pafs.SubTreeFileSystem):
        def get_file_info(self, what):
            if isinstance(what, pafs.FileSelector):
                raise PermissionError(13, "Permission denied")
            return super().get_file_info(what)

    monkeypatch.setattr(find, "LocalFileSystem", lambda: Locked("/", pafs.LocalFileSystem()))
    with pytest.raises(InputError, match=rf"{tmp_path}: can't be reached: .*Permission denied"):
        find_files(Source(domain="d", path=str(tmp_path)), 0)


@pytest.mark.parametrize(("query", "root"), [("", "bucket"), ("?region=x&scheme=http", "bucket"), ("", "")])
def test_uris_keep_what_is_needed_to_open_them(tmp_path, monkeypatch, query, root):
    """An object store is a folder here: bucket/key is the path inside its file system."""
    tree(tmp_path / root, "a b/100%.jsonl", "a b/[1].parquet", "é/x?.jsonl", "1.jsonl")
    asked = []

    def from_uri(uri):
        asked.append(uri)
        return pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem()), root

    monkeypatch.setattr(remote.pafs, "FileSystem", type("FileSystem", (), {"from_uri": staticmethod(from_uri)}))
    remote.filesystem_of.cache_clear()
    base = "store://bucket"
    everything = ["1.jsonl", "a b/100%.jsonl", "a b/[1].parquet", "é/x?.jsonl"]
    for pattern, expected in {
        "": everything,
        "/": everything,
        "/a b": everything[1:3],
        "/a b/": everything[1:3],
        "/a b/100%.jsonl": everything[1:2],
        "/a b/[1].parquet": everything[2:3],
        "/?.jsonl": everything[:1],
        "/*/x?.jsonl": everything[3:],
        "/**/*.jsonl": [everything[0], everything[1], everything[3]],
    }.items():
        files = find_files(Source(domain="d", path=base + pattern + query), 0)
        assert [file.path for file in files] == [f"{base}/{name}{query}" for name in expected]
        for file in files:
            assert file.format == ("parquet" if "parquet" in file.path else "jsonl")
            filesystem, inner = open_input(file.path)
            assert filesystem.open_input_file(inner).read() == b"{}\n"
            check_unchanged(file.path, file.etag)
    assert asked == [f"{base}/{query}"]
    remote.filesystem_of.cache_clear()


@pytest.mark.parametrize("pattern", ["**/" * 30 + "*.jsonl", "**/d/" * 20 + "**/*.jsonl", "a*" * 60 + "b.jsonl"])
def test_a_glob_of_many_stars_ends(tmp_path, pattern):
    tree(tmp_path, "d/" * 30 + "x.jsonl", "a" * 200 + ".jsonl")
    tree(tmp_path, "d/" * 30 + "b.jsonl", "a" * 60 + "b.jsonl")
    assert found(f"{tmp_path}/{pattern}", tmp_path)


def test_a_name_that_is_not_utf8_is_shown(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jsonl")).write_text("{}")
    with pytest.raises(JobError, match=r"sources\.0\.path: .*xff\.jsonl' is not in UTF-8"):
        found(str(tmp_path))
    with pytest.raises(JobError, match="is not in UTF-8"):
        found(f"{tmp_path}/\udcff.jsonl")


ODD_NAMES = [
    "a%20b",
    "a#b",
    "a?b",
    "a*b",
    "a[b]",
    "a\nb",
    "~",
    "a'\"b",
    "-rf",
    "{a,b}",
    "s3:",
    "file:x",
    "a\\b",
    "e\u0301",
    "é",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_name_is_a_name(tmp_path, name):
    tree(tmp_path, f"{name}.jsonl", "aXb.jsonl", "a b.jsonl")
    assert found(f"{tmp_path}/{name}.jsonl", tmp_path) == [f"{name}.jsonl"]
    assert f"{name}.jsonl" in found(str(tmp_path), tmp_path)


def test_what_is_no_file_is_passed_over_and_never_opened(tmp_path):
    tree(tmp_path, "ok.jsonl")
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "device.jsonl").symlink_to("/dev/zero")
    (tmp_path / "nowhere.jsonl").symlink_to(tmp_path / "not-there")
    (tmp_path / "one.jsonl").symlink_to(tmp_path / "two.jsonl")
    (tmp_path / "two.jsonl").symlink_to(tmp_path / "one.jsonl")
    for name in ("loop", "loop2", "loop3"):
        (tmp_path / name).symlink_to(tmp_path)
    for pattern in (tmp_path, f"{tmp_path}/*.jsonl", f"{tmp_path}/**/*.jsonl"):
        assert found(str(pattern), tmp_path) == ["ok.jsonl"]
    for name in ("pipe", "device", "nowhere", "one"):
        with pytest.raises(JobError, match=r"sources\.0\.path: .*(not a regular file|no such file)"):
            found(f"{tmp_path}/{name}.jsonl")
