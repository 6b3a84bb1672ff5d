import numpy as np

from curation.diff.clusters import matched_clusters
from curation.diff.figures import figure_rows
from curation.diff.keys import MISSING, differing


def test_keys_that_differ_are_dotted_and_have_both_values():
    a = {"seed": 0, "sampling": {"clip": 5, "order": "x"}, "sources": [{"domain": "web"}], "only": None, "list": [1, 2]}
    b = {
        "seed": 0,
        "sampling": {"clip": 3, "order": "x"},
        "sources": [{"domain": "web"}, {"domain": "books"}],
        "list": [1],
    }
    assert differing(a, b) == [
        {"key": "sampling.clip", "a": 5, "b": 3},
        {"key": "only", "a": None, "b": MISSING},
        {"key": "list", "a": [1, 2], "b": [1]},
        {"key": "sources.1.domain", "a": MISSING, "b": "books"},
    ]
    assert differing(a, a) == []


def summary(**more):
    domains = [{"domain": "web", "documents": 5, "share_before": 0.5, "share_after": 0.4}]
    return {"balance": {"gini": {"before": 0.3, "after": 0.1}}, "plan": {"draws": 7}, "domains": domains, **more}


def test_only_figures_that_differ_are_rows():
    a, b = summary(), summary(plan={"draws": 9})
    b["domains"] = [dict(b["domains"][0], share_after=0.6), {"domain": "new", "documents": 1}]
    found = figure_rows(a, b)
    assert found["totals"] == [{"figure": "draws", "a": 7, "b": 9}]
    changed, new = found["domains"]
    assert changed["share_after"] == [0.4, 0.6]
    assert changed["share_before"] == [0.5, 0.5]
    assert (new["domain"], new["documents"]) == ("new", [None, 1])
    assert "languages" not in found
    assert figure_rows(a, a) == {"totals": [], "domains": []}


def test_languages_and_findings_are_compared_where_both_have_them():
    finding = {
        "kind": "low_share",
        "subject_kind": "language",
        "subject": "fi",
        "verdict": "flag",
        "words": "Finnish is rare.",
    }
    other = finding | {"subject": "sv", "words": "Swedish is rare."}
    a = summary(languages=[{"language": "fi", "share_before": 0.1, "share_after": 0.1}], findings=[finding, other])
    b = summary(
        languages=[{"language": "fi", "share_before": 0.1, "share_after": 0.2}],
        findings=[dict(finding, verdict="undecided")],
    )
    found = figure_rows(a, b)
    assert [row["language"] for row in found["languages"]] == ["fi"]
    verdicts = [(row["subject"], row["a"], row["b"], row["words"]) for row in found["findings"]]
    assert verdicts == [("fi", "flag", "undecided", "Finnish is rare."), ("sv", "flag", None, "Swedish is rare.")]
    assert "findings" not in figure_rows(a, summary())


def test_clusters_are_matched_one_to_one_by_their_centroids():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(6, 8)).astype(np.float32)
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    order = [3, 1, 5, 0]
    first, second, cosine = matched_clusters(a, a[order])
    assert dict(zip(first.tolist(), second.tolist(), strict=True)) == {3: 0, 1: 1, 5: 2, 0: 3}
    np.testing.assert_allclose(cosine, 1, atol=1e-6)
