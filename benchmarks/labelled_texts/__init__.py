"""What `benchmarks/labelled.py` is made of: the tables of domains, the packages, and how files become documents."""
