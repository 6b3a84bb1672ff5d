"""The record of a run: what was done to the data and why, for reviewers. Pure functions; `stages.record` feeds them."""
