"""Probe: which way of sampling helps most on a run's own documents, found out with small models.

`statistics` tells an effect from chance, `clip` what repetition costs, `words` says it in a sentence, `text` in tables.
"""
