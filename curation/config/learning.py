"""The keys that decide how learned mixtures are fitted (`blending.weights: learned`, `sampling.cluster_weights`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from curation.config.clustering import MOST_GROUPED, Clustering
from curation.config.plan import Reference, Sampling
from curation.config.section import Section

#: Fewest trials of a round: fewer say too little for a regression.
LEAST_TRIALS = 8


class Learning(Section):
    """How a mixture is fitted on trials: models of n-grams, trained on a sample in one mixture each."""

    target: Literal["macro_domain", "macro_cluster", "worst_domain", "validation"] = "macro_domain"
    """What is to be low. `macro_domain`, `macro_cluster`: the mean of the losses on texts of each domain, of each group
    of clusters, if it has 20 documents. `worst_domain`: the largest. `validation`: the loss on the texts that
    `validation` names."""
    validation: Reference | None = None
    """Texts that the trained model is to be good at. Read with `target: validation`."""
    trials: Annotated[int, Field(ge=LEAST_TRIALS, le=100_000)] = 256
    """Mixtures that are tried, over all rounds."""
    rounds: Annotated[int, Field(ge=1, le=32)] = 4
    """Rounds; each tries mixtures near those that the rounds before say are best."""
    floor: Annotated[float, Field(ge=0.001, le=1)] = 0.1
    """Least weight of a domain or group, as a multiple of its share of the tokens; 1 for what has too few documents
    to be validated on."""
    pool_tokens: Annotated[int, Field(ge=10_000, le=10**9)] = 20_000_000
    """Most tokens that the trials draw from, a sample of the corpus."""
    trial_tokens: Annotated[int, Field(ge=10_000, le=10**9)] = 2_500_000
    """Most tokens that a trial is trained on; at most the job's budget."""
    vocabulary: Annotated[int, Field(ge=512, le=65_536)] = 4096
    """Tokens of the byte-pair vocabulary that is trained on the corpus for it."""

    @model_validator(mode="after")
    def _fits_together(self) -> Learning:
        if (self.target == "validation") != (self.validation is not None):
            raise ValueError("target: validation and validation: {path: ...} go together: give both or neither")
        if self.trials < LEAST_TRIALS * self.rounds:
            raise ValueError(f"{self.rounds} rounds need at least {LEAST_TRIALS * self.rounds} trials")
        return self


def learning_fault(
    learning: Learning, sampling: Sampling, clustering: Clustering, strategies: set[str], domains: list[str]
) -> str | None:
    """What is wrong with the mixtures that are to be learned, in words; None: nothing.

    Args:
        learning: how they are fitted.
        sampling: what is drawn.
        clustering: the clusters.
        strategies: of the domain weights, by all phases.
        domains: their names.
    """
    of_clusters, of_domains = sampling.cluster_weights == "learned", "learned" in strategies
    if not of_clusters and not of_domains:
        return None
    if of_clusters and strategies != {"none"}:
        asked = ", ".join(sorted(strategies - {"none"})) or "given by a phase"
        return (
            f"sampling.cluster_weights is learned, and blending.weights is {asked}: the trials fit one mixture, of "
            "clusters or of domains; set either to none"
        )
    if of_domains and (sampling.min_cluster_share > 0 or sampling.max_cluster_share < 1):
        return (
            "blending.weights is learned, and sampling.min_cluster_share or max_cluster_share is set: some of the "
            "mixtures of domains that are tried can't keep to it; take it out, or set blending.weights to another value"
        )
    if len(set(domains) - {one.domain for one in sampling.exclude if one.cluster is None}) < 2:
        if of_domains:
            return (
                "blending.weights is learned, and there is one domain to draw from: set it to none, and to learn "
                "weights of groups of clusters sampling.cluster_weights: learned with learning.target: macro_cluster"
            )
        if learning.target in ("macro_domain", "worst_domain"):
            return one_domain(learning.target)
    by_ward = (of_clusters or learning.target == "macro_cluster") and clustering.groups is None
    if by_ward and clustering.fine > MOST_GROUPED:
        key = "sampling.cluster_weights: learned" if of_clusters else "learning.target: macro_cluster"
        return (
            f"{key} groups the clusters, at most {MOST_GROUPED:,} of them: lower clustering.clusters, or give groups "
            "there, [50000, 500], with clustering.grouping: kmeans"
        )
    return None


def one_domain(target: str) -> str:
    """What is wrong with a target that is computed over domains where there is one."""
    return f"learning.target is {target}, and there is one domain to draw from: use learning.target: macro_cluster"
