"""What is told of figures: kinds, verdicts, and sentences that hold the numbers."""

from __future__ import annotations

import json

import pytest

from curation.audit.findings import MOST, findings

KEYS = {"kind", "subject_kind", "subject", "value", "low", "high", "threshold", "verdict", "words"}


def part(key, name, tokens, total, **more):
    return {key: name, "documents": tokens // 10, "tokens_before": tokens, "share_before": tokens / total, **more}


def cluster(number, tokens, total, after=None, warning=None):
    more = {} if after is None else {"share_after": after}
    return part("cluster", number, tokens, total, terms=["a", "b", "c", "d"], warning=warning, **more)


def language(name, documents, share, low, high):
    shares = {"share_before": share, "low": low, "high": high, "share_after": None}
    return {"language": name, "documents": documents, **shares}


def token(name, share, foretold=0.0, expected=0.0001, documents=100):
    figures = {"share": share, "expected_share": expected, "log_odds": 5.0, "z": 50.0, "foretold": foretold}
    return {"token": name, "documents": documents, **figures, "dispersion": 0.0, "clusters": 3, "domains": 2}


def told(figures):
    found, clear = findings(figures)
    assert all(set(finding) == KEYS for finding in found)
    json.dumps(found)
    return [(one["kind"], one["subject_kind"], one["subject"], one["verdict"]) for one in found], clear


def test_nothing_is_told_of_nothing():
    assert findings({}) == ([], 0)


def test_domains_and_groups_with_hardly_anything():
    domains = [part("domain", "web", 500_000, 10**6), part("domain", "books", 496_000, 10**6)]
    domains.append(part("domain", "notes", 4_000, 10**6, share_after=0.02))
    groups = [part("group", 0, 993_500, 10**6, terms=["x"]), part("group", 1, 6_500, 10**6, terms=["y"])]
    found, clear = findings({"domains": domains, "groups": groups})
    assert [(one["subject"], one["threshold"]) for one in found] == [("notes", 0.005), ("1", 0.007)]
    assert found[0]["words"] == ("The domain notes has 0.40% of the tokens, under 0.5%, and 2.00% of what is drawn.")
    assert clear == 4  # two domains, a group, and the balance of the domains


def test_languages_by_their_interval():
    rows = [language("en", 9000, 0.9, 0.89, 0.91), language("de", 30, 0.003, 0.002, 0.0043)]
    rows += [language("fr", 60, 0.006, 0.0046, 0.0077), language("fi", 2, 0.0002, 0.0, 0.001)]
    rows += [language("und", 20, 0.002, 0.001, 0.003)]
    found, clear = told({"languages": rows})
    assert found == [("low_share", "language", "de", "flag"), ("low_share", "language", "fr", "undecided")]
    assert clear == 1


def test_targets():
    domains = [part("domain", "a", 5, 10, share_after=0.7), part("domain", "b", 5, 10, share_after=0.3)]
    found, _ = told({"domains": domains, "targets": {"domains": {"a": 0.6, "b": 0.4}}})
    assert found == [("under_represented", "domain", "b", "flag")]
    clusters = [cluster(0, 900, 1000, after=0.8), cluster(1, 100, 1000, after=0.2)]
    found, _ = told({"clusters": clusters, "targets": {"cluster_exponent": 0.0}})
    assert ("under_represented", "cluster", "1", "flag") in found
    assert ("under_represented", "cluster", "1", "flag") not in told({"clusters": clusters})[0]


def test_of_many_clusters_the_worst_are_listed_and_the_rest_counted():
    clusters = [cluster(0, 10**6, 10**6 + 200, after=0.98)]
    clusters += [cluster(number, 1, 10**6 + 200, after=0.0001) for number in range(1, 201)]
    found, _ = findings({"clusters": clusters, "targets": {"cluster_exponent": 0.0}})
    under = [one for one in found if one["kind"] == "under_represented"]
    assert len(under) == MOST + 1
    assert under[-1]["subject_kind"] == "corpus"
    assert under[-1]["words"].startswith("In all 200 clusters")


def test_balance_and_junk():
    total = 1000
    clusters = [cluster(0, 970, total, warning="no theme: x"), *(cluster(n, 10, total) for n in (1, 2, 3))]
    found, clear = told({"clusters": clusters})
    assert found == [("unbalanced", "corpus", "clusters", "flag"), ("junk_cluster", "cluster", "0", "flag")]
    assert clear == 3


def test_copies():
    near = {"groups": 3, "documents": 93, "of": 900, "repeating": 90, "rate": 0.1}
    near["largest"] = [{"group": 7, "documents": 60}, {"group": 9, "documents": 12}]
    figures = {"documents": {"documents": 1000}, "duplicates": {"dropped": 100}, "near_duplicates": near}
    found, clear = told(figures)
    assert [one[0] for one in found] == ["duplicates", "near_duplicates", "near_duplicates"]
    assert found[-1][2] == "near-duplicates of document 7"
    assert clear == 1


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (token("zendaria", 0.1), "flag"),
        (token("zendaria", 0.0205), "undecided"),
        (token("def", 0.6, foretold=0.6), None),
        (token("people", 0.3, expected=0.1), None),
        (token("few", 0.1, documents=20), None),
    ],
)
def test_tokens(row, verdict):
    found, clear = findings({"salience": [row], "salience_sample": 1000})
    assert [one["verdict"] for one in found] == ([verdict] if verdict else [])
    assert clear == (verdict is None)
    if verdict == "flag":
        assert found[0]["low"] < 0.1 < found[0]["high"]
        assert "“zendaria” is in 10.0% of the documents" in found[0]["words"]
