"""One file a stage: what it reads, what it maps over Ray, what it writes, top to bottom."""
