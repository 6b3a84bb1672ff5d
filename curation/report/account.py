"""How the shards came about and what they are not good for, in sentences, from the figures of the run.

One sentence or a few a step: the dataset card prints them as lists, the Croissant file carries them as its protocols.
Nothing stands here that the run does not know. Names that come from outside go through `shown`, which makes them fit
for where the sentence will stand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from curation.report.facts import Facts
from curation.report.learned_text import learned_in_words

Shown = Callable[[str], str]

ORDERS = {
    "general_to_specific": "general to specific: the small clusters are spent first, and the large ones go on",
    "specific_to_general": "specific to general: the large clusters alone first, the small ones last",
    "stationary": "stationary: the same mixture in every stretch",
    "curriculum": "curriculum: the same mixture everywhere, and the quality changes from one end to the other",
    "shuffled": "shuffled",
}
STRATEGIES = {
    "none": "domains fall where the clusters put them",
    "even": "every domain the same",
    "proportional": "in proportion to the importance that the job declares",
    "temperature": "by the size of each domain, tempered",
    "quality": "by declared importance times mean quality",
    "auto": "computed from the texts",
    "learned": "fitted on trials",
    "given": "given by the job",
}

#: What became of the centroids before documents were assigned, by `clustering.grouping`.
SECOND_FITS = {
    "kmeans": " The centroids are those of a second fit, to the vectors nearest to each centroid of the first.",
    "spectral": " The centroids are those of a second fit, to vectors even over the groups of the first.",
}

#: UTF-8 bytes of text that count as a token where the job file says nothing.
BYTES_PER_TOKEN = 4.0

NOT_LOOKED_FOR = (
    "Nothing was done to find or remove personal data, illegal or harmful content, near duplicates, or texts of test "
    "sets. Languages were not detected."
)
DECLARED = "Licences and other facts about the sources are as the job file declares them; nobody has checked them."


def steps(facts: Facts, shown: Shown) -> list[str]:
    """What was done, in order: reading, copies, vectors, clusters, validation, sampling, writing."""
    told = [_reading(facts, shown), _copies(facts), _quality(facts, shown), _vectors(facts, shown)]
    told += [_clusters(facts), _validation(facts)]
    told += [_sampling(facts, phase, shown) for phase in facts.summary["plan"]["phases"]]
    told.append(f"Written as {facts.index['format']} shards. The texts themselves were not changed.")
    return [one for one in told if one]


def _reading(facts: Facts, shown: Shown) -> str:
    found, files = facts.summary["documents"], facts.summary["sources"]["input_files"]
    return (
        f"Read: {found['documents']:,} documents in {files:,} files, {found['tokens']:,} tokens, {found['bytes']:,} "
        f"bytes of text. {found['rejected']:,} could not be used. {counting(facts.recipe['tokens'], shown)}"
    )


def counting(tokens: dict[str, Any], shown: Shown) -> str:
    """How tokens are counted, in a sentence."""
    way, tokenizer = tokens.get("count", "approximate"), tokens.get("tokenizer")
    if way == "model":
        return f"Tokens are those of the tokenizer {shown(str(tokenizer))}."
    if way == "column":
        return f"Tokens are as the sources' column {shown(str(tokens.get('column')))} has them."
    ratio = tokens.get("bytes_per_token")
    if ratio is None and tokenizer:
        return (
            "Tokens are estimated: bytes of UTF-8 text over a ratio measured on a sample of each domain with the "
            f"tokenizer {shown(tokenizer)}."
        )
    return f"Tokens are estimated: bytes of UTF-8 text over {BYTES_PER_TOKEN if ratio is None else ratio:g}."


def _copies(facts: Facts) -> str:
    if not facts.recipe["dedup"]["exact"]:
        return "Copies were not looked for."
    dropped = facts.summary["duplicates"]["dropped"]
    return f"{dropped:,} exact copies (the same text but for white space and Unicode form) were dropped."


def _quality(facts: Facts, shown: Shown) -> str:
    """Where qualities came from, where the plan went by them."""
    quality, plan = facts.recipe["quality"], facts.summary["plan"]
    sampling = facts.recipe["sampling"]
    by_quality = [phase["order"] == "curriculum" or phase["strategy"] == "quality" for phase in plan["phases"]]
    if not any(by_quality) and not sampling["prefer_quality"]:
        return ""
    given = quality["column"] or quality["expression"]
    origin = shown(given) if given else "Curation's rules for web text"
    return f"Quality: {origin}, with the curve {quality['curve']['kind']}."


def _vectors(facts: Facts, shown: Shown) -> str:
    encoder, read = facts.encoder, facts.summary["embeddings"]
    size = f"{encoder['dimensions']} dimensions"
    if not read.get("characters"):
        return f"Vectors of {size} came with the sources; no text was read for them."
    if encoder["kind"] == "lexical":
        by_style = facts.recipe["embedding"].get("features") == "style"
        counted = "frequencies of the commonest tokens" if by_style else "hashed TF-IDF"
        made = f"{counted} and SVD, fitted on a sample of these documents, {size}"
    else:
        weights = f", weights sha256 {encoder['weights_sha256']}" if encoder.get("weights_sha256") else ""
        made = f"{shown(encoder['name'])}, {size}, {encoder['precision']}{weights}"
    return f"Each document became a vector by {made}. {_read_share(read)}"


def _read_share(read: dict[str, int]) -> str:
    if not read["truncated"]:
        return "It read all of the text."
    share = 1 - read["left_out"] / read["characters"]
    return f"It read {share:.1%} of the text: of {read['truncated']:,} documents only a part."


def _clusters(facts: Facts) -> str:
    found = facts.summary["clustering"]
    grouped = f", merged into {found['groups']:,} groups" if found.get("groups") else ""
    asked = facts.recipe["clustering"]
    method = "Hierarchical K-Means with resampling" if asked["grouping"] == "kmeans" else "Spherical K-Means"
    apart = f", each {asked['within']} by itself" if asked["within"] != "none" else ""
    return (
        f"{method} put the vectors into {found['clusters']:,} clusters{grouped}{apart}: mean similarity to the "
        f"centroid {found['mean_similarity']:.3f}, coherence (simplified silhouette) {found['coherence']:.3f}."
        f"{SECOND_FITS.get(asked['grouping'], '')}"
    )


def _validation(facts: Facts) -> str:
    if not facts.validation:
        return ""
    rows, tokens = facts.validation["rows"], facts.validation["tokens"]
    return (
        f"{rows:,} documents ({tokens:,} tokens), stratified by cluster and domain, were set aside for validation "
        "before anything was drawn; no training shard holds the same text."
    )


def _sampling(facts: Facts, phase: dict[str, Any], shown: Shown) -> str:
    """What a phase drew, and by which rule."""
    asked = facts.recipe["phases"][int(phase["folder"].split("-")[1])] if phase["folder"] else {}
    sampling = facts.recipe["sampling"]
    clip = asked.get("clip") or sampling["clip"]
    exponent = sampling["cluster_exponent"] if asked.get("cluster_exponent") is None else asked["cluster_exponent"]
    shares = f"each cluster's goes by its size to the power of {exponent:g}"
    if exponent in (0, 1):
        shares = "clusters keep theirs" if exponent else "every cluster gets the same (ClusterClip, arXiv 2402.14526)"
    if sampling["balance"] == "groups":
        shares = "every group of clusters gets the same"
    if sampling["balance"] == "tree":
        shares = "every group of clusters gets the same, and so does every group inside it, level by level"
    if sampling["balance"] == "levels":
        shares = "groups of clusters get a power of their size, in the mean over the levels"
    weighing = next(one for one in facts.summary["weights"] if (one["phase"] or "") == phase["folder"])
    learned = f"; they were {learned_in_words(weighing['because'])}" if weighing["because"].get("units") else ""
    if learned and weighing["because"]["of"] == "clusters":
        shares = "every group of clusters gets a fitted share"
    own = {source["clip"] for source in facts.recipe["sources"] if source["clip"]} - {clip}
    clips = f"no document is used more than {clip:,} times" + (" (domains may have limits of their own)" if own else "")
    where = f"Phase {shown(phase['folder'])}: " if phase["folder"] else ""
    return (
        f"{where}{phase['draws']:,} draws, {phase['tokens']:,} tokens of a budget of {phase['budget']:,}. Shares: as "
        f"far as the limits allow, {shares}; {clips}. Domain weights: "
        f"{STRATEGIES[phase['strategy']]}{learned}. Order: {ORDERS[phase['order']]}."
    )


def limits(facts: Facts, shown: Shown) -> list[str]:
    """What a user must know before relying on the shards."""
    plan, clustering, read = facts.summary["plan"], facts.summary["clustering"], facts.summary["embeddings"]
    told = [NOT_LOOKED_FOR, DECLARED]
    unused = plan["documents"] - plan["used_documents"]
    if unused:
        told.append(f"Balance costs coverage: {unused:,} of {plan['documents']:,} documents are not used at all.")
    if read.get("characters") and read["truncated"]:
        told.append(f"Clusters rest on what the encoder read. {_read_share(read)}")
    if clustering.get("warnings"):
        told.append(f"{clustering['warnings']:,} clusters look like junk; `curation show` names them.")
    for row in facts.summary["left_out"]:
        size = f"{row['documents']:,} documents with {row['tokens']:,} tokens"
        told.append(f"Left out by the job: {size}, because: {shown(row['reason'])}.")
    if plan.get("without_quality"):
        told.append(f"{plan['without_quality']:,} documents have no quality and count as the mean of their domain.")
    return told


def biases(facts: Facts, shown: Shown) -> list[str]:
    """How the mixture differs from the corpus that it was drawn from, on purpose."""
    balance = facts.summary["balance"]
    gini, effective = balance["gini"], balance["effective_clusters"]
    told = [
        "The clusters are more even here than in the sources: Gini coefficient of their tokens "
        f"{gini['before']:.3f} before, {gini['after']:.3f} after; effective number of clusters "
        f"{effective['before']:.1f} before, {effective['after']:.1f} after."
        if gini["after"] < gini["before"]
        else f"Gini coefficient of the clusters' tokens: {gini['before']:.3f} before, {gini['after']:.3f} after."
    ]
    for row in facts.summary["domains"]:
        before, after = row["share_before"], row["share_after"]
        if before and not 2 / 3 < after / before < 3 / 2:
            name = shown(row["domain"])
            told.append(f"The domain {name} has {after:.2%} of the tokens here, and {before:.2%} in the sources.")
    return told


def repetition(facts: Facts) -> str:
    """How often documents are used, in a sentence."""
    plan = facts.summary["plan"]
    worth = plan["effective_tokens"] / max(1, plan["tokens"])
    return (
        f"{plan['used_documents']:,} different documents with {plan['unique_tokens']:,} tokens make {plan['draws']:,} "
        f"draws with {plan['tokens']:,} tokens, at most {len(plan['repetitions']) - 1:,} of one document. Repetition "
        f"counted (arXiv 2305.16264), they are worth {worth:.1%} of as many different tokens."
    )
