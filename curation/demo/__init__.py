"""The demo: a corpus of real text that every installation has, and a job file for it. Nothing is downloaded.

`domains` finds and chooses the texts, `cutting` makes documents of files, `corpus` writes the folder, `job` the YAML.
"""

from curation.demo.corpus import DemoCorpus, build_corpus
from curation.demo.job import demo_job

__all__ = ["DemoCorpus", "build_corpus", "demo_job"]
