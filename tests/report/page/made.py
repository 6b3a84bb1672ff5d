"""Data of a made-up page, of any size, whose figures agree with one another."""

from __future__ import annotations

import numpy as np

from curation.report.page.data import Clusters, Mixture, PageData, Series, StageTime, Stretch
from curation.report.page.figures import flow, lorenz, size_bands
from curation.report.page.probe import DEBT_VERSION, probe_part
from tests.probe.made import EFFECTS, made_results
from tests.report.made import HOSTILE

#: Texts that would run or load something if they ever became markup.
PLANTED = (
    "<script>window.planted = true; document.title = 'planted'</script>",
    "<img src=x onerror=\"window.planted = true; fetch('http://planted.example/')\">",
    "</script><script>window.planted = true</script><!-- <script> -->",
    "{bold|text} \u2028 \u2029 ${x} {{data}} <svg onload=alert(1)>",
    "<a href='javascript:window.planted = true'>a link</a>",
)
WORDS = ("orbit", "bread", "verdict", "chord", "gambit", "tensor", "licence", "buffer", "harvest", "river", "enzyme")
LANGUAGES = ("en", "de", "fr", "haw", "und", "not a code")
STAGES = ("sources", "tokenizer", "documents", "duplicates", "embeddings", "centroids", "plan", "shards", "report")


def made_page(clusters=2000, domains=50, groups=20, phases=1, seed=0, audited=True, probed=True) -> PageData:
    """A page of so many clusters and domains; planted texts are in every place that texts of a corpus reach."""
    rng = np.random.default_rng(seed)
    names = [*PLANTED, *HOSTILE, *(f"domain {number}" for number in range(domains))][:domains]
    before = np.sort((1e9 / np.arange(1, clusters + 1) ** 0.9).astype(np.int64))[::-1].copy()
    documents = np.maximum(1, before // 700)
    after = np.minimum(5 * before, int(before.mean()))
    rows = domain_rows(names, documents, before, after)
    plan = plan_of(documents, before, after)
    summary = {
        "sources": {"input_files": 120},
        "documents": {"documents": int(documents.sum()) + 20, "tokens": int(before.sum()) + 9000, "rejected": 3},
        "duplicates": {"dropped": 17},
        "plan": plan | {"validation": None},
        "shards": {"shards": 400},
        "left_out": [{"reason": PLANTED[0], "documents": 0, "tokens": 0}],
        "domains": rows,
    }
    return PageData(
        title=f"web-mix {PLANTED[1]}",
        version="1.2.3",
        sentences=[
            f"An encoder {PLANTED[0]}, 384 dimensions.",
            "Embedding read all of the text.",
            "Tokens: bytes over 4.",
        ],
        flow=flow(summary),
        balance={"gini": {"before": 0.76, "after": 0.1}, "effective_clusters": {"before": 276.2, "after": 1959.4}},
        plan=plan,
        clip="5",
        phases=[phase(number, plan, phases) for number in range(phases)],
        validation={"documents": 1000, "tokens": 700_000, "shards": 2},
        domains=rows,
        groups=group_rows(groups, before, after),
        clusters=cluster_columns(rng, documents, before, after, len(names), groups),
        empty_clusters=1,
        map_share=0.143,
        lorenz=lorenz(before, after),
        mixture=mixture(rng, names, before, phases),
        findings=findings() if audited else [],
        findings_clear=12 if audited else 0,
        languages=languages() if audited else [],
        near_duplicates=near_duplicates() if audited else None,
        salience=salience() if audited else [],
        token_caps=token_caps() if audited else [],
        audited=["languages", "near_duplicates", "salience", "token_caps"] if audited else [],
        times=[
            StageTime(stage=name, seconds=0.02 + 40.0 * number, count=number * 10**7 or None, unit="documents")
            for number, name in enumerate(STAGES)
        ],
        probe=probe_part(probe_results(names)) if probed else None,
        debt=debt() if probed else None,
    )


def probe_results(domains):
    """Results by two models, with planted texts where names may come from a job file."""
    effects = EFFECTS | {PLANTED[0]: (-0.03, 0.02, 0.04), PLANTED[3]: (0.004, 0.0, 0.0)}
    small = {name: (0.3 * macro, natural, repeated) for name, (macro, natural, repeated) in effects.items()}
    results = made_results(effects, gpt=small, domains=domains)
    results["settings"]["held_back"] = list(PLANTED[:2])
    pilot = {"fraction": 0.1, "whole_key": "0", "rank_correlation": 0.83, "strategies": list(effects)}
    return results | {"sentence": f"{results['sentence']} {PLANTED[1]}", "pilot": pilot}


def debt():
    """A pattern that is repaired early and not late, and one that was not known."""
    row = {"margin": 2.0, "known": 3, "taught": 40, "seeds": 3, "within_documents": 400, "within_tokens": 200_000}
    row |= {"loss_before": 5.1, "loss_after": 5.0, "one_in": 10}
    row |= {"checkpoint": "early", "tokens_seen": 200_000, "flipped": 3}
    never = {"documents": None, "low": None, "high": None, "tokens": None}
    return {
        "version": DEBT_VERSION,
        "pattern": PLANTED[1],
        "from": PLANTED[0],
        "to": PLANTED[3],
        "settings": {"taught_one_in": 100},
        "corpus": {"documents": 12_000, "from": 3, "to": 0},
        "rows": [
            row | {"documents": 21, "low": 18, "high": None, "tokens": 30_000},
            row | never | {"one_in": 1000, "known": 0, "flipped": 0},
            row | never | {"checkpoint": "late", "tokens_seen": 1_000_000, "flipped": 0},
        ],
        "sentence": f"Repair costs more the later it comes. {PLANTED[0]}",
    }


def domain_rows(names, documents, before, after):
    """Clusters go to domains in turn."""
    home = np.arange(len(before)) % len(names)
    sums = [np.bincount(home, values, len(names)).astype(np.int64) for values in (documents, before, after)]
    return [
        {"domain": name, "documents": int(n), **shares(int(b), int(a), int(before.sum()), int(after.sum()))}
        for name, n, b, a in zip(names, *sums, strict=True)
    ]


def shares(before, after, all_before, all_after):
    return {
        "tokens_before": before,
        "tokens_after": after,
        "share_before": before / all_before,
        "share_after": after / all_after,
        "epochs": after / max(1, before),
    }


def plan_of(documents, before, after):
    used = int(documents.sum() * 0.4)
    left = int(documents.sum()) - used
    return {
        "draws": int(documents.sum()),
        "rows": int(documents.sum()),
        "tokens": int(after.sum()),
        "row_tokens": int(after.sum()),
        "unique_tokens": int(after.sum() * 0.8),
        "effective_tokens": int(after.sum() * 0.97),
        "documents": int(documents.sum()),
        "used_documents": used,
        "repetitions": [left, used - 300, 200, 60, 30, 10],
    }


def phase(number, plan, count):
    return {
        "folder": f"phase-{number:02}-{PLANTED[0]}" if count > 1 else "",
        "order": "general_to_specific",
        "strategy": "none",
        "budget": plan["tokens"] // count,
        "tokens": plan["tokens"] // count,
        "draws": plan["draws"] // count,
        "clip": "5",
    }


def group_rows(count, before, after):
    home = np.arange(len(before)) % max(1, count)
    rows = []
    for number in range(count):
        own = home == number
        row = shares(int(before[own].sum()), int(after[own].sum()), int(before.sum()), int(after.sum()))
        rows.append(
            {"group": number, "clusters": int(own.sum()), "documents": 10, "terms": [WORDS[number % len(WORDS)]], **row}
        )
    return rows


def cluster_columns(rng, documents, before, after, domains, groups) -> Clusters:
    count = len(before)
    angle, radius = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.uniform(0, 1, count))
    terms = [[*rng.choice(WORDS, 6, replace=False).tolist(), f"term{number}"] for number in range(count)]
    terms[0][0], terms[1][1] = PLANTED[0], PLANTED[3]
    text = " ".join(WORDS * 4)
    return Clusters(
        cluster=rng.permutation(count).tolist(),
        documents=documents.tolist(),
        before=before.tolist(),
        after=after.tolist(),
        coherence=[None, *np.round(rng.uniform(0, 0.8, count - 1), 4).tolist()],
        clipped=(after >= 5 * before).tolist(),
        terms=terms,
        group=[number % groups if groups else None for number in range(count)],
        warning=[f"one repeated template {PLANTED[1]}" if number % 97 == 0 else None for number in range(count)],
        domain=[number % domains for number in range(count)],
        x=np.round(radius * np.cos(angle), 4).tolist(),
        y=np.round(radius * np.sin(angle), 4).tolist(),
        examples=[[PLANTED[number % len(PLANTED)], text, text[::-1]] for number in range(count)],
    )


def mixture(rng, names, before, phases) -> Mixture:
    stretches = [Stretch(phase=at * phases // 50, first=at * 1000, rows=1000) for at in range(50)]
    bands, _ = size_bands(before)
    by_domain = rng.integers(1, 10**6, (len(names), 50)).tolist()
    by_band = (rng.integers(1, 10**6, (len(bands), 50)) * np.arange(1, 51)).tolist()
    return Mixture(
        stretches=stretches,
        domains=Series(names=names, tokens=by_domain),
        clusters=Series(names=bands, tokens=by_band),
        order_note="",
    )


def findings():
    kinds = (("flag", "low_share"), ("undecided", "under_represented"), ("flag", "salient_token"))
    return [
        {
            "kind": kind,
            "subject_kind": "domain",
            "subject": PLANTED[number],
            "value": 0.003,
            "low": 0.001,
            "high": None,
            "threshold": 0.005,
            "verdict": verdict,
            "words": f"The domain {PLANTED[number]} has 0.30% of the tokens: under 0.5%.",
        }
        for number, (verdict, kind) in enumerate(kinds)
    ]


def languages():
    low_high = (0.1, 0.3)
    return [
        {
            "language": code,
            "documents": 1000 - number,
            "share_before": 0.9 / (number + 1),
            "low": low_high[0],
            "high": low_high[1],
            "share_after": 0.5,
        }
        for number, code in enumerate((*LANGUAGES, PLANTED[0]))
    ]


def near_duplicates():
    largest = [{"group": 12, "documents": 900}, {"group": 77, "documents": 3}]
    return {"groups": 412, "documents": 2900, "rate": 0.018, "largest": largest}


def salience():
    measured = {"documents": 900, "share": 0.1, "expected_share": 0.01, "log_odds": 2.4, "z": 31.0, "dispersion": 0.2}
    return [{"token": token, **measured, "clusters": 40, "domains": 3} for token in (PLANTED[0], "celebrity")]


def token_caps():
    row = {"max_share": 0.01, "share_before": 0.1, "share_after": 0.0099, "documents": 900, "forgone_tokens": 12_000}
    return [{"token": PLANTED[1], **row}]
