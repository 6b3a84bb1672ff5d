"""The job file's keys: type, unit, default and meaning of each, and what they must be to each other."""

from curation.config.audit import Audit
from curation.config.clustering import Clustering
from curation.config.cost import Cost, CpuNode, GpuNode
from curation.config.embedding import Embedding
from curation.config.job import Job, Rows, Source
from curation.config.learning import Learning
from curation.config.output import Output, Validation
from curation.config.plan import Blending, Budget, Curve, Exclusion, Phase, Quality, Sampling
from curation.config.record import Record
from curation.config.resources import Resources
from curation.config.token_caps import TokenCap
from curation.config.tokens import Tokens

__all__ = [
    "Audit",
    "Blending",
    "Budget",
    "Clustering",
    "Cost",
    "CpuNode",
    "Curve",
    "Embedding",
    "Exclusion",
    "GpuNode",
    "Job",
    "Learning",
    "Output",
    "Phase",
    "Quality",
    "Record",
    "Resources",
    "Rows",
    "Sampling",
    "Source",
    "TokenCap",
    "Tokens",
    "Validation",
]
