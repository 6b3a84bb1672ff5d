"""Trace: from a text back to the documents of the corpus that it is like, and to the shards that they are in.

`words`, `passages` and `nearest` are plain functions on arrays. `index` is made once a run, in Ray tasks; `exact`
and `meaning` answer a query in the process of the command line; `places` says where a document came from and went.
"""
