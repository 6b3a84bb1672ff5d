"""Diff: two runs side by side, what changed between them and what that did.

`content` and `clusters` are plain functions on arrays; `compare` reads the tables of both runs; `text` prints.
"""
