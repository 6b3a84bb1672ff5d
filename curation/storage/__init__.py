"""Storage: the run directory and the inputs, on a disk or in an object store."""
