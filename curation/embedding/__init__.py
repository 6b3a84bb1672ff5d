"""Documents to unit vectors: which model, where its weights are, and how texts are batched through it."""
