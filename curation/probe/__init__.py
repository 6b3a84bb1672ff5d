"""Probe: does balancing help on this corpus, which setting helps most, and what does it cost? Small models tell."""
