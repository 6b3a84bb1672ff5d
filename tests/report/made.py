"""Facts of a made-up run whose figures agree with one another, for the tests of the cards."""

from __future__ import annotations

import hashlib

from curation.report.facts import Facts

SUFFIXES = {"parquet": ".parquet", "jsonl": ".jsonl", "mds": ".mds", "megatron": ".bin", "index": ".parquet"}
COLUMNS = {"text": "string", "doc_id": "int64", "domain": "string", "cluster": "int32", "repetition": "int16"}
FOLDERS = ("phase-00-broad", "phase-01-anneal")


def shard(name: str, rows: int) -> dict:
    return {
        "file": name,
        "rows": rows,
        "tokens": 10 * rows,
        "text_bytes": 40 * rows,
        "bytes": 17 * rows,
        "sha256": hashlib.sha256(name.encode()).hexdigest(),
    }


def totals(shards: list[dict]) -> dict:
    return {key: sum(one[key] for one in shards) for key in ("rows", "tokens", "text_bytes", "bytes")}


def index(form="parquet", phases=False, validation=False, suffix="", columns=None) -> dict:
    """An index of three training shards, 700 rows, and one validation shard, 20 rows."""
    end = suffix or SUFFIXES[form]
    folders = [f"{FOLDERS[0]}/", f"{FOLDERS[0]}/", f"{FOLDERS[1]}/"] if phases else [""] * 3
    numbers = [0, 1, 0] if phases else [0, 1, 2]
    shards = [
        shard(f"{folder}shard-{number:05}{end}", rows)
        for folder, number, rows in zip(folders, numbers, (300, 300, 100), strict=True)
    ]
    told = [{"folder": FOLDERS[0], "order": "general_to_specific", "shards": 2}]
    told.append({"folder": FOLDERS[1], "order": "stationary", "shards": 1})
    held = [shard(f"validation/shard-00000{end}", 20)]
    return {
        "version": 3,
        "format": form,
        **({"phases": told} if phases else {"order": "general_to_specific"}),
        "columns": COLUMNS | {"id": "string"} | (columns or {}),
        **totals(shards),
        "shards": shards,
        **({"validation": totals(held) | {"shards": held}} if validation else {}),
    }


def phase(folder: str, draws: int, strategy: str, domains: list[str]) -> dict:
    return {
        "folder": folder,
        "order": "stationary" if folder == FOLDERS[1] else "general_to_specific",
        "budget": 10 * draws,
        "target": 10 * draws,
        "tokens": 10 * draws,
        "draws": draws,
        "strategy": strategy,
        "wanted_weights": None,
        "target_weights": [1 / len(domains)] * len(domains),
        "domain_weights": [1 / len(domains)] * len(domains),
    }


def summary(domains: list[str], phases: bool, strategy: str, reason: str) -> dict:
    """The figures of a run that drew 700 times, 650 different documents of 1,000."""
    size = len(domains)
    shares = [1 / size] * size
    parts = [phase(FOLDERS[0], 600, strategy, domains), phase(FOLDERS[1], 100, strategy, domains)]
    wanted = None if strategy == "none" else 1 / size
    weights = {domain: {"wanted": wanted, "realised": 1 / size} for domain in domains}
    folders = list(FOLDERS) if phases else [None]
    return {
        "sources": {"input_files": 2 * size, "rows": 1_030},
        "documents": {"documents": 1_030, "kept": 1_027, "tokens": 10_300, "bytes": 41_200, "rejected": 3},
        "duplicates": {"dropped": 27},
        "embeddings": {"characters": 40_000, "documents": 1_000, "left_out": 10_000, "tokens": 1, "truncated": 123},
        "plan": {
            "draws": 700,
            "tokens": 7_000,
            "unique_tokens": 6_500,
            "effective_tokens": 6_990,
            "documents": 1_000,
            "used_documents": 650,
            "without_quality": 0,
            "repetitions": [350, 610, 30, 10],
            "phases": parts if phases else [phase("", 700, strategy, domains)],
            "domains": [
                {"domain": name, "draws": 70 + d, "used_documents": 65 + d, "unique_tokens": 651 + d}
                for d, name in enumerate(domains)
            ],
        },
        "balance": {"gini": {"before": 0.5, "after": 0.25}, "effective_clusters": {"before": 11.0, "after": 19.0}},
        "weights": [{"phase": folder, "strategy": strategy, "weights": weights, "because": {}} for folder in folders],
        "left_out": [{"reason": reason, "cells": 1, "documents": 11, "tokens": 110}] if reason else [],
        "domains": [
            {
                "domain": name,
                "documents": 100 + d,
                "tokens_before": 1_001 + d,
                "tokens_after": 701 + d,
                "share_before": 0.9 if d == 0 else 0.1 / (size - 1),
                "share_after": share,
                "epochs": 0.7,
                "wanted": [wanted],
            }
            for d, (name, share) in enumerate(zip(domains, shares, strict=True))
        ],
        "clustering": {"clusters": 20, "groups": 0, "mean_similarity": 0.61, "coherence": 0.22, "warnings": 2},
    }


def recipe(domains: list[str], phases: bool) -> dict:
    asked = {"budget": {"epochs": 1.0, "tokens": None}, "clip": 2, "cluster_exponent": 0.5, "order": None}
    return {
        "seed": 0,
        "sources": [{"domain": name, "path": "corpus", "clip": None, "weight": 1.0} for name in domains],
        "tokens": {"bytes_per_token": 4.0},
        "dedup": {"exact": True},
        "embedding": {"model": "owner/model"},
        "clustering": {"grouping": "ward", "within": "none"},
        "sampling": {"cluster_exponent": 0.0, "clip": 3, "balance": "clusters", "prefer_quality": None},
        "quality": {"column": None, "expression": None, "scorer": None, "curve": {"kind": "identity"}},
        "phases": [asked, asked | {"clip": None, "cluster_exponent": None}] if phases else [],
    }


def made(
    form="parquet",
    phases=False,
    validation=False,
    domains=("web", "books"),
    licences=("ODC-By-1.0", None),
    declared=({"origin": "crawl", "language": "en, de"}, {}),
    strategy="none",
    reason="",
    model="owner/model",
    **of_index,
) -> Facts:
    """Facts of a run; of each source its domain, licence and declared facts."""
    names = list(domains)
    rows = zip(names, licences, declared, strict=True)
    sources = [
        {"domain": name, "licence": licence, "facts": facts, "files": 2 - d, "bytes": 5_000 + d, "documents": 515 + d}
        for d, (name, licence, facts) in enumerate(rows)
    ]
    encoder = {"kind": "sentence-transformers", "name": model, "dimensions": 384, "precision": "float32"}
    return Facts(
        index=index(form, phases, validation, **of_index),
        summary=summary(names, phases, strategy, reason),
        sources=sources,
        recipe=recipe(names, phases),
        recipe_sha256="5" * 64,
        encoder=encoder | {"weights_sha256": "e" * 64},
        version="1.2.3",
    )


#: Names that mean something in Markdown, HTML, YAML, JSON or a shell.
HOSTILE = [
    "](http://x)",
    "[x](http://x)",
    "<script>alert(1)</script>",
    "<!-- -->",
    "a|b\\|c",
    "`tick` ``two``",
    "`",
    "--- \n---\nlicense: mit",
    "key: [value, *alias, &anchor, !!tag]",
    "https://example.org/?a=b&c",
    "www.example.org",
    "![i](http://x/i.png)",
    "$(rm -rf x); \"quoted\" 'single'",
    "</details>",
    "\u202ereversed\u2028line\x00nul\x7f",
    "{{ template }} ${x} %s {0}",
    "@id",
    "日本語 ünïcode 🙂",
]
