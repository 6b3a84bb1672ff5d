"""The map from what the law asks to what the record says: `ai_act_map.json`.

Each item of Article 10(2) to (4) and of Annex XI, section 1, point 2(c) of Regulation (EU) 2024/1689, and each section
of the template of the public summary of training content, with JSON pointers into the record and what is open there. It
claims nothing of dates and of duties: which of them hold for whom is for a lawyer.
"""

from __future__ import annotations

from typing import Any

from curation.report.record.model import NOTICE, SCHEMA_VERSION, open_pointers, pointer, resolved

ARTICLE = "Regulation (EU) 2024/1689, Article 10"
ANNEX = "Regulation (EU) 2024/1689, Annex XI, section 1, point 2(c)"
SUMMARY = "Template of the public summary of training content"

#: Item, what it is about, and pointers of what serves it. A `*` stands for every entry of a list.
ARTICLE_10 = (
    ("(2)(a)", "design choices", ("/purpose", "/config", "/sampling")),
    (
        "(2)(b)",
        "data collection processes and the origin of data; of personal data the original purpose",
        ("/sources", "/web_domains"),
    ),
    (
        "(2)(c)",
        "preparation: annotation, labelling, cleaning, enrichment, aggregation",
        ("/steps", "/removals", "/dedup"),
    ),
    (
        "(2)(d)",
        "assumptions on what the data measure and represent",
        ("/assumptions/represents", "/clustering/encoder"),
    ),
    ("(2)(e)", "availability, quantity and suitability", ("/sources", "/audit/coverage", "/judgement/suitability")),
    ("(2)(f)", "examination for biases", ("/audit", "/findings", "/findings_clear", "/languages")),
    ("(2)(g)", "measures against biases", ("/sampling", "/removals", "/judgement/bias_measures")),
    ("(2)(h)", "gaps and shortcomings", ("/limits", "/findings", "/judgement/known_gaps", "/judgement/accepted_risks")),
    (
        "(3)",
        "relevant, representative, free of errors and complete as far as possible; statistical properties",
        ("/audit", "/clustering/figures", "/quality", "/judgement/suitability", "/judgement/errors"),
    ),
    (
        "(4)",
        "geographical, contextual, behavioural and functional setting",
        tuple(f"/assumptions/{name}_setting" for name in ("geographical", "contextual", "behavioural", "functional")),
    ),
)
ANNEX_XI = (
    (
        "type and provenance",
        "of training, testing and validation data",
        ("/sources", "/outputs", "/sampling/validation"),
    ),
    (
        "curation methodologies",
        "cleaning, filtering, ...",
        ("/steps", "/removals", "/dedup", "/sampling", "/reproduce"),
    ),
    (
        "data points",
        "their number, scope and main characteristics",
        ("/outputs", "/audit", "/languages", "/clustering"),
    ),
    ("how obtained and selected", "the data", ("/sources", "/config", "/sampling/phases")),
    ("unsuitable sources", "measures to detect them", ("/removals", "/clustering/figures", "/personal_data")),
    ("identifiable biases", "methods to detect them", ("/audit", "/findings", "/judgement/bias_measures")),
)
PUBLIC_SUMMARY = (
    ("header", "version and last update", ("/schema_version", "/made/at", "/identity")),
    ("1.1", "provider", ("/public_summary/provider", "/public_summary/authorised_representative")),
    ("1.2", "models", ("/public_summary/models", "/public_summary/placed_on_market")),
    (
        "1.3",
        "size, languages and other characteristics of each modality: text alone",
        (
            "/outputs/tokens",
            "/audit/coverage",
            "/languages",
            "/public_summary/latest_acquisition",
            "/public_summary/other_characteristics",
        ),
    ),
    (
        "2.1",
        "public data sets; the large ones",
        (
            "/public_summary/public_datasets",
            "/sources/*/category",
            "/sources/*/name",
            "/sources/*/link",
            "/sources/*/large",
        ),
    ),
    (
        "2.2.1",
        "commercially licensed data",
        ("/public_summary/licensed_data", "/sources/*/category", "/sources/*/licence"),
    ),
    ("2.2.2", "other private data", ("/public_summary/private_data", "/sources/*/category")),
    (
        "2.3",
        "crawled data and domain names",
        ("/public_summary/crawled_data", "/sources/*/crawler", "/sources/*/collection_period", "/web_domains"),
    ),
    ("2.4", "user data", ("/public_summary/user_data", "/sources/*/category")),
    ("2.5", "synthetic data", ("/public_summary/synthetic_data", "/public_summary/synthetic_generators")),
    ("2.6", "other sources", ("/public_summary/other_data", "/sources/*/category")),
    (
        "3.1",
        "reservations of rights",
        ("/public_summary/code_of_practice", "/public_summary/text_and_data_mining", "/sources/*/opt_outs"),
    ),
    ("3.2", "illegal content", ("/personal_data/illegal_content_measures",)),
    ("3.3", "other information", ("/public_summary/other_information", "/steps", "/limits")),
)


def ai_act_map(record: dict[str, Any]) -> dict[str, Any]:
    """The map of a record: which parts serve each item, and what is open in them."""
    items = [
        _item(record, law, *item)
        for law, listed in ((ARTICLE, ARTICLE_10), (ANNEX, ANNEX_XI), (SUMMARY, PUBLIC_SUMMARY))
        for item in listed
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "notice": NOTICE,
        "record": "curation_record.json",
        "items": items,
        "open": record["open"],
    }


def _item(record: dict[str, Any], law: str, item: str, about: str, serves: tuple[str, ...]) -> dict[str, Any]:
    pointers = [found for path in serves for found in expanded(record, path)]
    left = [found for path in pointers for found in _open(resolved(record, path), path)]
    return {"law": law, "item": item, "about": about, "pointers": pointers, "open": list(dict.fromkeys(left))}


def expanded(record: dict[str, Any], path: str) -> list[str]:
    """The pointers that a path with at most one `*` stands for."""
    before, star, after = path.partition("/*")
    if not star:
        return [path]
    return [f"{before}{pointer((number,))}{after}" for number in range(len(resolved(record, before)))]


def _open(value: Any, path: str) -> list[str]:
    return [path + found for found in open_pointers(value)]
