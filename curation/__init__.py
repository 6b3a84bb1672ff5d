"""Curation: balanced training shards for language models, with a record of every decision."""

__version__ = "0.1.0"
