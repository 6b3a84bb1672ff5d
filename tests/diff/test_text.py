import io

from rich.console import Console

from curation.diff.text import print_diff

NO_FILES = {"count": 0, "first": []}


def printed(**more):
    found = {
        "a": "runs/a",
        "b": "runs/b",
        "identical": False,
        "job": [],
        "encoder": [],
        "code": [],
        "stages": ["plan"],
        "sources": {"added": NO_FILES, "removed": NO_FILES, "changed": NO_FILES},
        "figures": {"totals": []},
    }
    console = Console(file=io.StringIO(), width=160, highlight=False)
    print_diff(found | more, console)
    return console.file.getvalue()


def test_only_what_differs_is_printed():
    rows = [
        {
            "domain": "web",
            "documents": [5, 5],
            "share_before": [0.5, 0.5],
            "share_after": [0.5, 0.25],
            "epochs": [1, 1],
        },
        {
            "domain": "books",
            "documents": [2, 2],
            "share_before": [0.1, 0.1],
            "share_after": [0.30001, 0.3],
            "epochs": [1, 1],
        },
        {
            "domain": "new",
            "documents": [2, 2],
            "share_before": [0.1, 0.1],
            "share_after": [None, 0.3],
            "epochs": [1, 1],
        },
    ]
    text = printed(figures={"totals": [], "domains": rows})
    assert "50.00% > 25.00%" in text
    assert "- > 30.00%" in text
    for unsaid in ("books", "epochs", "documents", "share_before", "Job file", "Clusters", "Input files"):
        assert unsaid not in text


def test_a_change_of_the_corpus_is_told_by_files_texts_and_clusters():
    files = {"added": {"count": 7, "first": [f"/data/{n}\x1b.parquet" for n in range(7)]}, "removed": NO_FILES}
    documents = {
        "removed": 1,
        "both": 20,
        "added": 1500,
        "by_domain": [{"domain": "web", "removed": 1, "added": 1500}],
        "draws": {"undrawn": 2, "same": 8, "more": 6, "fewer": 4, "begun": 3, "ended": 0},
    }
    one, other = ({"cluster": n, "documents": 10 * n, "tokens": 100, "terms": ["cat", "dog"]} for n in (1, 2))
    clusters = {"compared": True, "count": [2, 3], "same": 1, "stayed": 0.9, "lost": [], "new": [other]}
    clusters["pairs"] = [{"cosine": 0.5, "a": one, "b": other}]
    text = printed(sources=files | {"changed": NO_FILES}, documents=documents, clusters=clusters)
    assert "Input files added: 7" in text
    assert "\x1b" not in text
    for said in (
        "20 in both, 1 only in a, 1,500 only in b",
        "6 more often",
        "(3 of them a draws never)",
        "90.0%",
        "cat, dog",
    ):
        assert said in text


def test_runs_with_other_encoders_say_why_clusters_are_not_compared():
    assert "different encoders" in printed(clusters={"compared": False})
